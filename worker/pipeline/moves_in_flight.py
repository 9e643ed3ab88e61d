"""Moves in flight: MOVE commands that were sent, and whose answers are read when there is something to read anyway."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from worker.mailbox.errors import CommandRefused
from worker.mailbox.session import Moved, Sent, Session

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moving(Generic[T]):
    """A MOVE in flight: what moves, from where to where."""

    session: Session
    sent: Sent
    group: Sequence[T]
    folder: str
    target: str


class MovesInFlight(Generic[T]):
    """The moves in flight, oldest first."""

    def __init__(self) -> None:
        self._moving: list[Moving[T]] = []

    def begin(self, session: Session, uids: Sequence[int], group: Sequence[T], folder: str, target: str) -> None:
        """Send MOVE for these messages of the selected folder."""
        self._moving.append(Moving(session, session.begin_move(uids, target), group, folder, target))

    def answered(self, *, wait: bool) -> Iterator[tuple[Moving[T], Moved | None]]:
        """Each move that the server has answered, with the answer; None: it refused. wait: wait for the others.

        Outcomes are also recorded while there is no connection. Then there are none.
        """
        if not all(moving.session.is_open for moving in self._moving):
            self.forget()
        while self._moving and (wait or self._moving[0].session.has_moved(self._moving[0].sent)):
            moving = self._moving.pop(0)
            try:
                moved = moving.session.end_move(moving.sent)
            except CommandRefused:
                yield moving, None
            else:
                yield moving, moved

    def forget(self) -> None:
        """The connection is gone. Whoever looks at the mailbox next sees what was moved."""
        self._moving.clear()
