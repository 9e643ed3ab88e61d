"""The settings: what there is, what each one means, its type, its limits and its default.

The tree has the shape of the configuration file: `[poll] every` is `settings.poll.every`. What is said of a field here
is what docs/configuration.md shows. What holds between several settings is in `rules`, what needs the disk in `disk`.
"""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from worker.settings.units import parse_duration, parse_size


class Url:
    """Marks a secret that is a URL: in the file it is welcome, as long as it holds no password."""


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError('must be text: a number and a unit (ms s m h d), such as "60s"')


def _size(value: Any) -> Any:
    if isinstance(value, str):
        return parse_size(value)
    raise ValueError('must be text: a number and a unit (B kB MB GB KiB MiB GiB), such as "40MB"')


def _since(value: Any) -> datetime | None:
    return None if value == "all" or value is None else _moment(value, 'must be "all" or a date, such as "2026-01-31"')


def _changed(value: Any) -> datetime | None:
    return None if value is None else _moment(value, 'must be a date, such as "2026-01-31"')


def _moment(value: Any, wrong: str) -> datetime:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value) if len(value) > len("2026-01-31") else date.fromisoformat(value)
    except ValueError:
        raise ValueError(wrong) from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError('has a time without a zone: write "2026-01-31" or "2026-01-31T08:00:00Z"')
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError(wrong)


_ADDRESS = re.compile(
    r"[^\s@,;<>\"()\x00-\x1f\x7f]+@[^\s@,;<>\"()\[\]\x00-\x1f\x7f]+\.[^\s@,;<>\"()\[\]\x00-\x1f\x7f]+"
)


def _address(value: Any) -> Any:
    if isinstance(value, str) and not _ADDRESS.fullmatch(value):
        raise ValueError(
            "must be the full address of the mailbox, such as pathology.results@nhs.net: "
            "NHSmail takes it, not a short name, as the user name"
        )
    return value


def _recipient(value: Any) -> Any:
    if isinstance(value, str) and not _ADDRESS.fullmatch(value):
        raise ValueError("must be a full address, such as duty.team@nhs.net")
    return value


_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+")


def _host(value: Any) -> Any:
    if isinstance(value, str) and not (_HOST.fullmatch(value) and len(value) < 255):
        raise ValueError("must be a bare host name, such as outlook.office365.com, without a scheme or a port")
    return value


def _folder(value: Any) -> Any:
    if isinstance(value, str) and (not value.strip() or any(ord(c) < 32 or ord(c) == 127 for c in value)):
        raise ValueError("must be the name of a folder, not empty and without control characters")
    return value


