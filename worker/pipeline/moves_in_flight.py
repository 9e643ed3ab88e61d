"""Moves in flight: MOVE commands that were sent, and whose answers are read when there is something to read anyway."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
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
        while self._moving and self._moving[0].session.is_open:
            moving = self._moving[0]
            if not (wait or moving.session.has_moved(moving.sent)):
                return
            moved: Moved | None = None
            with suppress(CommandRefused):
                moved = moving.session.end_move(moving.sent)
            del self._moving[0]  # not before: if the connection ends at the answer, this one was in flight
            yield moving, moved

    def forget(self) -> list[T]:
        """The connection is gone. Whoever looks at the mailbox next sees what was moved.

        Returns what was in flight when an error ended the connection, which one of these messages may have caused.
        """
        moving, self._moving = self._moving, []
        return [item for one in moving if one.session.ended_at_a_command for item in one.group]
