"""What may leave the process: the few kinds of value that can't carry mail or secrets, and the check of every value.

Nothing is searched for and blotted out: a value leaves only under a field's name that is listed here, in the form that
the field has. Whatever else is given, by mistake or in an exception, is replaced by a marker that says so. Text that a
message brought is refused by its type, whatever its form: it is never a plain `str` (see `worker.message.text`).
"""

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from types import TracebackType
from typing import Any, Final, NoReturn

REFUSED: Final = "<refused>"
LONGEST_CHAIN = 5
MOST_FRAMES = 20
OURS = ("worker", "handlers")


class Content:
    """Text out of a message. It can't be formatted, printed, joined or made JSON; `reveal()` is the one way out."""

    __slots__ = ("_text",)
    _shown = "<content>"

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for a person's terminal or a handler, never for a log."""
        return self._text

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return self._shown

    def __reduce__(self) -> NoReturn:
        raise TypeError("content and secrets aren't pickled or copied")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Secret(Content):
    """A password or a token. As `Content`, under another marker."""

    __slots__ = ()
    _shown = "<secret>"


KEY = re.compile(r"[a-z2-7]{26}(-[0-9]{1,6})?")
WORD = re.compile(r"[A-Za-z0-9_.:\[\]*+-]{1,120}")
# A word that says something, in which there is a letter: neither an NHS number nor a date of birth.
LABEL = re.compile(r"(?=.*[A-Za-z])" + WORD.pattern)
# A folder as the server spells it: any script, no control character, nothing that can't be written as UTF-8.
NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")
SENTENCE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,600}")  # our own advice to people

NUMBER = "number"
TIME = "time"
FLAG = "yes or no"

FIELDS: Final[Mapping[str, tuple[re.Pattern[str] | str, str]]] = {
    # who and where
    "key": (KEY, "the message's key"),
    "replica": (WORD, "the replica that speaks"),
    "run": (WORD, "this start of the process"),
    "holder": (WORD, "the replica that holds the lease"),
    "actor": (WORD, "the replica, or the operating-system user of a command"),
    "account": (NAME, "the account's address, and no other address"),
    "host": (WORD, "the server's name from the configuration"),
    "port": (NUMBER, "a port"),
    "version": (WORD, "a version"),
    "python": (WORD, "the version of Python"),
    # mail, by its outside
    "folder": (NAME, "a folder of the mailbox"),
    "target": (NAME, "the folder that a message is moved to"),
    "path": (LABEL, "clean or junk"),
    "route": (WORD, "a route's name"),
    "handler": (WORD, "a handler's name"),
    "source": (LABEL, "the room that a piece of evidence comes from"),
    "state": (LABEL, "a state, as in `status`"),
    "outcome": (LABEL, "what a try, an attempt or a delivery came to"),
    "reason": (LABEL, "one word of ours, or HANDLER:EXCEPTION-CLASS"),
    "what": (LABEL, "the thing that it is about: one word of ours"),
    "trouble": (LABEL, "what kept the worker from its work"),
    "error": (LABEL, "an exception's class; with its frames where there are any"),
    "advice": (SENTENCE, "what a person does next"),
    "kind": (LABEL, "a kind, such as the kind of a credential"),
    "credential": (LABEL, "what was sent: a password or a token"),
    "command": (LABEL, "a command of ours"),
    "signal": (LABEL, "a signal's name"),
    "method": (LABEL, "how the worker signs in"),
    "setting": (WORD, "a setting's name, never its value"),
    "fingerprint": (WORD, "a fingerprint"),
    "uid": (NUMBER, "an IMAP UID"),
    "uidvalidity": (NUMBER, "an IMAP UIDVALIDITY"),
    "uidnext": (NUMBER, "an IMAP UIDNEXT"),
    # numbers
    "bytes": (NUMBER, "bytes"),
    "size": (NUMBER, "bytes"),
    "limit": (NUMBER, "the limit that was met"),
    "count": (NUMBER, "how many"),
    "new": (NUMBER, "messages not seen before"),
    "due": (NUMBER, "messages due for a try"),
    "gone": (NUMBER, "messages that somebody took away"),
    "pending": (NUMBER, "messages not yet done"),
    "handled": (NUMBER, "messages handled"),
    "junk": (NUMBER, "messages on the junk path"),
    "failed": (NUMBER, "dead letters"),
    "released": (NUMBER, "messages that were released from junk"),
    "known": (NUMBER, "messages of known senders, in junk, that nobody has looked at"),
    "moved": (NUMBER, "messages moved"),
    "retried": (NUMBER, "messages to be tried again"),
    "alone": (NUMBER, "of these, how many are tried alone"),
    "losses": (NUMBER, "connections lost in a row"),
    "tries": (NUMBER, "tries at a message so far"),
    "deaths": (NUMBER, "times that the process died with this message alone in hand"),
    "failures": (NUMBER, "failed logins since the last success or reset"),
    "remaining": (NUMBER, "attempts that the worker may still use"),
    "threshold": (NUMBER, "attempts before the server locks the account"),
    "days": (NUMBER, "days"),
    "seconds": (NUMBER, "seconds"),
    "wait": (NUMBER, "seconds to wait"),
    "after_seconds": (NUMBER, "seconds to wait"),
    "every_seconds": (NUMBER, "seconds between"),
    "handlers": (NUMBER, "how many handlers"),
    "routes": (NUMBER, "how many routes"),
    "line": (NUMBER, "a line's number"),
    "exit": (NUMBER, "an exit code"),
    "next_at": (TIME, "the soonest next go"),
    "since": (TIME, "since when"),
    "expires_at": (TIME, "when it ends"),
    "counts": (FLAG, "whether the server may have counted the attempt against the account"),
    "idle": (FLAG, "whether the server can say that mail has come"),
    "dry_run": (FLAG, "whether nothing is changed"),
    "clean_stop": (FLAG, "whether all that was in hand is done"),
    # the observers themselves
    "rule": (WORD, "an alert's rule"),
    "sender": (WORD, "the way that an alert goes out"),
    "chain": (WORD, "a chain of the audit trail"),
    "library": (WORD, "the library that speaks"),
    "template": (NAME, "a library's own wording, before anything was filled in"),
    "where": (WORD, "module and line"),
    "category": (WORD, "a warning's class"),
    "status": (NUMBER, "an HTTP status"),
    "url_path": (WORD, "which page of ours"),
}

