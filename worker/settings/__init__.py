"""The whole configuration, checked at start, every fault reported at once.

    settings = load(Path("worker.toml"), os.environ)

What the settings are:

- `tree` is the whole tree and has most tables; `routes`, `junk_settings`, `observing` and `proxy_settings` have the
  others.
- `types` has the kinds of value and how each is checked; `units` reads and writes durations and sizes.
- `model` answers questions about the tree: its tables, its settings, and which of them are secrets.

How they are loaded and checked:

- `load` runs the steps below and collects every fault.
- `sources` reads the file and the environment, which takes precedence.
- `secrets` refuses secrets in the file and reads secrets from files of their own.
- `file_values` refuses values of another type in the file, and lets its relative paths begin at its folder.
- `shape` brings the values into the tree's shape, refuses a second account, and removes faulty values.
- `rules` checks what must hold between settings; `outgoing` checks what is sent to other machines; `disk` checks files
  and the state folder.
- `wording` words the faults.

What is made of them: `proxy_use` makes the proxy;
`reference` writes docs/configuration.md; `values` lists all values by name, for the audit trail.
"""

from worker.settings.account_settings import AccountSettings, OAuthSettings
from worker.settings.disk import check_files, check_state_dir, secret_file_faults
from worker.settings.junk_settings import JunkSettings
from worker.settings.load import Check, SettingsError, load
from worker.settings.observing import (
    AlertsSettings,
    AuditSettings,
    HealthSettings,
    HelpSettings,
    LogSettings,
    RelaySettings,
    SubmissionSettings,
)
from worker.settings.outgoing import clear_tables
from worker.settings.proxy_use import check_proxy, proxy_of
from worker.settings.routes import HandlerRules, HandlerSettings, MatchSettings, Pattern, RouteSettings, SizeMatch
from worker.settings.secrets import has_password, read_secret
from worker.settings.tree import (
    LimitsSettings,
    LockoutSettings,
    PasswordSettings,
    PollSettings,
    Settings,
    SettleSettings,
    StateSettings,
    WorkSettings,
)
from worker.settings.units import format_duration, format_size, parse_duration, parse_size
from worker.settings.values import values_by_setting

__all__ = [
    "AccountSettings",
    "AlertsSettings",
    "AuditSettings",
    "Check",
    "HandlerRules",
    "HandlerSettings",
    "HealthSettings",
    "HelpSettings",
    "JunkSettings",
    "LimitsSettings",
    "LockoutSettings",
    "LogSettings",
    "MatchSettings",
    "OAuthSettings",
    "PasswordSettings",
    "Pattern",
    "PollSettings",
    "RelaySettings",
    "RouteSettings",
    "Settings",
    "SettingsError",
    "SettleSettings",
    "SizeMatch",
    "StateSettings",
    "SubmissionSettings",
    "WorkSettings",
    "check_files",
    "check_proxy",
    "check_state_dir",
    "clear_tables",
    "format_duration",
    "format_size",
    "has_password",
    "load",
    "parse_duration",
    "parse_size",
    "proxy_of",
    "read_secret",
    "secret_file_faults",
    "values_by_setting",
]
