"""The tree of settings: the meaning, type, limits and default of each.

The tree has the shape of the configuration file: `[poll] every` is `settings.poll.every`. docs/configuration.md is
written from the fields' descriptions. Rules between settings are in `rules`, checks of the disk in `disk`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from worker.settings.account_settings import AccountSettings
from worker.settings.junk_settings import JunkSettings
from worker.settings.mailbox_settings import MailboxSettings
from worker.settings.observing import AlertsSettings, AuditSettings, HealthSettings, HelpSettings, LogSettings
from worker.settings.proxy_settings import ProxySettings
from worker.settings.routes import HandlerSettings, RouteSettings
from worker.settings.types import (
    Count,
    Day,
    Duration,
    Folder,
    Name,
    PositiveDuration,
    SecretUrl,
    Since,
    Size,
    Table,
    Waits,
)


class StateSettings(Table):
    """State that must survive a restart: the journal, the audit trail and the token cache."""

    about = (
        "What must survive a restart: the journal with its count of login attempts, the audit trail, the token cache."
    )

    dir: Path = Field(
        default=Path("/var/lib/nhsmail-worker"), description="The folder for it, on a disk that survives a restart."
    )
    journal: SecretUrl | None = Field(
        default=None,
        description=(
            "The journal's database, for replicas: `postgresql+psycopg://…`. Unset: SQLite in `dir`. To another "
            "machine the connection uses TLS, and the worker verifies certificate and name. `?sslrootcert=FILE` "
            "names a private authority."
        ),
    )
    journal_file: Path | None = Field(
        default=None, description="A file that holds the journal's URL, which then may contain a password."
    )
    allow_clear: bool = Field(
        default=False,
        description=(
            "Accept that the journal's password and rows go to a database on another machine in clear text. The "
            "worker then doesn't try TLS, unless the URL says `sslmode=verify-full`. `check` and the log warn about "
            "it."
        ),
    )
    keep: PositiveDuration = Field(
        default=timedelta(days=400),
        description=(
            "How long a settled message keeps its row in the journal. After that, once two daily walks haven't "
            "found the message in any of the worker's folders, the journal keeps only a count. Old login attempts "
            "and requests are removed as well."
        ),
    )
    ephemeral: bool = Field(
        default=False,
        description=(
            "Accept a `dir` that a restart may empty, at your own risk: a restart then loses the count of attempts."
        ),
    )


class PollSettings(Table):
    """When and where to poll for mail."""

    about = (
        "When and where to look for mail. Without `since`, the first `once` on a terminal asks before it hands over "
        "more than 1,000 messages."
    )

    every: PositiveDuration = Field(default=timedelta(seconds=60), description="The time between two polls.")
    since: Since = Field(
        default=None,
        description=(
            '`"all"`, or a date: the worker leaves older mail alone, by whole days. A date without a time begins at '
            "midnight UTC."
        ),
        json_schema_extra={"shown_type": '"all" or date', "shown_default": '"all"'},
    )
    folders: Annotated[tuple[Folder, ...], Field(min_length=1)] = Field(
        default=("INBOX",),
        description=(
            "The folders to watch. The junk folder is always watched as well. The worker also finds a name below "
            "the server's prefix for the account's folders, such as `INBOX.`."
        ),
    )
    idle: bool = Field(
        default=True,
        description=(
            "Wake early if the server can report new mail (IDLE). If IDLE breaks the connections, the worker stops "
            "using it for an hour, then for longer."
        ),
    )
    pipelining: bool = Field(
        default=True,
        description=(
            "Send the next command while the server still answers the last one. Turn this off for a server or a proxy "
            "that takes only one command at a time."
        ),
    )
    batch_bytes: Size = Field(
        default=16_000_000, description="The most that one fetch brings, unless a single message is larger."
    )
    batch_count: Annotated[int, Field(ge=1, le=500)] = Field(default=100, description="The most messages in one fetch.")
    reconnect: Waits = Field(
        default=tuple(timedelta(seconds=seconds) for seconds in (2, 10, 30, 60, 300)),
        description=(
            "Waits after the 1st, 2nd, … lost or refused connection. The last one repeats, and `once` gives up "
            "after it. Once a connection has lasted five minutes, the waits start again with the 1st. After twenty "
            "logins without such a connection, `run` waits at least a minute."
        ),
    )


class LockoutSettings(Table):
    """How the worker avoids locking the account."""

    about = (
        "NHSmail locks an account after twelve attempts at its password, and only a Local Administrator unlocks it. "
        "The worker stops at `threshold` − `reserve`. Once a login has failed, other commands never use the last "
        "attempt. For an address at nhs.net, the worker refuses a threshold over 12, and one that leaves it more "
        "than 9 attempts. The count is in the state folder. Two state folders for one account each spend that many "
        "attempts."
    )

    threshold: Annotated[int, Field(ge=1, le=50)] = Field(default=12, description="Attempts until the server locks it.")
    reserve: Annotated[int, Field(ge=0)] = Field(default=4, description="How many of these the worker never uses.")
    per_credential: Count = Field(default=5, description="The most attempts with the same password.")
    waits: Waits = Field(
        default=tuple(timedelta(minutes=minutes) for minutes in (1, 10, 60, 240, 720, 1440)),
        description="Waits after the 1st, 2nd, … failure. The last one repeats.",
    )
    jitter: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.1, description="The worker adds a random part to each wait, up to this share of it."
    )
    token_attempts: Count = Field(
        default=3, description="Rejected OAuth tokens before the worker halts. They don't count towards the threshold."
    )


_YEARLY = ("nhsmail-2019", "application-account")
"""The policies whose passwords last 365 days."""


class PasswordSettings(Table):
    """The password policy, and when to warn that the password expires."""

    about = (
        "A password that breaks the policy can't be right. The worker doesn't send it, and reports which policies "
        "it would pass. Name the policy under which the account's password was set."
    )

    policy: Literal["nhsmail", "nhsmail-2019", "application-account", "off"] = Field(
        default="nhsmail",
        description=(
            "`nhsmail`, the policy text: 8 characters from three of the four kinds (capitals, small letters, "
            "digits, symbols). No space, no comma, not the user name, none of the four previous passwords. "
            "`nhsmail-2019`, NHSmail's support pages since May 2019: 10 characters, no space, not the owner's first "
            "or last name, none of the four previous passwords. `application-account`: the same with 20 characters. "
            "`off`: no rules."
        ),
    )
    owner_names: tuple[str, ...] = Field(
        default=(),
        description=(
            "The first and last name of the account's owner, which no password may contain by `nhsmail-2019` and "
            "`application-account`. Empty: not known, and not checked. The worker doesn't check a name of one or "
            "two characters either."
        ),
    )
    max_age: PositiveDuration = Field(
        default_factory=lambda given: timedelta(days=365 if given.get("policy") in _YEARLY else 90),
        description="How long a password lasts.",
        json_schema_extra={"shown_default": '"90d"; "365d" for `nhsmail-2019` and `application-account`'},
    )
    warn: Duration = Field(
        default_factory=lambda given: min(timedelta(days=30), given.get("max_age", timedelta(days=90)) / 3),
        description=(
            "How long before its end the warnings begin. They are repeated 21 and 14 days before, and daily in the "
            "last week. Warnings about other things that expire begin 30 days before."
        ),
        json_schema_extra={"shown_default": '"30d"; a third of a `max_age` below 90 days'},
    )
    changed: Day = Field(
        default=None,
        description=(
            "When the password was last changed: the worker's own, or with a sign-in by a person, the password of "
            "the account that signs in. Unset: when the worker first saw it. With a sign-in by a person, it isn't "
            "known then."
        ),
        json_schema_extra={"shown_type": "date", "shown_default": "–"},
    )


class SettleSettings(Table):
    """Where mail is moved once its outcome is recorded."""

    about = (
        "Where a message goes once its outcome is recorded. The worker creates missing folders. It puts the default "
        "names below the server's prefix for the account's folders (such as `INBOX.`), and takes other names as "
        "they are written."
    )

    handled: Folder = Field(default="Processed", description='A folder, or `"keep"` to leave handled mail where it is.')
    failed: Folder = Field(default="Failed", description="The folder for dead letters.")
    delete_handled_after: PositiveDuration | None = Field(
        default=None,
        description=(
            "Delete handled mail from its folder this long after it was handled. The worker leaves alone what "
            "people moved elsewhere. If the clock was changed by more than a day, the worker deletes nothing for a "
            "day. Unset: never."
        ),
        json_schema_extra={"shown_default": "never"},
    )
    junk: Folder = Field(
        default="auto",
        description='Where junk from other folders goes: `"auto"` (the junk folder), `"keep"` (it stays), or a folder.',
    )


class LimitsSettings(Table):
    """The limits of a message. One that exceeds a limit becomes a dead letter rather than being handled in part."""

    about = "A message over a limit becomes a dead letter, kept whole. It is never partly handled."

    message: Size = Field(
        default=64_000_000, description=("The size of a message. The worker never fetches a larger one.")
    )
    header_bytes: Size = Field(default=1_000_000, description="The headers of all parts together.")
    header_fields: Count = Field(default=10_000, description="The header fields of all parts together.")
    parts: Count = Field(default=1_000, description="The MIME parts of a message.")
    depth: Annotated[int, Field(ge=1, le=200)] = Field(default=50, description="How deep parts may be nested.")
    text: Size = Field(
        default=5_000_000,
        description=(
            "The text of a message, and its HTML, decoded. The limit applies only if a handler or rule asks for the "
            "text."
        ),
    )
    attachments: Count = Field(default=500, description="The attachments of a message.")
    attachment: Size = Field(default=64_000_000, description="The size of one attachment, decoded.")
    expansion: float = Field(
        default=100.0, ge=1, allow_inf_nan=False, description="How many times its size a winmail.dat may unpack to."
    )
    rtf: Size = Field(default=20_000_000, description="The unpacked size of compressed bodies (RTF) in winmail.dat.")
    header_parameters: Count = Field(default=200, description="The parameters (`; name=value`) of one header.")
    lines: Count = Field(default=500_000, description="Lines that must be read one by one.")
    parsed_lines: Count = Field(
        default=2_000_000, description="Lines of a message that a handler wants as mail-parser's object."
    )
    deaths: Count = Field(default=3, description="How often the process may die while it handles this message alone.")


class WorkSettings(Table):
    """How handlers are run."""

    about = "How the handlers are run."

    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        default=4,
        description=(
            "How many messages are handled at once. While the process takes less than 256 MB, up to four times as "
            "many calls that last longer than 30 seconds don't count."
        ),
    )
    grace: Duration = Field(
        default=timedelta(seconds=25),
        description="How long a stop waits for messages that are being handled. The rest stays in the mailbox.",
    )
    start: PositiveDuration = Field(
        default=timedelta(minutes=1),
        description=(
            "How long each handler may take to be imported, and to be built. One that takes longer stops the start."
        ),
    )


class Settings(Table):
    """The whole configuration, named as in the file, except `[[route]]` (`routes`) and `[handler.…]` (`handlers`).

    A table that isn't in the file has its defaults as they are here. `model_construct` sets them without building the
    table's checks once more.
    """

    account: AccountSettings
    state: StateSettings = Field(default_factory=StateSettings.model_construct)
    proxy: ProxySettings = Field(default_factory=ProxySettings.model_construct)
    poll: PollSettings = Field(default_factory=PollSettings.model_construct)
    lockout: LockoutSettings = Field(default_factory=LockoutSettings.model_construct)
    password: PasswordSettings = Field(default_factory=PasswordSettings.model_construct)
    junk: JunkSettings = Field(default_factory=JunkSettings.model_construct)
    settle: SettleSettings = Field(default_factory=SettleSettings.model_construct)
    mailbox: MailboxSettings = Field(default_factory=MailboxSettings.model_construct)
    limits: LimitsSettings = Field(default_factory=LimitsSettings.model_construct)
    work: WorkSettings = Field(default_factory=WorkSettings.model_construct)
    health: HealthSettings = Field(default_factory=HealthSettings.model_construct)
    alerts: AlertsSettings = Field(default_factory=AlertsSettings.model_construct)
    audit: AuditSettings = Field(default_factory=AuditSettings.model_construct)
    help: HelpSettings = Field(default_factory=HelpSettings.model_construct)
    log: LogSettings = Field(default_factory=LogSettings.model_construct)
    routes: tuple[RouteSettings, ...] = Field(default=(), alias="route")
    handlers: dict[Name, HandlerSettings] = Field(default_factory=dict, alias="handler")
