"""The tree of settings: the meaning, type, limits and default of each.

The tree has the shape of the configuration file: `[poll] every` is `settings.poll.every`. docs/configuration.md is
written from the fields' descriptions. Rules between settings are in `rules`, checks of the disk in `disk`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from worker.settings.exchange_hosts import EXCHANGE_HOSTS
from worker.settings.junk_settings import JunkSettings
from worker.settings.mailbox_settings import MailboxSettings
from worker.settings.observing import AlertsSettings, AuditSettings, HealthSettings, HelpSettings, LogSettings
from worker.settings.proxy_settings import ProxySettings
from worker.settings.routes import HandlerSettings, RouteSettings
from worker.settings.types import (
    Address,
    Count,
    Day,
    Duration,
    Folder,
    Host,
    Name,
    PositiveDuration,
    SecretUrl,
    Since,
    Size,
    Table,
    Waits,
)


class OAuthSettings(Table):
    """How to get a token for the mailbox from Microsoft's token endpoint."""

    about = "OAuth 2.0, for every `auth` but `password`. Where the flow needs it: a secret or a certificate."

    tenant: str = Field(default="", description="The tenant: its id, or its domain.")
    client_id: str = Field(default="", description="The id of the registered application.")
    client_secret: SecretStr | None = Field(
        default=None,
        description="The application's secret, for `oauth2-client` and `oauth2-browser`. With a secret or certificate "
        "a sign-in by `oauth2-browser` survives its user's own change of the password; without one it doesn't.",
    )
    client_secret_file: Path | None = Field(default=None, description="A file that holds the application's secret.")
    certificate_file: Path | None = Field(
        default=None,
        description="A PEM file with the application's certificate and its private key, instead of a secret.",
    )
    secret_expires: Day = Field(
        default=None,
        description="The date on which the secret ends, as the application's registration shows it, for the warnings "
        "beforehand: the sign-in service doesn't tell it. A certificate says itself when it ends. Unset: not known.",
        json_schema_extra={"shown_type": "date", "shown_default": "–"},
    )
    authority: str = Field(
        default="https://login.microsoftonline.com", description="The token endpoint's address, without the tenant."
    )
    scopes: tuple[str, ...] = Field(
        default=(), description="The scopes to ask for; empty: what IMAP needs in this flow."
    )
    refresh_ahead: PositiveDuration = Field(
        default=timedelta(minutes=5), description="A token is renewed this long before it expires."
    )


class AccountSettings(Table):
    """The one mailbox, its server, and how to log in."""

    about = (
        "The one mailbox. A second one can't be configured: NHSmail's policy forbids keeping the passwords of several "
        "accounts in one application. Exchange Online's own servers take no password over IMAP, so none is sent to "
        "them unless `allow_password` says so. They are known by these names, and by all names below them: "
        f"{', '.join(f'`{host}`' for host in EXCHANGE_HOSTS)}."
    )

    address: Address = Field(description="The mailbox's full address, which is its user name as well.")
    host: Host = Field(default="outlook.office365.com", description="The IMAP server.")
    port: int = Field(default=993, ge=1, le=65535, description="Its port; the connection is TLS from its first byte.")
    auth: Literal["password", "oauth2-browser", "oauth2-client", "oauth2-device", "oauth2-password"] = Field(
        default="password", description="How to log in. NHSmail's own mailboxes need OAuth 2.0 today."
    )
    allow_password: bool = Field(
        default=False,
        description='Let `auth = "password"` send the password to one of Exchange Online\'s own servers, which refuse '
        "every one in the words of a wrong one. Each refusal counts. Without it the worker halts before any attempt, "
        "and `check` ends with 1.",
    )
    sign_in: Address | None = Field(
        default=None,
        description="Who signs in, where that isn't `address`: for a shared mailbox, a user with full access to it. "
        "For `oauth2-browser` and `oauth2-device`. The worker still reads and serves `address` alone.",
    )
    password: SecretStr | None = Field(
        default=None, description="The password, for `password` and `oauth2-password`. A change needs a restart."
    )
    password_file: Path | None = Field(
        default=None,
        description="A file that holds the password, read before each attempt: a change needs no restart.",
    )
    password_file_mode: Literal["private", "group", "any"] = Field(
        default="private",
        description="Who may read the files that hold secrets: only their owner; the group too; or anybody, as some "
        "secret mounts need.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="A PEM file of authorities to trust besides the system's. Verification can't be turned off.",
    )
    connect_timeout: PositiveDuration = Field(
        default=timedelta(seconds=20), description="How long connecting may take."
    )
    read_timeout: PositiveDuration = Field(
        default=timedelta(seconds=60), description="How long the server may stay silent."
    )
    oauth: OAuthSettings = Field(default_factory=OAuthSettings)


