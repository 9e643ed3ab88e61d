"""Asks handlers for old copies of messages, and has them removed, without trusting what handlers say.

What comes back is checked in one place, whether the handler runs in this process or in one of its own.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, runtime_checkable

from worker.handling.failure import CallFailure
from worker.handling.foreign_code import in_time
from worker.handling.output import OutputCapture
from worker.logs.fields import KEY
from worker.message.copies import Look, OldCopies, OldCopy, RemovedCopies

T = TypeVar("T")

LONGEST = timedelta(days=36_500)
"""A longer time is taken for this one: no date may be that long ago."""
LONGEST_CALL = 120.0
"""Seconds for one look or one removal. What takes longer is left behind, and asked again once it has returned."""
_NAME = re.compile(r"[\w.~:=+@-]{1,200}", re.ASCII)


@runtime_checkable
class KeepsCopies(Protocol):
    """A handler that can say which of its copies are old, and remove them. Each method may raise anything."""

    def old_copies(self, look: Look, /) -> OldCopies:
        """Look for copies older than `look.before`."""

    def remove_copies(self, names: Sequence[str], before: datetime, /) -> RemovedCopies:
        """Remove those of these copies that are still older than `before`."""


class NoAnswer(Exception):
    """A handler's answer can't be used."""

    log_safe = True


class CopiesFailed(Exception):
    """A handler's look or removal failed: what it raised, it took too long, or its answer can't be used.

    kind: the exception's class.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class BoundedCopies(Protocol):
    """A handler's copies, as the worker uses them."""

    def old_copies(self, look: Look, /) -> OldCopies:
        """Raises CopiesFailed."""

    def remove_copies(self, names: Sequence[str], before: datetime, /) -> RemovedCopies:
        """Raises CopiesFailed. Then some may have been removed."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a handler keeps its copies, and who removes them.

    of: which copies: another text, once any other setting of the handler is another one.
    """

    remove_after: timedelta
    copies: BoundedCopies
    of: str = ""


class CheckedCopies:
    """A handler's copies; its calls are bounded in time, and its answers checked. Not for several threads at once."""

    def __init__(self, name: str, copies: KeepsCopies, output: OutputCapture, limit: float = LONGEST_CALL) -> None:
        """limit: seconds for each call."""
        self._name = name
        self._copies = copies
        self._output = output
        self._limit = limit
        self._busy = threading.Lock()

    def old_copies(self, look: Look) -> OldCopies:
        """Raises CopiesFailed."""
        return self._call(lambda: checked_look(told_look(self._copies.old_copies(look)), look))

    def remove_copies(self, names: Sequence[str], before: datetime) -> RemovedCopies:
        """Raises CopiesFailed. Then some may have been removed."""
        return self._call(lambda: checked_removal(told_removal(self._copies.remove_copies(names, before)), names))

    def _call(self, call: Callable[[], T]) -> T:
        def alone() -> T:
            with self._busy, self._output.running(self._name):
                return call()

        if self._busy.locked():
            raise CopiesFailed(NoAnswer.__name__)  # an earlier call hasn't returned
        try:
            return in_time(alone, self._limit)
        except Exception as error:
            raise CopiesFailed(CallFailure.of(error).kind) from error


def told_look(found: OldCopies) -> dict[str, Any]:
    """What a look has found, in JSON's types. Raises NoAnswer."""
    if not isinstance(found, OldCopies):
        raise NoAnswer("old_copies must return OldCopies")
    return {
        "copies": [[copy.key, copy.name] for copy in found.copies],
        "after": found.after,
        "looked": found.looked,
        "oldest": None if found.oldest is None else found.oldest.timestamp(),
        "left": found.left,
    }


def told_removal(done: RemovedCopies) -> dict[str, Any]:
    """What has become of copies, in JSON's types. Raises NoAnswer."""
    if not isinstance(done, RemovedCopies):
        raise NoAnswer("remove_copies must return RemovedCopies")
    return {
        "removed": [*done.removed],
        "refused": [*done.refused],
        "left": done.left,
        "versions": done.versions,
    }


def checked_look(told: Mapping[str, Any], look: Look) -> OldCopies:
    """The look that `told_look` told of. Raises NoAnswer if it isn't one, or goes beyond what was asked for."""
    try:
        copies = tuple(OldCopy(_key(key), _name(name)) for key, name in told["copies"])
        after = None if told["after"] is None else _name(told["after"])
        oldest = None if told["oldest"] is None else datetime.fromtimestamp(float(told["oldest"]), UTC)
        found = OldCopies(copies, after, _number(told["looked"]), oldest, _number(told["left"]))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise NoAnswer("its look can't be read") from None
    if len(found.copies) > look.found or (look.after is not None and after == look.after):
        raise NoAnswer("its look returned too much, or made no progress")
    return found


def checked_removal(told: Mapping[str, Any], names: Sequence[str]) -> RemovedCopies:
    """The removal that `told_removal` told of. Raises NoAnswer if it isn't one of these copies."""
    try:
        done = RemovedCopies(
            tuple(map(_name, told["removed"])),
            tuple(map(_name, told["refused"])),
            _number(told["left"]),
            told["versions"] is True,
        )
    except (KeyError, TypeError, ValueError):
        raise NoAnswer("its removal can't be read") from None
    if not {*done.removed, *done.refused} <= {*names}:
        raise NoAnswer("it removed what it wasn't asked to")
    return done


@dataclass(frozen=True, slots=True)
class CopiesRequest:
    """What a child process is asked: one of the two methods, and what it is given."""

    look: Look | None = None
    names: tuple[str, ...] = ()
    before: datetime | None = None

    def asked_of(self, copies: KeepsCopies | None) -> dict[str, Any]:
        """Ask, in the child. Returns the answer in JSON's types. Raises NoAnswer, and what the handler raises."""
        if copies is None:
            raise NoAnswer("it has no old_copies and remove_copies")
        if self.look is not None:
            return told_look(copies.old_copies(self.look))
        if self.before is None:
            raise NoAnswer("nothing was asked")
        return told_removal(copies.remove_copies(self.names, self.before))


def _name(text: object) -> str:
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise ValueError
    return text


def _key(text: object) -> str:
    """A message's key. Any other text is none of the journal's, and such a message passes for one done long ago."""
    if not isinstance(text, str) or not KEY.fullmatch(text):
        raise ValueError
    return text


def _number(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError
    return value


def copies_of(target: object) -> KeepsCopies | None:
    """The handler's copies, if it has both methods."""
    return target if isinstance(target, KeepsCopies) else None
