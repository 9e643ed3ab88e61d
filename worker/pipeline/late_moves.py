"""Moves that are late: the server refused them, or the connection ended at them. They keep no other message waiting.

This is kept in memory only. After a restart such a message costs two connections until it is known again, which is
cheap; and by then the server may have been mended.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from worker.logs.log import get_logger
from worker.mailbox.bisection import MOST_REFUSED
from worker.mailbox.errors import ConnectionLost, ProtocolFault
from worker.pipeline.put_off import PutOff
from worker.pipeline.settlement import Settlement

log = get_logger()

REFUSED_WAIT = 900.0
"""Seconds until the server is asked again to move a message that it refused to move, or whose folder it refused."""
ENDED = "connection-lost"
"""What the event gives as the reason where the connection ended at the move of a message alone."""
ENDED_WAITS = (300.0, 900.0, 3600.0)
"""Seconds until a message is moved again whose move alone ended the connection once, twice, or more often."""


class LateMoves:
    """Remembers which messages the server refused to move, and at whose move the connection ended.

    If a MOVE ends the connection, each of its messages is a suspect: it is moved alone, at the end of a poll, when all
    other work is done. If that ends the connection too, the message is put off for a while.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._refused: dict[int, float] = {}
        """When the server may be asked again (epoch s) for a move that it refused, or whose folder it did. By row."""
        self._suspects: dict[int, int] = {}
        """How often the connection ended at the move of each suspect alone. By row."""
        self._put_off: PutOff[int] = PutOff(clock)
        self._in_a_row = 0

    def refused(self, rows: Iterable[int]) -> None:
        """The server refused to move these, or to open their folder."""
        self._refused |= dict.fromkeys(rows, self._clock() + REFUSED_WAIT)

    def is_refused(self, row: int) -> bool:
        """Whether the server has lately refused to move this message, or to open its folder."""
        return row in self._refused

    def ask_again(self) -> bool:
        """Whether the server may now be asked again to move messages that it refused to move."""
        now = self._clock()
        due = [row for row, until in self._refused.items() if not now < until <= now + REFUSED_WAIT]
        for row in due:
            del self._refused[row]
        return bool(due)

    def suspect(self, rows: Iterable[int]) -> None:
        """The connection ended while these were being moved."""
        for row in rows:
            self._suspects.setdefault(row, 0)

    def is_suspect(self, row: int) -> bool:
        """Whether this message is to be moved alone."""
        return row in self._suspects

    def clear(self, rows: Iterable[int]) -> None:
        """These are suspects no more: they were moved, or the server refused that and kept the connection."""
        for row in rows:
            self._suspects.pop(row, None)
            self._put_off.forget(row)

    def due(self, items: Iterable[Settlement]) -> list[Settlement]:
        """The suspects among these that may be moved now, those first at which the connection ended least often."""
        due = [item for item in items if item.id in self._suspects and not self._waits(item.id)]
        return sorted(due, key=lambda item: self._suspects[item.id])

    @contextmanager
    def at_risk(self, rows: Collection[int], folder: str, target: str, *, alone: bool = False) -> Iterator[None]:
        """Run the command that moves these. If it ends the connection, they are suspects, or put off.

        It isn't their fault if the connection ended before the server had come to the command, or because the server
        asked for a pause or the token expired. alone: whether it moves a single suspect.
        """
        try:
            yield
        except (ConnectionLost, ProtocolFault) as error:
            if not error.earlier:
                self.suspect(rows)
                if alone:
                    log.error("mailbox.move_refused", count=1, folder=folder, target=target, reason=ENDED)
                    self._put_off_after(rows)
            raise
        if alone:
            self._in_a_row = 0

    def _put_off_after(self, rows: Collection[int]) -> None:
        """After `MOST_REFUSED` in a row the cause may be none of the messages, so all wait: one login for each wait."""
        for row in rows:
            self._suspects[row] += 1
        self._in_a_row += 1
        self._put_off.add(self._suspects if self._in_a_row >= MOST_REFUSED else rows)

    def _waits(self, row: int) -> bool:
        return self._put_off.waits(row, ENDED_WAITS[min(max(self._suspects[row], 1), len(ENDED_WAITS)) - 1])
