"""What `init` asks for, in which order, and how an answer becomes the value of a setting."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Final

from worker.commands.init.flows import BY_NAME, FLOWS, REQUIRED, Flow
from worker.settings import AccountSettings, StateSettings
from worker.settings.model import Place

Value = str | int | date
Answers = dict[Place, Value]
"""The values of settings, by their places."""


class Kind(Enum):
    """What an answer is."""

    TEXT = "text"
    NUMBER = "number"
    FILE = "the path of a file or a folder"
    CONFIDENTIAL = "the path of a file that holds a secret"
    CERTIFICATE = "the path of a file that holds a certificate and its key"
    FOLDER_URL = "a path or a URL"
    DAY = "a date"
    SINCE = "a date, now or all"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers that there are. about: what it means."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question. place: the setting that the answer is for. option: what gives it on the command line.

    asks: the question. about: what is said before it. default: what Enter alone means, where that is one answer for
    all. optional: Enter alone leaves the setting out.
    """

    place: Place
    option: str
    asks: str
    kind: Kind = Kind.TEXT
    about: str = ""
    default: str = ""
    optional: bool = False
    choices: tuple[Choice, ...] = ()


ADDRESS: Final = Question(("account", "address"), "--address", "The mailbox's full address")
AUTH: Final = Question(
    ("account", "auth"),
    "--auth",
    "How the worker signs in, by number or name",
    about="The ways to sign in (docs/nhsmail.md says more, and which to ask for):",
    choices=tuple(Choice(flow.name, flow.needs) for flow in FLOWS),
)
TENANT: Final = Question(("account", "oauth", "tenant"), "--tenant", "The tenant's id (Directory ID)")
CLIENT_ID: Final = Question(("account", "oauth", "client_id"), "--client-id", "The application's id (Client ID)")
CERTIFICATE: Final = Question(
    ("account", "oauth", "certificate_file"),
    "--certificate-file",
    "The file with the application's certificate and key (Enter: there is none)",
    Kind.CERTIFICATE,
    optional=True,
)
CLIENT_SECRET: Final = Question(
    ("account", "oauth", "client_secret_file"),
    "--client-secret-file",
    "The file with the application's secret",
    Kind.CONFIDENTIAL,
)
CLIENT_SECRET_IF_ANY: Final = Question(
    CLIENT_SECRET.place,
    CLIENT_SECRET.option,
    f"{CLIENT_SECRET.asks} (Enter: there is none)",
    Kind.CONFIDENTIAL,
    optional=True,
)
SECRET_EXPIRES: Final = Question(
    ("account", "oauth", "secret_expires"),
    "--secret-expires",
    "The day on which that secret ends, YYYY-MM-DD (Enter: not known)",
    Kind.DAY,
    optional=True,
)
SIGN_IN: Final = Question(
    ("account", "sign_in"),
    "--sign-in",
    "For a shared mailbox, the address of the account that signs in (Enter: the mailbox's own account)",
    optional=True,
)
PASSWORD: Final = Question(
    ("account", "password_file"), "--password-file", "The file with the account's password", Kind.CONFIDENTIAL
)
POLICY: Final = Question(
    ("password", "policy"),
    "--password-policy",
    "The password policy that the account follows, by number or name",
    default="application-account",
    choices=(
        Choice("application-account", "20 characters, changed once a year"),
        Choice("nhsmail-2019", "10 characters, changed once a year"),
        Choice("nhsmail", "8 characters of three kinds, changed every 90 days"),
        Choice("off", "no rules"),
    ),
)
CHANGED: Final = Question(
    ("password", "changed"),
    "--password-changed",
    "The day on which that password was last changed, YYYY-MM-DD (Enter: not known)",
    Kind.DAY,
    optional=True,
)
HOST: Final = Question(
    ("account", "host"), "--host", "The mail server", default=str(AccountSettings.model_fields["host"].default)
)
PORT: Final = Question(
    ("account", "port"),
    "--port",
    "Its port, which speaks TLS from the first byte",
    Kind.NUMBER,
    default=str(AccountSettings.model_fields["port"].default),
)
CA_FILE: Final = Question(
    ("account", "ca_file"),
    "--ca-file",
    "The file with the private authority that its certificate is from (Enter: a public one)",
    Kind.FILE,
    optional=True,
)
STATE: Final = Question(
    ("state", "dir"),
    "--state-dir",
    "The folder for the worker's state",
    Kind.FILE,
    about="The state is the count of login attempts, the journal and the audit trail. Nothing may empty its folder.",
    default=str(StateSettings.model_fields["dir"].default),
)
ARCHIVE: Final = Question(
    ("handler", "archive", "url"),
    "--archive",
    "The folder that messages are archived in, as a path or a URL",
    Kind.FOLDER_URL,
)
SINCE: Final = Question(("poll", "since"), "--since", "Which mail is to be handed over", Kind.SINCE)
AUTHORITY: Final = Question(
    ("account", "oauth", "authority"), "--authority", "The sign-in service, without the tenant", optional=True
)
"""Never asked for: it differs in national clouds alone."""

