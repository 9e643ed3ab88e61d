"""All messages, one after another, with what shows where each lies: for walks over the whole journal."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import select

from worker.journal.database import Database
from worker.journal.records import Place, Recognisable
from worker.journal.schema import message
from worker.message.outcome import State

AT_ONCE = 2_000
"""How many rows memory holds at a time."""
_COLUMNS = (
    message.c.id,
    message.c.key,
    message.c.fingerprint,
    message.c.state,
    message.c.folder,
    message.c.uidvalidity,
    message.c.uid,
    message.c.settled_at,
    message.c.missed,
    message.c.reason,
    message.c.content,
    message.c.doubtful,
)
_STATES = {state.value: state for state in State}


class _Fields(NamedTuple):
    id: int
    key: str
    fingerprint: str
    state: State
    place: Place
    settled_at: float | None
    missed: int
    reason: str | None
    content: str | None
    doubtful: bool


class BriefRow(_Fields, Recognisable):
    """A message without what only its handling needs. The fields are those of a `Record`. settled_at: epoch s."""

    __slots__ = ()


def brief_rows(database: Database) -> Iterator[BriefRow]:
    """Every message in the order of its row, all as they are at one moment. May raise `JournalUnavailable`."""
    query = select(*_COLUMNS).order_by(message.c.id).execution_options(yield_per=AT_ONCE)
    with database.read() as connection:
        for id_, key, fingerprint, state, folder, uidvalidity, uid, *others in connection.execute(query):
            place = Place(folder, uidvalidity, uid or None)  # 0: see the schema
            yield BriefRow(id_, key, fingerprint, _STATES[state], place, *others)