class StateSettings(Table):
    """State that must survive a restart: the journal, the audit trail and the token cache."""

    about = "What must outlast a restart: the journal with its count of login attempts, audit trail, token cache."

    dir: Path = Field(
        default=Path("/var/lib/nhsmail-worker"), description="The folder for it; on a disk that a restart keeps."
    )
    journal: SecretUrl | None = Field(
        default=None,
        description="The journal's database, for replicas: `postgresql+psycopg://…`. Unset: SQLite in `dir`. Beyond "
        "this machine it is TLS, and certificate and name are verified: `?sslrootcert=FILE` names a private authority.",
    )
    journal_file: Path | None = Field(
        default=None, description="A file that holds the journal's URL, which then may contain a password."
    )
    allow_clear: bool = Field(
        default=False,
        description="Accept that the journal's password and rows go to a database on another machine in clear text: no "
        "TLS is tried then, unless the URL says `sslmode=verify-full`. `check` and the log say so.",
    )
    keep: PositiveDuration = Field(
        default=timedelta(days=400),
        description="How long a settled message keeps its row in the journal; then the row is reduced to a number, as "
        "soon as two daily walks didn't find the message in any folder of ours. Old login attempts and requests "
        "go as well.",
    )
    ephemeral: bool = Field(
        default=False,
        description="Accept a `dir` that a restart may empty, at your own risk: the count of attempts is then lost.",
    )


class PollSettings(Table):
    """When and where to poll for mail."""

    about = "When and where to look for mail. Without `since` the first `once` on a terminal asks above 1,000 messages."

    every: PositiveDuration = Field(default=timedelta(seconds=60), description="The time between looks at the mailbox.")
    since: Since = Field(
        default=None,
        description='`"all"`, or a date: older mail is left alone, by whole days. A bare date begins at midnight UTC.',
        json_schema_extra={"shown_type": '"all" or date', "shown_default": '"all"'},
    )
    folders: Annotated[tuple[Folder, ...], Field(min_length=1)] = Field(
        default=("INBOX",),
        description="The folders to watch; the junk folder is watched as well. A name is also found below what the "
        "server puts before the names of the account's folders, such as `INBOX.`.",
    )
    idle: bool = Field(
        default=True,
        description="Wake early where the server can tell of new mail (IDLE). Where IDLE is what ends the connections, "
        "it is given up for an hour, then for longer.",
    )
    batch_bytes: Size = Field(
        default=16_000_000, description="The most that one fetch brings, save a single larger message."
    )
    batch_count: Annotated[int, Field(ge=1, le=500)] = Field(default=100, description="The most messages in one fetch.")
    reconnect: Waits = Field(
        default=tuple(timedelta(seconds=seconds) for seconds in (2, 10, 30, 60, 300)),
        description="Waits after the 1st, 2nd, … lost or refused connection; the last one repeats, and `once` gives up "
        "after it. The 1st is the next one again once a connection has lasted five minutes. After twenty "
        "logins without one `run` waits a minute at least.",
    )


