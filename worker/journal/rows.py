"""What `Messages`, `Tries` and `Places` share: reading rows as `Record`s, and writing them behind the lease's fence."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from worker.journal.database import Database
from worker.journal.records import Place, Record
from worker.journal.schema import folder, message
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict

REBUILT: Final = "rebuilt"
"""The reason of a message that `journal rebuild` entered: nobody knows when it was handled."""


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


PLACE: dict[str, Any] = {
    "folder": bindparam("to_folder"),
    "uidvalidity": bindparam("to_uidvalidity"),
    "uid": bindparam("to_uid"),
}
"""The columns of a message's place, for an UPDATE of many rows with the parameters of `placed`."""


def placed(row: int, place: Place) -> dict[str, Any]:
    """The parameters that give this row this place."""
    return {"row": row, "to_folder": place.folder, "to_uidvalidity": place.uidvalidity, "to_uid": place.uid}


def chunks(items: list[Any], size: int = 400) -> Iterable[list[Any]]:
    """Split a list that may hold more values than one SQL statement takes."""
    return (items[start : start + size] for start in range(0, len(items), size))


def look_no_longer_holds(connection: Connection, ids: Sequence[int]) -> None:
    """Forget what the last poll saw in the folders of these messages, because it took one message for another."""
    there = select(message.c.folder).where(message.c.id.in_(ids))
    connection.execute(update(folder).where(folder.c.name.in_(there)).values(seen=""))


def evidence_json(verdict: Verdict) -> list[list[Any]]:
    """The evidence as it is stored; `evidence_of` reads it back."""
    return [[e.source, e.header, e.value, e.reason, e.counts] for e in verdict.evidence]


def evidence_of(stored: Any) -> tuple[Evidence, ...]:
    """The evidence that `evidence_json` stored."""
    return tuple(_evidence(*fields) for fields in stored or ())


@lru_cache(maxsize=1024)
def _evidence(source: str, header: str | None, value: str, reason: str, counts: bool) -> Evidence:
    """Many messages have the same evidence: a walk over all of them holds it once."""
    return Evidence(source, header, value, reason, counts)


def _record_of(row: Any) -> Record:
    return Record(
        id=row.id,
        key=row.key,
        fingerprint=row.fingerprint,
        state=State(row.state),
        verdict=Verdict(MailPath(row.path), evidence_of(row.evidence)),
        place=Place(sys.intern(row.folder), row.uidvalidity, row.uid or None),  # 0: see the schema
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
        sender_confirmed=row.sender_confirmed,
        content=row.content,
        doubtful=row.doubtful,
        redelivery=row.redelivery,
        only_handler=row.only_handler,
    )
