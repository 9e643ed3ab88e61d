"""The rows of messages that are new to the journal, with a key for each."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select

from worker.journal.records import NewMessage, Record
from worker.journal.rows import chunks, evidence_json, listed
from worker.journal.schema import message
from worker.message.key import look_alike
from worker.message.outcome import State

_KEYS = select(message.c.fingerprint, message.c.key).where(listed(message.c.fingerprint))
_ALIKE_OR_NAMED = select(message.c.fingerprint, message.c.key).where(
    or_(listed(message.c.fingerprint), message.c.key.in_(bindparam("keys", expanding=True)))
)
"""Also those whose key is one of these fingerprints, which is the key of the first message with it."""
_IDS = select(message.c.key, message.c.id).where(listed(message.c.key))
_NOTHING_YET: dict[str, Any] = dict.fromkeys(("tries", "deaths", "missed", "redelivery"), 0)
"""Named in each row, because SQLAlchemy takes longer to add a column's default to it."""


def taken_numbers(connection: Connection, fingerprints: list[str]) -> dict[str, int]:
    """The highest look-alike number of each fingerprint. Not a count of rows, because no key may be given twice."""
    taken: dict[str, int] = {}
    for chunk in chunks(list(dict.fromkeys(fingerprints))):
        for fingerprint, key in connection.execute(_KEYS, {"chunk": chunk}):
            taken[fingerprint] = max(taken.get(fingerprint, 0), _number(fingerprint, key))
    return taken


def _number(fingerprint: str, key: str) -> int:
    return int(key[len(fingerprint) + 1 :] or 1)


def new_rows(connection: Connection, items: Sequence[NewMessage], now: float) -> list[dict[str, Any]]:
    """New rows with unused keys. A key may also be in use by a message whose fingerprint has changed (`known_by`)."""
    marks = list(dict.fromkeys(item.fingerprint for item in items))
    taken, in_use = Counter[str](), set[str]()
    for chunk in chunks(marks):
        for mark, key in connection.execute(_ALIKE_OR_NAMED, {"chunk": chunk, "keys": chunk}):
            in_use.add(key)
            taken[mark] = max(taken[mark], _number(mark, key))
    while True:
        numbers = dict(taken)
        rows = [_new_row(item, numbers, now) for item in items]
        keys = {row["key"] for row in rows}
        given = keys & in_use | row_ids(connection, sorted(keys.difference(marks))).keys()
        if not given:
            return rows
        taken.update(row["fingerprint"] for row in rows if row["key"] in given)


def row_ids(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    """The ids of the rows with these keys."""
    ids: dict[str, int] = {}
    for chunk in chunks(list(keys)):
        ids.update((key, id_) for key, id_ in connection.execute(_IDS, {"chunk": chunk}))
    return ids


def new_record(id_: int, key: str, item: NewMessage, now: float) -> Record:
    """The record of the row that `new_rows` made of this message."""
    return Record(
        id=id_,
        key=key,
        fingerprint=item.fingerprint,
        state=State.PENDING,
        verdict=item.verdict,
        place=item.place,
        size=item.size,
        received_at=item.received_at,
        first_seen_at=now,
        tries=0,
        deaths=0,
        in_hand=None,
        next_at=None,
        settle_to=None,
        settled=False,
        missed=0,
        released=False,
        reason=item.reason,
        sender=item.sender,
        sender_confirmed=item.sender_confirmed,
        doubtful=item.doubtful,
    )


def _new_row(item: NewMessage, taken: dict[str, int], now: float) -> dict[str, Any]:
    number = taken[item.fingerprint] = taken.get(item.fingerprint, 0) + 1
    return _NOTHING_YET | {
        "key": look_alike(item.fingerprint, number),
        "fingerprint": item.fingerprint,
        "state": State.PENDING.value,
        "path": item.verdict.path.value,
        "evidence": evidence_json(item.verdict),
        "folder": item.place.folder,
        "uidvalidity": item.place.uidvalidity,
        "uid": item.place.uid,
        "size": item.size,
        "received_at": item.received_at,
        "first_seen_at": now,
        "sender": item.sender,
        "sender_listed": item.sender_listed,
        "sender_confirmed": item.sender_confirmed,
        "doubtful": item.doubtful,
        "reason": item.reason,
    }
