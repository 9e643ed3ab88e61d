"""When the server refuses a command on many messages because of one of them, bisection finds which one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from worker.mailbox.errors import CommandRefused
from worker.mailbox.session import Head, Session

MOST_REFUSED = 8
"""After this many single messages refused in a row, the cause isn't the messages, and no more are tried."""
T = TypeVar("T")


class _Search(Generic[T]):
    """The parts that are still to be tried. A refused part of several items is halved."""

    def __init__(self, items: Sequence[T]) -> None:
        self._parts = [items]
        self._alone: list[T] = []
        self._in_a_row = 0

    def parts(self) -> Iterator[Sequence[T]]:
        """Each part in turn, until too many single items were refused in a row."""
        while self._parts and self._in_a_row < MOST_REFUSED:
            yield self._parts.pop()

    def accepted(self) -> None:
        """The server took the last part."""
        self._in_a_row = 0

    def refused(self, part: Sequence[T]) -> None:
        """The server refused this part, or what was left of it."""
        if len(part) > 1:
            half = len(part) // 2
            self._parts += [part[half:], part[:half]]
        else:
            self._alone += part
            self._in_a_row += 1

    def all_refused(self) -> list[T]:
        """The refused items. What wasn't tried any more counts as refused."""
        return self._alone + [item for part in reversed(self._parts) for item in part]


def bisect(command: Callable[[Sequence[T]], None], items: Sequence[T]) -> list[T]:
    """Run a command on these items, and on each half of them where the server refuses. Returns the refused items.

    After `MOST_REFUSED` refusals in a row the rest isn't tried and counts as refused.
    """
    search = _Search(items)
    for part in search.parts():
        try:
            command(part)
            search.accepted()
        except CommandRefused:
            search.refused(part)
    return search.all_refused()


def shown_heads(session: Session, wanted: Iterable[int]) -> Iterator[Head]:
    """Like `Session.heads`, but also leaves out messages whose header the server refuses to show.

    Bisects as `bisect` does, without waiting for the last header before it yields the first.

    Raises:
        CommandRefused: the server showed none of many headers, so the messages aren't the cause.
    """
    search = _Search(sorted(wanted))
    shown = False
    for part in search.parts():
        last = 0
        try:
            for head in session.heads(part):
                last, shown = head.uid, True
                yield head
            search.accepted()
        except CommandRefused:
            search.refused([uid for uid in part if uid > last])
    if len(search.all_refused()) >= MOST_REFUSED and not shown:
        raise CommandRefused("the mail server shows no headers")