def _header_name(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[!-9;-~]+", value):
        raise ValueError("must be the name of a header, such as X-Department, without the colon")
    return value


def _level(value: Any) -> Any:
    return None if value == "off" else value


def _listen(value: Any) -> Any:
    return "" if value == "off" else value


_DIGEST = re.compile(
    r"off|(?:daily|weekdays|monday|tuesday|wednesday|thursday|friday|saturday|sunday) (?:[01]\d|2[0-3]):[0-5]\d"
)


def _digest(value: Any) -> Any:
    if isinstance(value, str) and not _DIGEST.fullmatch(value):
        raise ValueError('must be "off", or days and a time: "weekdays 07:00", "daily 07:00", "monday 07:00"')
    return value


def _zone(value: Any) -> Any:
    if isinstance(value, str):
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError("must be a time zone that this machine knows, such as Europe/London") from None
    return value


def _from_json(value: Any) -> Any:
    """A list out of the environment, where the table it is in doesn't say what is one."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
PositiveDuration = Annotated[Duration, Field(gt=timedelta(0))]
Size = Annotated[int, BeforeValidator(_size), Field(ge=1)]
Count = Annotated[int, Field(ge=1)]
Address = Annotated[str, BeforeValidator(_address)]
Recipient = Annotated[str, BeforeValidator(_recipient)]
Host = Annotated[str, BeforeValidator(_host)]
Folder = Annotated[str, BeforeValidator(_folder)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
HANDLER_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$"
HandlerName = Annotated[str, StringConstraints(pattern=HANDLER_NAME)]
SecretUrl = Annotated[SecretStr, Url]
Waits = Annotated[tuple[PositiveDuration, ...], Field(min_length=1)]
HandlerNames = Annotated[tuple[HandlerName, ...], Field(min_length=1)]

TRY_WAITS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200))


class Table(BaseModel):
    """A table of the configuration: unknown keys are faults, values can't be changed, and no fault quotes a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_max_length=10_000)
    about: ClassVar[str] = ""


class OAuthSettings(Table):
    """How to get a token for the mailbox from Microsoft's token endpoint."""

    about = "OAuth 2.0, for every `auth` but `password`. Where the flow needs it: a secret or a certificate."

    tenant: str = Field(default="", description="The tenant: its id, or its domain.")
    client_id: str = Field(default="", description="The id of the registered application.")
    client_secret: SecretStr | None = Field(default=None, description="The application's secret, for `oauth2-client`.")
    client_secret_file: Path | None = Field(default=None, description="A file that holds the application's secret.")
    certificate_file: Path | None = Field(
        default=None,
        description="A PEM file with the application's certificate and its private key, instead of a secret.",
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
    """The one mailbox, where it is, and how to log in to it."""

    about = (
        "The one mailbox. A second one can't be configured: NHSmail's policy forbids keeping the passwords of several "
        "accounts in one application."
    )

    address: Address = Field(description="The mailbox's full address, which is its user name as well.")
    host: Host = Field(default="outlook.office365.com", description="The IMAP server.")
    port: int = Field(default=993, ge=1, le=65535, description="Its port; the connection is TLS from its first byte.")
    auth: Literal["password", "oauth2-client", "oauth2-device", "oauth2-password"] = Field(
        default="password", description="How to log in. NHSmail's own mailboxes need OAuth 2.0 today."
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
    """What must outlast a restart: the journal, the audit trail, the token cache."""

    about = "What must outlast a restart: the journal with its count of login attempts, audit trail, token cache."

    dir: Path = Field(
        default=Path("/var/lib/nhsmail-worker"), description="The folder for it; on a disk that a restart keeps."
    )
    journal: SecretUrl | None = Field(
        default=None,
        description="The journal's database, for replicas: `postgresql+psycopg://…`. Unset: SQLite in `dir`.",
    )
    journal_file: Path | None = Field(
        default=None, description="A file that holds the journal's URL, which then may contain a password."
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
    """When and where to look for mail."""

    about = "When and where to look for mail."

    every: PositiveDuration = Field(
        default=timedelta(seconds=60), description="The time between two looks at the mailbox."
    )
    since: Annotated[datetime | None, BeforeValidator(_since)] = Field(
        default=None,
        description='`"all"`, or a date: older mail is left alone. A bare date begins at midnight UTC.',
        json_schema_extra={"shown_type": '"all" or date', "shown_default": '"all"'},
    )
    folders: Annotated[tuple[Folder, ...], Field(min_length=1)] = Field(
        default=("INBOX",), description="The folders to watch; the junk folder is watched as well."
    )
    idle: bool = Field(default=True, description="Wake early where the server can tell of new mail (IDLE).")
    batch_bytes: Size = Field(
        default=16_000_000, description="The most that one fetch brings, save a single larger message."
    )
    batch_count: Annotated[int, Field(ge=1, le=500)] = Field(default=100, description="The most messages in one fetch.")
    reconnect: Waits = Field(
        default=tuple(timedelta(seconds=seconds) for seconds in (2, 10, 30, 60, 300)),
        description="Waits after the 1st, 2nd, … lost or refused connection; the last one repeats, and `once` gives up "
        "after it.",
    )


class LockoutSettings(Table):
    """How the account is kept from being locked."""

    about = (
        "NHSmail locks an account after twelve attempts at its password, and only a Local Administrator unlocks it. "
        "The worker stops at `threshold` − `reserve`. Commands beside the worker never use the last attempt, once "
        "something has failed."
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


class PasswordSettings(Table):
    """The password policy, and when to warn of the password's end."""

    about = "A password that breaks the policy can't be right: it is reported, and not sent."

    policy: Literal["nhsmail", "application-account", "off"] = Field(
        default="nhsmail",
        description="NHSmail's rules, those for application accounts (20 characters), or none.",
    )
    max_age: PositiveDuration = Field(
        default_factory=lambda given: timedelta(days=365 if given.get("policy") == "application-account" else 90),
        description="How long a password lasts.",
        json_schema_extra={"shown_default": '"90d"; "365d" for `application-account`'},
    )
    warn: Duration = Field(default=timedelta(days=14), description="How long before its end the warnings begin.")
    changed: Annotated[datetime | None, BeforeValidator(_changed)] = Field(
        default=None,
        description="When the password was last changed. Unset: when the worker first saw it.",
        json_schema_extra={"shown_type": "date", "shown_default": "–"},
    )


class Pattern(Table):
    """A glob, or a regular expression in RE2's syntax, which can't run away. One of the two is set."""

    glob: str | None = None
    regex: str | None = None


def _pattern(value: Any) -> Any:
    if isinstance(value, Pattern):
        return value
    if isinstance(value, str):
        if not value:
            raise ValueError('is an empty pattern, which nothing matches: write "*" for anything')
        return {"glob": value}
    if not isinstance(value, dict) or set(value) != {"regex"} or not isinstance(value["regex"], str):
        raise ValueError('must be a pattern, such as "*@lab.nhs.uk", or { regex = "…" }')
    _must_compile(value["regex"])
    return value


def _must_compile(regex: str) -> None:
    import re2  # type: ignore[import-untyped]  # it has no stubs; loaded only where a pattern needs it

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(regex, options)
    except re2.error:
        raise ValueError(
            "isn't a regular expression that RE2 takes: it has no backreferences and no look-around"
        ) from None


Patterns = Annotated[
    tuple[Annotated[Pattern, BeforeValidator(_pattern)], ...], BeforeValidator(_listed), Field(min_length=1)
]
HeaderName = Annotated[str, BeforeValidator(_header_name)]


Source = Literal["placement", "exchange", "trend", "spamassassin", "rspamd", "keyword", "authentication"]
Category = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,16}$")]
ProviderHost = Annotated[
    str, StringConstraints(pattern=r"^(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?$")
]


class JunkKindsSettings(Table):
    """Handlers of their own for kinds of junk."""

    about = (
        "Handlers for a kind of junk, in the place of `[junk] handlers`. Of a message's kinds the first of these "
        "decides: malware, phishing, bulk, spam."
    )

    malware: HandlerNames | None = Field(default=None, description="For junk in which Exchange found malware.")
    phishing: HandlerNames | None = Field(default=None, description="For phishing, spoofing and impersonation.")
    bulk: HandlerNames | None = Field(default=None, description="For mass mailings.")
    spam: HandlerNames | None = Field(default=None, description="For whatever else is junk.")


class JunkSettings(Table):
    """What counts as junk, where it lies, and which handlers see it."""

    about = "What counts as junk, and which handlers see it. No handler of a `[[route]]` ever does."

    folder: Folder = Field(default="auto", description='The junk folder; `"auto"` finds it by attribute, then by name.')
    handlers: HandlerNames = Field(default=("quarantine",), description="The handlers for junk, in order.")
    kinds: JunkKindsSettings = Field(default_factory=JunkKindsSettings)
    moved_out: Literal["judge", "release"] = Field(
        default="judge",
        description="When a person, or the server itself, moves junk out of the junk folder: it is judged anew by its "
        "headers, or it counts as released.",
    )
    tries: Count = Field(default=10, description="How many tries before a junk message is a dead letter.")
    waits: Waits = Field(default=TRY_WAITS, description="Waits after the 1st, 2nd, … failed try; the last one repeats.")
    sources: tuple[Source, ...] = Field(
        default=("placement", "exchange", "trend", "spamassassin", "rspamd", "keyword"),
        description="Whose evidence makes junk; there is `authentication` too. The junk folder always counts.",
    )
    categories: tuple[Category, ...] | None = Field(
        default=None,
        description="Exchange's categories (`CAT:`) that make junk.",
        json_schema_extra={"shown_default": "those of spam, phishing and malware"},
    )
    scl: Annotated[Annotated[int, Field(ge=-1, le=9)] | None, BeforeValidator(_level)] = Field(
        default=5,
        description='Junk from this spam confidence level of Exchange\'s on; `"off"`: recorded only.',
        json_schema_extra={"shown_type": 'whole number from -1 to 9, or "off"'},
    )
    bcl: Annotated[Annotated[int, Field(ge=0, le=9)] | None, BeforeValidator(_level)] = Field(
        default=7,
        description='Junk from this bulk complaint level of Exchange\'s on; `"off"`: recorded only.',
        json_schema_extra={"shown_type": 'whole number from 0 to 9, or "off"'},
    )
    provider_hosts: tuple[ProviderHost, ...] | None = Field(
        default=None,
        description="Names of the provider's own servers, below which a header may be the sender's invention; "
        "`*.example.net` covers every host of a domain.",
        json_schema_extra={"shown_default": "NHSmail's and Exchange Online's"},
    )
    believe_without_provider: bool = Field(
        default=True,
        description="Believe every spam header of a message on which no server of the provider is recognised.",
    )
    known_senders: Patterns | None = Field(
        default=None,
        description="Senders whose mail in junk is likely there by mistake: the digest names it first. Senders whose "
        "mail was handled before are known anyway.",
    )
    digest: Annotated[str, BeforeValidator(_digest)] = Field(
        default="weekdays 07:00",
        description='When to tell of junk: `"daily 07:00"`, `"weekdays 07:00"`, `"monday 07:00"`; `"off"`.',
    )
    digest_zone: Annotated[str, BeforeValidator(_zone)] = Field(
        default="Europe/London",
        description="The time zone of that time; UTC where the machine doesn't know the default.",
    )


class SettleSettings(Table):
    """Where mail goes once its outcome is recorded."""

    about = "Where a message goes once its outcome is recorded. Missing folders are created."

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
    """What is too much: a message over a limit is a dead letter, never half a message."""

    about = "A message over a limit becomes a dead letter, kept whole; it is never half handled."

    message: Size = Field(default=64_000_000, description="The size of a message; a larger one is never fetched.")
    header_bytes: Size = Field(default=1_000_000, description="The headers of all parts together.")
    parts: Count = Field(default=1_000, description="The MIME parts of a message.")
    depth: Annotated[int, Field(ge=1, le=200)] = Field(default=50, description="How deep parts may be nested.")
    attachments: Count = Field(default=500, description="The attachments of a message.")
    attachment: Size = Field(default=64_000_000, description="The size of one attachment, decoded.")
    expansion: float = Field(
        default=100.0, ge=1, allow_inf_nan=False, description="How many times its size a winmail.dat may unpack to."
    )
    rtf: Size = Field(
        default=20_000_000, description="What the compressed bodies (RTF) in winmail.dat files may unpack to."
    )
    header_parameters: Count = Field(default=200, description="The parameters (`; name=value`) of one header.")
    lines: Count = Field(default=500_000, description="Lines that have to be read one by one.")
    parsed_lines: Count = Field(
        default=2_000_000, description="Lines of a message that a handler wants as mail-parser's object."
    )
    deaths: Count = Field(default=3, description="How often the process may die with this message alone in hand.")


class WorkSettings(Table):
    """How the handlers are run."""

    about = "How the handlers are run."

    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        default=4, description="How many messages are handled at once."
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


class HealthSettings(Table):
    """Where the health probes, the metrics and the status page are served."""

    about = "Health probes, metrics and the status page, on one port."

    listen: Annotated[str, BeforeValidator(_listen)] = Field(
        default="127.0.0.1:8080",
        description='Address and port; `"off"` (or `""`) turns it off. Beyond loopback, page and metrics ask for '
        "`token`.",
    )
    token: SecretStr | None = Field(default=None, description="The bearer token that the page and the metrics ask for.")
    token_file: Path | None = Field(default=None, description="A file that holds this token.")
    stuck_after: PositiveDuration = Field(
        default=timedelta(hours=1),
        description="A handler that is longer than this with one message is stuck; with all threads stuck, and those "
        "that replaced others, `/livez` fails.",
    )


class RelaySettings(Table):
    """Mail through the NHSmail relay, which takes no login."""

    about = "Alerts by mail, through the NHSmail relay: no login, from the account's own address."

    host: Host | None = Field(default=None, description="The relay; unset: no alert goes out by mail.")
    port: int = Field(default=25, ge=1, le=65535, description="Its port. STARTTLS is used where it is offered.")
    to: tuple[Recipient, ...] = Field(default=(), description="Who is told.")


class AlertsSettings(Table):
    """Whom the worker tells of trouble, and when."""

    about = (
        "Whom the worker itself tells of trouble, once when it begins and once when it is over. An alert holds no "
        "content of mail. Each way out that is set is used."
    )

    teams_webhook: SecretStr | None = Field(
        default=None, description="The URL of a Teams workflow ('When a Teams webhook request is received')."
    )
    teams_webhook_file: Path | None = Field(default=None, description="A file that holds this URL.")
    slack_webhook: SecretStr | None = Field(default=None, description="The URL of a Slack incoming webhook.")
    slack_webhook_file: Path | None = Field(default=None, description="A file that holds this URL.")
    json_webhook: SecretStr | None = Field(default=None, description="A URL that is sent each alert as plain JSON.")
    json_webhook_file: Path | None = Field(default=None, description="A file that holds this URL.")
    relay: RelaySettings = Field(default_factory=RelaySettings)
    every: PositiveDuration = Field(default=timedelta(seconds=30), description="The time between two checks.")
    oldest_message: PositiveDuration = Field(
        default=timedelta(hours=1), description="A message that has been waiting for longer than this is an alert."
    )
    again_after: PositiveDuration = Field(
        default=timedelta(hours=1),
        description="The least time between two alerts of dead letters, or of junk from known senders, that grow.",
    )


class AuditSettings(Table):
    """Where copies of the audit trail go."""

    about = "The audit trail itself lies in the state folder. A copy elsewhere is out of reach of that folder's owner."

    mirror: Literal["none", "stdout", "syslog"] = Field(
        default="none", description="Where each line goes as well, at once: standard output, or a syslog service."
    )
    syslog: str = Field(
        default="/dev/log",
        description="The syslog service: a socket, or a host and UDP port (`log.example:514`).",
    )


class HelpSettings(Table):
    """Whom a person is told to turn to."""

    about = "Whom messages tell a person to turn to. The numbers are those of NHSmail's policy text."

    local_administrator: str = Field(
        default="your Local Administrator",
        description="Who unlocks and enables the account: a name, a team or a number.",
    )
    helpdesk: str = Field(
        default="the NHSmail helpdesk, 0333 200 1133", description="For questions about the connection only."
    )
    relay_helpdesk: str = Field(
        default="the relay helpdesk, 0333 200 4333", description="For questions about the relay only."
    )


class LogSettings(Table):
    """What is logged, and how."""

    about = "Logs go to standard error. They hold no content of mail and no secret, at any level."

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is logged.")
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="JSON lines, text for people, or whichever suits: text on a terminal."
    )


class SizeMatch(Table):
    """A range of sizes, both ends left out."""

    over: Size | None = None
    under: Size | None = None


Kind = Literal["mail", "auto-reply", "bounce", "receipt", "calendar"]
Protection = Literal["none", "smime-encrypted", "smime-signed", "rpmsg", "pgp"]


class MatchSettings(Table):
    """The conditions of a route: all must hold. A list of patterns: one of them must."""

    about = (
        "All conditions of a `match` must hold; where one is a list, one of its items must. A pattern is a glob "
        "(`*` anything, `?` one character), held against the whole text without regard to case, or "
        '`{ regex = "…" }` in RE2\'s syntax, looked for anywhere in it, as written.'
    )

    from_: Patterns | None = Field(default=None, alias="from", description="The sender's address.")
    to: Patterns | None = Field(
        default=None, description="An address in To or Cc. `lab@nhs.net` also takes `lab+anything@nhs.net`."
    )
    subject: Patterns | None = Field(default=None, description="The subject.")
    header: dict[HeaderName, Patterns] | None = Field(
        default=None, description='Any header by its name: `header.X-Department = "path*"`.'
    )
    attachment: Patterns | None = Field(default=None, description="The file name of an attachment.")
    attachment_type: Patterns | None = Field(
        default=None,
        description="The type of an attachment, as claimed or as its bytes say: `application/pdf`, `image/*`.",
    )
    mismatched: bool | None = Field(
        default=None,
        description="`true`: an attachment's bytes are plainly something else than its claimed type, such as a program "
        "that says it is a PDF. `attachment`, `attachment_type` and this must hold for one and the same attachment.",
    )
    size: SizeMatch | None = Field(
        default=None, description='Size of the message: `{ over = "10MB" }`, `{ under = "1MB" }`.'
    )
    kind: Annotated[tuple[Kind, ...], BeforeValidator(_listed), Field(min_length=1)] | None = Field(
        default=None, description="What sort of message it is."
    )
    notice: Patterns | None = Field(
        default=None, description="What the provider removed or changed, such as `attachment-removed`."
    )
    protection: Annotated[tuple[Protection, ...], BeforeValidator(_listed), Field(min_length=1)] | None = Field(
        default=None, description="How the message is encrypted or signed; `none`: not at all."
    )
    path: Annotated[tuple[Literal["clean", "junk"], ...], BeforeValidator(_listed), Field(min_length=1)] | None = Field(
        default=None, description="The message's path; routes only ever see `clean`."
    )


class RouteSettings(Table):
    """A rule from a clean message to its handlers. The first that matches takes it."""

    about = (
        "Rules from clean messages to handlers. The first that matches takes it; the last must have no `match`, "
        "so that no message is left without one."
    )

    name: Name = Field(description="The rule's name, in logs and metrics.")
    match: MatchSettings | None = Field(default=None, description="The conditions; left out: every message.")
    handlers: HandlerNames = Field(
        description="The handlers, in order; each is called after the one before it succeeded."
    )
    continue_: bool = Field(
        default=False, alias="continue", description="Go on to the rules after this one, and add theirs."
    )
    tries: Count = Field(default=10, description="How many tries before the message is a dead letter.")
    waits: Waits = Field(
        default=TRY_WAITS,
        description="Waits after the 1st, 2nd, … failed try; the last one repeats.",
    )
    order: Literal["none", "sender"] = Field(
        default="none",
        description="`sender`: the mail of one sender one at a time, in order of arrival; one that waits for another "
        "try holds the sender's later mail.",
    )

    @property
    def takes_all(self) -> bool:
        """Whether every message matches: there is no condition."""
        return self.match is None or self.match == MatchSettings()


class HandlerRules(Table):
    """What the worker itself minds about a handler, whatever it does. These keys are no handler's own."""

    about = (
        "What the worker itself minds about each handler. A handler that no table names has the defaults. What a "
        "handler can do to the worker, and what `isolate` keeps it from: [handlers](handlers.md#what-a-handler-can-do)."
    )

    isolate: bool = Field(
        default=False,
        description="Call it in a process of its own, one for each call at a time, which can be ended.",
    )
    time_limit: PositiveDuration = Field(
        default=timedelta(minutes=10),
        description="How long one message may take. With `isolate` the process is then killed and the message tried "
        "again; otherwise it is reported, and the message waits until the call returns.",
    )
    memory: Size = Field(
        default=2_000_000_000, description="With `isolate`: how much memory its process may take for data."
    )
    concurrency: Annotated[int, Field(ge=1, le=256)] | None = Field(
        default=None,
        description="How many messages it is given at once.",
        json_schema_extra={"shown_default": "`[work] threads`"},
    )
    pause_after: Annotated[int, Field(ge=0)] = Field(
        default=10,
        description="So many different messages failed, or took too long, with no success between: the handler is "
        "paused. Its mail waits, and no try is spent; other handlers' mail goes on. 0: it never is.",
    )
    pauses: Annotated[Waits, BeforeValidator(_from_json)] = Field(
        default=tuple(timedelta(seconds=seconds) for seconds in (30, 60, 300, 900)),
        description="The 1st, 2nd, … pause; after each, one message is tried. The last one repeats.",
    )


class HandlerSettings(HandlerRules):
    """The table of one handler: what to run, and options that the handler itself checks."""

    use: str | None = None
    """An entry point, or `module:name`; None: the table's own name."""
    options: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The rest of the table, as written: the handler's own `Settings` knows what it means."""
    from_file: frozenset[str] = frozenset()
    """The options that came from the file, where no secret belongs."""


class Settings(Table):
    """The whole configuration, named as in the file, save `[[route]]` (`routes`) and `[handler.…]` (`handlers`)."""

    account: AccountSettings
    state: StateSettings = Field(default_factory=StateSettings)
    poll: PollSettings = Field(default_factory=PollSettings)
    lockout: LockoutSettings = Field(default_factory=LockoutSettings)
    password: PasswordSettings = Field(default_factory=PasswordSettings)
    junk: JunkSettings = Field(default_factory=JunkSettings)
    settle: SettleSettings = Field(default_factory=SettleSettings)
    limits: LimitsSettings = Field(default_factory=LimitsSettings)
    work: WorkSettings = Field(default_factory=WorkSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    alerts: AlertsSettings = Field(default_factory=AlertsSettings)
    audit: AuditSettings = Field(default_factory=AuditSettings)
    help: HelpSettings = Field(default_factory=HelpSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    routes: tuple[RouteSettings, ...] = Field(default=(), alias="route")
    handlers: dict[Name, HandlerSettings] = Field(default_factory=dict, alias="handler")