EVERY: Final = (
    *(ADDRESS, AUTH, TENANT, CLIENT_ID, CERTIFICATE, CLIENT_SECRET, SECRET_EXPIRES, AUTHORITY, SIGN_IN, PASSWORD),
    *(POLICY, CHANGED, HOST, PORT, CA_FILE, STATE, ARCHIVE, SINCE),
)
"""All that can be given, each place once."""


def asked(answers: Answers) -> Iterator[Question]:
    """The questions but `SINCE`, in their order. Each is yielded once those before it are answered."""
    yield ADDRESS
    yield AUTH
    flow = BY_NAME.get(str(answers.get(AUTH.place)))
    if flow is None:
        return
    if flow.is_oauth:
        yield from (TENANT, CLIENT_ID)
    yield from _proofs(flow, answers)
    if flow.is_person:
        yield SIGN_IN
    if flow.sends_password:
        yield PASSWORD
    if depends_on_password(flow, answers):
        yield from (POLICY, CHANGED)
    yield HOST
    if answers.get(HOST.place, HOST.default) != HOST.default:
        yield from (PORT, CA_FILE)
    yield from (STATE, ARCHIVE)


def _proofs(flow: Flow, answers: Answers) -> Iterator[Question]:
    if not flow.proof:
        return
    yield CERTIFICATE
    if CERTIFICATE.place not in answers:
        yield CLIENT_SECRET if flow.proof == REQUIRED else CLIENT_SECRET_IF_ANY
    if CLIENT_SECRET.place in answers:
        yield SECRET_EXPIRES


def depends_on_password(flow: Flow, answers: Answers) -> bool:
    """Whether the sign-in ends with the next change of the account's password."""
    is_public = not any(question.place in answers for question in (CERTIFICATE, CLIENT_SECRET))
    return flow.sends_password or (flow.is_person and is_public)


def fits(question: Question, answers: Answers) -> bool:
    """Whether an option that is never asked for, or not in this case, has a meaning all the same."""
    flow = BY_NAME.get(str(answers.get(AUTH.place)))
    if question in (PORT, CA_FILE, SINCE):
        return True
    return question is AUTHORITY and flow is not None and flow.is_oauth


def default_of(question: Question, answers: Answers) -> str:
    """What Enter alone means; empty if it is no answer."""
    if question is ARCHIVE:
        return f"{answers.get(STATE.place, STATE.default)}/archive"
    return question.default


def read(question: Question, text: str, now: datetime) -> Value:
    """The value that an answer means; whether the setting takes it is seen later.

    Raises:
        ValueError: it means none; the text says what to write.
    """
    if not text.isascii() and not _is_utf8(text):
        raise ValueError("It isn't UTF-8 text. The configuration can hold only UTF-8 text.")
    if "\0" in text:
        raise ValueError("It has a NUL character.")
    if question.choices:
        return _chosen(question.choices, text)
    return READERS[question.kind](text, now)


def _is_utf8(text: str) -> bool:
    return text == text.encode("utf-8", "replace").decode()


def _chosen(choices: tuple[Choice, ...], text: str) -> str:
    for number, choice in enumerate(choices, 1):
        if text in (str(number), choice.name):
            return choice.name
    raise ValueError(f"Please answer with a number from 1 to {len(choices)}, or with one of the names.")


def _text(text: str, _now: datetime) -> Value:
    return text


def _number(text: str, _now: datetime) -> Value:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("Please answer with a number.")
    return int(text)


def _file(text: str, _now: datetime) -> Value:
    return str(_absolute(text))


def _folder_url(text: str, _now: datetime) -> Value:
    return text if "://" in text else _absolute(text).as_uri()


def _absolute(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("There is no such user's folder. Write the path in full.") from None


def _day(text: str, _now: datetime) -> Value:
    found = _date(text)
    if found is None:
        raise ValueError("Please write a date such as 2026-01-31.")
    return found


def _since(text: str, now: datetime) -> Value:
    """A day: servers compare days alone, so that a time of day would promise more than it holds."""
    if text == "all":
        return "all"
    found = now.astimezone(UTC).date() if text == "now" else _date(text)
    if found is None:
        raise ValueError("Please write now, all, or a date such as 2026-01-31.")
    return found


def _date(text: str) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
    return None


READERS: Final[Mapping[Kind, Callable[[str, datetime], Value]]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.FILE: _file,
    Kind.CONFIDENTIAL: _file,
    Kind.CERTIFICATE: _file,
    Kind.FOLDER_URL: _folder_url,
    Kind.DAY: _day,
    Kind.SINCE: _since,
}
