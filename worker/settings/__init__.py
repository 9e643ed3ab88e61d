"""The whole configuration, checked at start, every fault reported at once.

    settings = load(Path("worker.toml"), os.environ)

A package of small rooms: `tree` says which settings there are, `sources` reads file and environment, `secrets` keeps
secrets out of the file, `rules` says what must hold between settings, `disk` what must be true of the disk.
"""

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
)
from worker.settings.routes import HandlerRules, HandlerSettings, MatchSettings, Pattern, RouteSettings, SizeMatch
from worker.settings.secrets import has_password, read_secret
from worker.settings.tree import (
    AccountSettings,
    LimitsSettings,
    LockoutSettings,
    OAuthSettings,
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
    "WorkSettings",
    "check_files",
    "check_state_dir",
    "format_duration",
    "format_size",
    "has_password",
    "load",
    "parse_duration",
    "parse_size",
    "read_secret",
    "secret_file_faults",
    "values_by_setting",
]
