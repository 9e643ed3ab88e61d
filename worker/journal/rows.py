"""What `Messages`, `Tries` and `Places` share: reading rows as `Record`s, and writing them behind the lease's fence."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Select, String, bindparam, cast, select, update

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
        return self._records_by(records_where(where))

    def _records_by(self, query: Select[Any], **values: Any) -> list[Record]:
        """The records that a query by `records_where` finds. values: of its parameters."""
        with self._database.read() as connection:
            return records_in(connection, query, **values)

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


def listed(column: Any) -> Any:
    """A condition: the column has one of the values in the parameter `chunk`.

    Built once for a statement, whereas `in_` with a list looks at each value whenever it is called.
    """
    return column.in_(bindparam("chunk", expanding=True))


def look_no_longer_holds(connection: Connection, ids: Sequence[int]) -> None:
    """Forget what the last poll saw in the folders of these messages, because it took one message for another."""
    there = select(message.c.folder).where(message.c.id.in_(ids))
    connection.execute(update(folder).where(folder.c.name.in_(there)).values(seen=""))


def evidence_json(verdict: Verdict) -> tuple[tuple[Any, ...], ...]:
    """The evidence as it is stored; `evidence_of` reads it back."""
    return tuple([(e.source, e.header, e.value, e.reason, e.counts) for e in verdict.evidence])


def evidence_of(stored: Any) -> tuple[Evidence, ...]:
    """The evidence that `evidence_json` stored."""
    return tuple(_evidence(*fields) for fields in stored or ())


@lru_cache(maxsize=256)
def _evidence_in(stored: str | None) -> tuple[Evidence, ...]:
    """The evidence in this JSON. Much of the mail has the same: it is read once."""
    return evidence_of(None if stored is None else orjson.loads(stored))


@lru_cache(maxsize=1024)
def _evidence(source: str, header: str | None, value: str, reason: str, counts: bool) -> Evidence:
    """Many messages have the same evidence: a walk over all of them holds it once."""
    return Evidence(source, header, value, reason, counts)


_UNLIKE = ("id", "key", "fingerprint", "state", "path", "evidence", "folder", "uidvalidity", "uid")
_SINCE = ("settled_at", "missed", "released_at")
_BEFORE = ("size", "received_at", "first_seen_at", "tries", "deaths", "in_hand", "next_at", "settle_to")
_AFTER = ("reason", "waiting_since", "sender", "sender_confirmed", "content", "doubtful", "redelivery", "only_handler")
"""The columns of a `Record` by what `_record_of` does with them. `_BEFORE` and `_AFTER` are its fields, in its order,
before and after those of `_SINCE`."""
_SAME = len(_BEFORE)
_SELECT = select(
    *(
        cast(message.c.evidence, String) if name == "evidence" else message.c[name]
        for name in (*_UNLIKE, *_SINCE, *_BEFORE, *_AFTER)
    )
).order_by(message.c.id)


def records_where(condition: Any) -> Select[Any]:
    """The query for the records of these rows. One that is built once is also compiled once."""
    return _SELECT.where(condition)


def records_in(connection: Connection, query: Select[Any], **values: Any) -> list[Record]:
    """The records that a query by `records_where` finds in this transaction. values: of its parameters."""
    return [_record_of(row) for row in connection.execute(query, values)]


def _record_of(row: Sequence[Any]) -> Record:
    """The record of a row that `_SELECT` found. By place, because columns are read by name for many rows."""
    id_, key, fingerprint, state, path, evidence, folder, uidvalidity, uid, settled_at, missed, released_at, *same = row
    verdict = Verdict(MailPath(path), _evidence_in(evidence))
    since = (settled_at is not None, missed, released_at is not None)
    place = Place(sys.intern(folder), uidvalidity, uid or None)  # 0: see the schema
    fields = (verdict, place, *same[:_SAME], *since, *same[_SAME:])
    return Record(id_, key, fingerprint, State(state), *fields)
