"""A journal with many settled messages, written directly: settling them one by one would take hours."""

import random
from base64 import b32encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Table, func, select

from worker.journal.database import Database
from worker.journal.schema import delivery, known_sender, message
from worker.message.outcome import State

AT_ONCE = 10_000
BETWEEN = 30.0
"""Seconds between the arrivals of two messages."""
HANDLED, JUNK, FAILED = 0.85, 0.10, 0.02
"""Shares of the states; the rest is gone."""
SENDERS = 5_000
UIDVALIDITY = 7
_WORDS = "it doesn't speak for junk; noted, since no header takes suspicion away"
EVIDENCE = orjson.dumps(
    [
        ["exchange", header, value, _WORDS, False]
        for header, value in (
            ("X-MS-Exchange-Organization-SCL", "SCL:1"),
            ("X-Forefront-Antispam-Report", "SCL:1"),
            ("X-Forefront-Antispam-Report", "SFV:NSPM"),
            ("X-Forefront-Antispam-Report", "CAT:NONE"),
            ("X-Microsoft-Antispam", "BCL:0"),
        )
    ]
).decode()
"""What a message from Exchange Online that isn't junk has."""
JUNK_EVIDENCE = orjson.dumps(
    [["exchange", "X-Forefront-Antispam-Report", "SFV:SPM", "the filter says spam", True]]
).decode()
_FOLDERS = {State.HANDLED: "Processed", State.JUNK: "Junk", State.FAILED: "Failed", State.GONE: "INBOX"}

Row = dict[str, Any]


def fill(database: Database, count: int, now: float) -> None:
    """Add so many settled messages, the newest of them received at `now` (epoch s)."""
    generator = random.Random(count)
    with database.read() as connection:
        first = (connection.execute(select(func.max(message.c.id))).scalar() or 0) + 1
    senders = [f"{generator.getrandbits(128):032x}" for _ in range(SENDERS)]
    with database.write() as connection:
        known = ({"sender": sender, "since": now} for sender in senders[: SENDERS * 4 // 5])
        _insert(connection, known_sender, ("sender", "since"), known)
        if not database.is_sqlite:
            connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('message', 'id'), {first + count})")
    columns = [column.name for column in message.columns]
    for start in range(first, first + count, AT_ONCE):
        ids = range(start, min(start + AT_ONCE, first + count))
        rows = [_row(generator, row, senders, now - (first + count - row) * BETWEEN) for row in ids]
        with database.write() as connection:
            _insert(connection, message, columns, rows)
            _insert(connection, delivery, ("message_id", "path", "handler", "tries", "done_at"), _deliveries(rows))
    if not database.is_sqlite:
        with database.write() as connection:
            connection.exec_driver_sql("ANALYZE")  # as its own autovacuum does in the end


def _row(generator: random.Random, number: int, senders: Sequence[str], at: float) -> Row:
    share = generator.random()
    state = State.GONE
    for one, until in (
        (State.HANDLED, HANDLED),
        (State.JUNK, HANDLED + JUNK),
        (State.FAILED, HANDLED + JUNK + FAILED),
    ):
        if share < until:
            state = one
            break
    key = b32encode(generator.randbytes(17)).decode().lower()[:26]
    moved = state not in (State.GONE, State.JUNK)
    return {
        "id": number,
        "key": key,
        "fingerprint": key,
        "state": state.value,
        "path": "junk" if state is State.JUNK else "clean",
        "evidence": JUNK_EVIDENCE if state is State.JUNK else EVIDENCE,
        "folder": _FOLDERS[state],
        "uidvalidity": UIDVALIDITY,
        "uid": number,
        "size": 2_701,
        "received_at": at,
        "first_seen_at": at + 5,
        "tries": 1,
        "deaths": 0,
        "reason": {State.FAILED: "archive:ValueError", State.GONE: "taken-away"}.get(state),
        "outcome_at": at + 6,
        "settle_to": _FOLDERS[state] if moved else None,
        "settled_at": at + 7,
        "missed": 0,
        "released_at": at + 3600 if number % 2_000 == 0 else None,
        "sender": generator.choice(senders)
        if state is not State.JUNK or number % 100 == 0
        else f"{generator.getrandbits(128):032x}",
        "sender_listed": False,
        "content": f"parts:{generator.getrandbits(160):040x}",
        "doubtful": False,
        "redelivery": 0,
    }


def _deliveries(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        if row["state"] in (State.HANDLED, State.JUNK):
            handler = "quarantine" if row["path"] == "junk" else "archive"
            yield {
                "message_id": row["id"],
                "path": row["path"],
                "handler": handler,
                "tries": 0,
                "done_at": row["outcome_at"],
            }


def _insert(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Past SQLAlchemy, which takes several times as long."""
    values = ([row.get(column) for column in columns] for row in rows)
    names = ", ".join(columns)
    cursor: Any = connection.connection.cursor()
    try:
        if connection.dialect.name == "sqlite":
            marks = ", ".join("?" * len(columns))
            cursor.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", values)  # noqa: S608 -- our names
        else:
            with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                for value in values:
                    copy.write_row(value)
    finally:
        cursor.close()
