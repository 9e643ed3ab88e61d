"""The batch that comes next: it is asked for while the one before it is read, as soon as there is room for it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from worker.handling.pool import Pool
from worker.journal.records import Record
from worker.mailbox.session import Session


class Asks(Protocol):
    """Asks the server for messages ahead."""

    def ask(self, session: Session, batch: Sequence[Record]) -> None:
        """Ask for the content of these messages of one folder, to be read later."""


class Room:
    """How much may be in hand and on its way together: twice what one fetch brings.

    What is on its way counts by the size that the server told, what is in hand by its own.
    """

    def __init__(self, pool: Pool, batch_bytes: int) -> None:
        self._pool = pool
        self._most = 2 * batch_bytes

    def has(self, records: Iterable[Record]) -> bool:
        """Whether these may be in hand, or on their way, besides what is in hand."""
        return self._pool.size + sum(record.size for record in records) <= self._most


class NextBatch:
    """Asks once for what follows the batch that is being read."""

    def __init__(self, asks: Asks, session: Session, records: Sequence[Record], room: Room) -> None:
        """records: of one folder; none: nothing follows."""
        self._asks = asks
        self._session = session
        self._records = records
        self._room = room

    def ask_if_room(self, unread: Iterable[Record]) -> None:
        """Ask for it, unless that was done before.

        unread: what is still to come of the batch before it, or has come and isn't in hand yet.
        """
        if self._records and self._room.has((*unread, *self._records)):
            records, self._records = self._records, ()
            self._asks.ask(self._session, records)
