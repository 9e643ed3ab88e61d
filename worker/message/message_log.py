"""`message.log(…)`: what a handler writes into the worker's log about a message, without its content.

The event, the names and the words must be literals of the code that calls it: then no text of a message can get into
the log by mistake. Whoever calls a handler listens to the log of its message for the time of the call.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from types import FrameType
from typing import Literal, Protocol

from worker.message.literals import LONGEST_WORD, calling_frame, is_fixed_member, is_literal, place_of

MOST_LINES = 20
"""Lines that one call of a handler may log."""
MOST_VALUES = 8
_EVENT = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
_WORD = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_.:+-]{1,60}")
_BOUND = 10**9
"""Numbers are below it. A measure is; an NHS number, which has ten digits, isn't."""

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Logged:
    """A line that a handler logged. event: its name. values: numbers, flags and fixed words, by name."""

    event: str
    values: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def read(cls, event: object, values: object) -> "Logged":
        """The line that another process tells of. Raises ValueError or TypeError if it doesn't have the form of one."""
        if not isinstance(event, str) or not isinstance(values, Mapping):
            raise TypeError("a line is an event and its values")
        _check_event(event)
        _check_names(values)
        return cls(event, {name: _checked(name, value) for name, value in values.items()})


What = Literal["event", "name", "value", "too-many"]


@dataclass(frozen=True, slots=True)
class LogMistake:
    """A line that was refused. where: module and line of the call. what: the part that is wrong."""

    where: str
    what: What


class Listener(Protocol):
    """Told what a handler logs. Called from any thread."""

    def logged(self, line: Logged) -> None:
        """The handler logged this line."""

    def refused(self, mistake: LogMistake, error: Exception) -> None:
        """The handler tried to log a line that may not be logged. error: says so to the author; it may be raised."""


class MessageLog:
    """Writes lines about one message into the worker's log. Lines after the handler's call has ended are dropped."""

    def __init__(self) -> None:
        self._listener: Listener | None = None

    def __call__(self, event: str, /, **values: float | str | Enum) -> None:
        """Log a line with the handler's name and the message's key: `message.log("report.filed", pages=3)`.

        event: lower-case words with dots or underscores between them, at most 60 characters, written as a literal in
        the call. values: at most eight numbers, flags and words. A number is below 1,000,000,000. A word is a literal
        in the calling function, or a member of an Enum. At most 20 lines for each call of the handler.

        In tests, and without the worker, anything else raises. The worker drops the line and logs
        `handler.log_refused` once, because a mistake here must not cost a message.

        Raises:
            TypeError, ValueError: in tests only. The text says what is wrong.
        """
        frame = calling_frame()
        try:
            line = _line(event, values, frame)
        except _Refused as refused:
            mistake = LogMistake(place_of(frame), refused.what)
            if self._listener is None:
                raise refused.error from None
            self._listener.refused(mistake, refused.error)
            return
        self.repeat(line)

    def repeat(self, line: Logged) -> None:
        """Log a line that the handler logged in another process."""
        if self._listener is not None:
            self._listener.logged(line)

    def refuse(self, mistake: LogMistake) -> None:
        """Report a line that was refused in another process."""
        if self._listener is not None:
            self._listener.refused(mistake, ValueError("refused in the handler's own process"))

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        """While the block runs, this listener is told what is logged. For whoever calls a handler."""
        before, self._listener = self._listener, listener
        try:
            yield
        finally:
            self._listener = before


class _Refused(Exception):
    def __init__(self, what: What, error: Exception) -> None:
        super().__init__(what)
        self.what: What = what
        self.error = error


@contextmanager
def _part(what: What) -> Iterator[None]:
    """An error in this block is about this part of the line."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise _Refused(what, error) from None


def _line(event: object, values: Mapping[str, object], frame: FrameType) -> Logged:
    """The checked line. Raises _Refused."""
    with _part("event"):
        name = _literal_event(event, frame)
    with _part("name"):
        _check_names(values)
        _must_be_literals(values, frame)
    with _part("value"):
        return Logged(name, {name: _value(name, value, frame) for name, value in values.items()})


def _literal_event(event: object, frame: FrameType) -> str:
    if not isinstance(event, str) or not is_literal(event, frame):
        raise TypeError(
            'write the event as a literal in the call, such as message.log("report.filed"). A text that was made while '
            "the handler ran may quote the message"
        )
    _check_event(event)
    return event


def _must_be_literals(names: Mapping[str, object], frame: FrameType) -> None:
    if not all(is_literal(name, frame) for name in names):
        raise TypeError('write the names of the values in the call, such as message.log("report.filed", pages=3)')


def _value(name: str, value: object, frame: FrameType) -> Value:
    if isinstance(value, Enum):
        if not is_fixed_member(value):
            raise TypeError(
                f"{name}: a member of an Enum has a word as its value, and its class is defined in a module"
            )
        return _checked(name, str.__str__(value.value))
    if isinstance(value, str) and not is_literal(value, frame):
        raise TypeError(
            f"{name}: a text that was made while the handler ran may quote the message. Give a number, a literal of "
            "this function, or a member of an Enum"
        )
    return _checked(name, value)


def _check_event(event: str) -> None:
    if len(event) > LONGEST_WORD or not _EVENT.fullmatch(event):
        raise ValueError(
            "an event is lower-case words with dots or underscores between them, at most 60 characters, such as "
            "report.filed"
        )


def _check_names(values: Mapping[str, object]) -> None:
    if len(values) > MOST_VALUES:
        raise ValueError(f"a line has at most {MOST_VALUES} values")
    if not all(map(_NAME.fullmatch, values)):
        raise ValueError("the name of a value is lower-case, at most 30 characters, such as pages")


def _checked(name: str, value: object) -> Value:
    """The value, if its form may be logged. Raises TypeError, ValueError."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not abs(value) < _BOUND:  # also refuses what isn't a number
            raise ValueError(f"{name}: a number is below 1,000,000,000. Log how much or how long, not a number in mail")
        return int(value) if isinstance(value, int) else round(float(value), 3)
    if not isinstance(value, str):
        raise TypeError(f"{name}: a value is a number, True or False, or a word; not {type(value).__name__}")
    if not _WORD.fullmatch(value):
        raise ValueError(f"{name}: a word has letters, digits and _.:+- alone, a letter among them, at most 60")
    return value
