"""What `Messages`, `Tries` and `Places` share: reading rows as `Record`s, and writing them behind the lease's fence."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, select

from worker.journal.database import Database
from worker.journal.records import Place, Record
from worker.journal.schema import message
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict


class Rows:
    """The table of messages, one row each. Every method may raise `JournalUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert: Any = database.insert
        self._fence: Callable[[Connection], None] = lambda _connection: None

    def fenced_by(self, fence: Callable[[Connection], None]) -> None:
        """Call `fence` in every transaction that writes. It raises if another worker has taken over."""
        self._fence = fence

    def _records(self, where: Any) -> list[Record]:
        with self._database.read() as connection:
            return [_record_of(row) for row in connection.execute(select(message).where(where).order_by(message.c.id))]

    @contextmanager
    def _write(self, *, durable: bool = False) -> Iterator[Connection]:
        with self._database.write(durable=durable) as connection:
            self._fence(connection)
            yield connection

    def _update_many(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        with self._write() as connection:
            connection.execute(statement, rows)


def chunks(items: list[Any], size: int = 400) -> Iterable[list[Any]]:
    """Split a list that may hold more values than one SQL statement takes."""
    return (items[start : start + size] for start in range(0, len(items), size))


def evidence_json(verdict: Verdict) -> list[list[Any]]:
    """The evidence as it is stored; `evidence_of` reads it back."""
    return [[e.source, e.header, e.value, e.reason, e.counts] for e in verdict.evidence]


def evidence_of(stored: Any) -> tuple[Evidence, ...]:
    """The evidence that `evidence_json` stored."""
    return tuple(Evidence(*fields) for fields in stored or ())


def _record_of(row: Any) -> Record:
    return Record(
        id=row.id,
        key=row.key,
        fingerprint=row.fingerprint,
        state=State(row.state),
        verdict=Verdict(MailPath(row.path), evidence_of(row.evidence)),
        place=Place(row.folder, row.uidvalidity, row.uid),
        size=row.size,
        received_at=row.received_at,
        first_seen_at=row.first_seen_at,
        tries=row.tries,
        deaths=row.deaths,
        in_hand=row.in_hand,
        next_at=row.next_at,
        settle_to=row.settle_to,
        settled=row.settled_at is not None,
        missed=row.missed,
        released=row.released_at is not None,
        reason=row.reason,
        waiting_since=row.waiting_since,
        sender=row.sender,
    )