class LockoutSettings(Table):
    """How the worker avoids locking the account."""

    about = (
        "NHSmail locks an account after twelve attempts at its password, and only a Local Administrator unlocks it. "
        "The worker stops at `threshold` − `reserve`. Commands beside the worker never use the last attempt, once "
        "something has failed. For an address at nhs.net, a threshold over 12 is refused, and so is one that leaves "
        "the worker more than 9 attempts. The count is in the state folder: two of them, for one account, each spend "
        "as much."
    )

    threshold: Annotated[int, Field(ge=1, le=50)] = Field(default=12, description="Attempts until the server locks it.")
    reserve: Annotated[int, Field(ge=0)] = Field(default=4, description="Of these, how many the worker never uses.")
    per_credential: Count = Field(default=5, description="The most attempts with one and the same password.")
    waits: Waits = Field(
        default=tuple(timedelta(minutes=minutes) for minutes in (1, 10, 60, 240, 720, 1440)),
        description="Waits after the 1st, 2nd, … failure; the last one repeats.",
    )
    jitter: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.1, description="Each wait is lengthened by a random share of itself, up to this one."
    )
    token_attempts: Count = Field(
        default=3, description="Rejected OAuth tokens before the worker halts; they don't count towards the threshold."
    )


_YEARLY = ("nhsmail-2019", "application-account")
"""The policies whose passwords last 365 days."""


class PasswordSettings(Table):
    """The password policy, and when to warn that the password expires."""

    about = (
        "A password that breaks the policy can't be right: it is reported, with the policies that it would pass, and "
        "not sent. The policy that applies is the one under which the account's password was set."
    )

    policy: Literal["nhsmail", "nhsmail-2019", "application-account", "off"] = Field(
        default="nhsmail",
        description="`nhsmail`, the policy text: 8 characters, three of the four kinds (capitals, small letters, "
        "digits, symbols), no space, no comma, not the user name, none of the four previous. `nhsmail-2019`, what "
        "NHSmail's support pages have said since May 2019: 10 characters, no space, not the owner's first or last "
        "name, none of the four previous. `application-account`: the same with 20 characters. `off`: no rules.",
    )
    owner_names: tuple[str, ...] = Field(
        default=(),
        description="The first and last name of the account's owner, which no password may contain by `nhsmail-2019` "
        "and `application-account`. Empty: not known, and not looked for; nor is a name of one or two characters.",
    )
    max_age: PositiveDuration = Field(
        default_factory=lambda given: timedelta(days=365 if given.get("policy") in _YEARLY else 90),
        description="How long a password lasts.",
        json_schema_extra={"shown_default": '"90d"; "365d" for `nhsmail-2019` and `application-account`'},
    )
    warn: Duration = Field(
        default_factory=lambda given: min(timedelta(days=30), given.get("max_age", timedelta(days=90)) / 3),
        description="How long before its end the warnings begin. They are repeated 21 and 14 days before, and daily in "
        "the last week. What else expires is warned of from 30 days before.",
        json_schema_extra={"shown_default": '"30d"; a third of a `max_age` below 90 days'},
    )
    changed: Day = Field(
        default=None,
        description="When the password was last changed: the worker's own, or with a sign-in by a person the password "
        "of who signs in. Unset: when the worker first saw it; with such a sign-in it isn't known then.",
        json_schema_extra={"shown_type": "date", "shown_default": "–"},
    )


class SettleSettings(Table):
    """Where mail is moved once its outcome is recorded."""

    about = (
        "Where a message goes once its outcome is recorded. Missing folders are created: the default names below what "
        "the server puts before the names of the account's folders (such as `INBOX.`), other names as they are written."
    )

    handled: Folder = Field(default="Processed", description='A folder, or `"keep"` to leave handled mail where it is.')
    failed: Folder = Field(default="Failed", description="The folder for dead letters.")
    delete_handled_after: PositiveDuration | None = Field(
        default=None,
        description="Delete handled mail from its folder this long after it was handled; what people moved elsewhere "
        "is left alone. After the clock was put ahead or back by more than a day, nothing is deleted for a day. "
        "Unset: never.",
        json_schema_extra={"shown_default": "never"},
    )
    junk: Folder = Field(
        default="auto",
        description='Where junk from other folders goes: `"auto"`, the junk folder; `"keep"`; or a folder.',
    )