CONTEXT: Final = frozenset({"key", "replica", "run", "folder", "handler", "command", "actor"})
"""Fields that any event may carry, since they are bound around it."""


def passed(name: str, value: object, *, account: str | None = None) -> object:
    """The value as it may leave under this field's name, or the marker. Never raises.

    account: the only address that may appear, in the field `account`.
    """
    known = FIELDS.get(name)
    if known is None:
        return REFUSED
    form = known[0]
    if value is None or (name == "account" and value != account):
        return None if value is None else REFUSED
    if isinstance(form, re.Pattern):
        return _text(value, form)
    return {NUMBER: _number, TIME: _time, FLAG: _flag}[form](value)


def _text(value: object, form: re.Pattern[str]) -> object:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and type(value) is not str:  # text of a message, or of whoever knows where from
        return REFUSED
    # An exact or derived string only: anything else would be formatted by code that isn't ours.
    if isinstance(value, str) and form.fullmatch(text := str.__str__(value)):
        return text
    return REFUSED


def _number(value: object) -> object:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return REFUSED
    if isinstance(value, float):
        return round(value, 3) if value - value == 0 else REFUSED  # no NaN, no infinity
    return value if abs(value) < 2**53 else REFUSED  # what every reader of JSON can hold


def _time(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return REFUSED
    try:
        return rfc3339(datetime.fromtimestamp(value, UTC))
    except (ValueError, OverflowError, OSError):
        return REFUSED


def _flag(value: object) -> object:
    return value if isinstance(value, bool) else REFUSED


def rfc3339(at: datetime | date) -> str:
    """A time in UTC, as `2026-11-23T09:30:00.123Z`."""
    if not isinstance(at, datetime):
        return at.isoformat()
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def described(error: BaseException) -> dict[str, object]:
    """An exception without its message and without locals: class, our own frames, and what it came from.

    The message is added only where the class says, in its own body, `log_safe = True`, and the class is ours: such a
    class promises that its text is made of our own words, settings' names and numbers.
    """
    found: dict[str, object] = {"class": _class_name(error), "frames": _frames(error.__traceback__)}
    if _safe(error):
        found["text"] = " ".join(str(error).split())[:500]
    causes = [
        {"class": _class_name(cause), "frames": _frames(cause.__traceback__)} for cause in _causes(error, LONGEST_CHAIN)
    ]
    if causes:
        found["from"] = causes
    return found


def class_of(error: BaseException) -> type[BaseException]:
    """The class of an exception, or the nearest one above it that stands in a module under its own name.

    A class that was made while the program ran may have any text for a name, that of a message's subject too.
    """
    for kind in type(error).__mro__:
        found: object = sys.modules.get(kind.__module__)
        for part in kind.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is kind and issubclass(kind, BaseException):
            return kind
    return BaseException


def _class_name(error: BaseException) -> str:
    kind = class_of(error)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    return name if WORD.fullmatch(name) else REFUSED


def _safe(error: BaseException) -> bool:
    kind = type(error)
    return kind.__module__.partition(".")[0] in OURS and kind.__dict__.get("log_safe") is True


def _causes(error: BaseException, most: int) -> Iterable[BaseException]:
    seen = {id(error)}
    members = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    while most and (cause := _next_cause(error, members)) is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        error = cause
        most -= 1


def _next_cause(error: BaseException, members: list[BaseException]) -> BaseException | None:
    if members:
        return members.pop(0)
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


def _frames(trace: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", "?"))
        # The innermost frame says where it broke, whoever's code that is; of the others, only ours help.
        if module.partition(".")[0] in OURS or trace.tb_next is None:
            place = f"{module}:{trace.tb_lineno}"
            frames.append(place if WORD.fullmatch(place) else REFUSED)
        trace = trace.tb_next
    return frames[-MOST_FRAMES:]


def as_word(text: str) -> str:
    """The text where it is a word, and what is nearest to it else: `user@host` is `user_host`."""
    return text if WORD.fullmatch(text) else re.sub(r"[^A-Za-z0-9_.:+-]", "_", text)[:120]


def cleaned(fields: Mapping[str, Any], allowed: Iterable[str], *, account: str | None = None) -> dict[str, object]:
    """The fields that may leave, each checked; `dropped` names those that may not, as far as a name is a plain word."""
    allowed = frozenset(allowed)
    kept: dict[str, object] = {}
    dropped: list[str] = []
    for name, value in fields.items():
        if name in allowed and name in FIELDS:
            kept[name] = passed(name, value, account=account)
        else:
            dropped.append(name if re.fullmatch(r"[a-z_]{1,30}", str(name)) else "?")
    if dropped:
        kept["dropped"] = sorted(dropped)
    return kept