class LimitsSettings(Table):
    """The limits of a message. One that exceeds a limit becomes a dead letter rather than being handled in part."""

    about = "A message over a limit becomes a dead letter, kept whole; it is never half handled."

    message: Size = Field(default=64_000_000, description="The size of a message; a larger one is never fetched.")
    header_bytes: Size = Field(default=1_000_000, description="The headers of all parts together.")
    header_fields: Count = Field(default=10_000, description="The header fields of all parts together.")
    parts: Count = Field(default=1_000, description="The MIME parts of a message.")
    depth: Annotated[int, Field(ge=1, le=200)] = Field(default=50, description="How deep parts may be nested.")
    text: Size = Field(
        default=5_000_000,
        description="The text of a message, and its HTML, decoded. Only a handler or rule that asks for it meets this.",
    )
    attachments: Count = Field(default=500, description="The attachments of a message.")
    attachment: Size = Field(default=64_000_000, description="The size of one attachment, decoded.")
    expansion: float = Field(
        default=100.0, ge=1, allow_inf_nan=False, description="How many times its size a winmail.dat may unpack to."
    )
    rtf: Size = Field(default=20_000_000, description="What compressed bodies (RTF) in winmail.dat may unpack to.")
    header_parameters: Count = Field(default=200, description="The parameters (`; name=value`) of one header.")
    lines: Count = Field(default=500_000, description="Lines that have to be read one by one.")
    parsed_lines: Count = Field(
        default=2_000_000, description="Lines of a message that a handler wants as mail-parser's object."
    )
    deaths: Count = Field(default=3, description="How often the process may die with this message alone in hand.")


class WorkSettings(Table):
    """How handlers are run."""

    about = "How the handlers are run."

    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        default=4,
        description="How many messages are handled at once. Up to four times as many calls of more than 30 seconds "
        "aren't counted, while the process takes less than 256 MB.",
    )
    grace: Duration = Field(
        default=timedelta(seconds=25),
        description="How long a stop waits for what is in hand; the rest stays in the mailbox.",
    )
    start: PositiveDuration = Field(
        default=timedelta(minutes=1),
        description="How long each handler may take to be imported, and to be built; one that takes longer stops the "
        "start.",
    )


class Settings(Table):
    """The whole configuration, named as in the file, except `[[route]]` (`routes`) and `[handler.…]` (`handlers`)."""

    account: AccountSettings
    state: StateSettings = Field(default_factory=StateSettings)
    proxy: ProxySettings = Field(default_factory=ProxySettings)
    poll: PollSettings = Field(default_factory=PollSettings)
    lockout: LockoutSettings = Field(default_factory=LockoutSettings)
    password: PasswordSettings = Field(default_factory=PasswordSettings)
    junk: JunkSettings = Field(default_factory=JunkSettings)
    settle: SettleSettings = Field(default_factory=SettleSettings)
    mailbox: MailboxSettings = Field(default_factory=MailboxSettings)
    limits: LimitsSettings = Field(default_factory=LimitsSettings)
    work: WorkSettings = Field(default_factory=WorkSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    alerts: AlertsSettings = Field(default_factory=AlertsSettings)
    audit: AuditSettings = Field(default_factory=AuditSettings)
    help: HelpSettings = Field(default_factory=HelpSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    routes: tuple[RouteSettings, ...] = Field(default=(), alias="route")
    handlers: dict[Name, HandlerSettings] = Field(default_factory=dict, alias="handler")
