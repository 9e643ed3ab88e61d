"""What the status page shows of messages besides their counts: outcomes by the hour and the day, and the newest few.

The outcomes are counted as they are recorded, in the same transaction, in one small fact. So reading them costs the
same however many messages the journal holds, and they outlive the rows that compaction removes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Integer, and_, cast, func, or_, select

from worker.journal.database import Database
from worker.journal.facts import set_fact
from worker.journal.rows import REBUILT, evidence_of
from worker.journal.schema import fact, message
from worker.message.outcome import State

HOUR: Final = 3600
DAY: Final = 24 * HOUR
DAYS: Final = 30
"""So many days are shown, this one included."""
COUNTED: Final = (State.HANDLED, State.JUNK, State.FAILED)
_FACT: Final = "recent.outcomes"
_TALLY = select(fact.c.value).where(fact.c.name == _FACT)
_HOURS_KEPT: Final = 48


@dataclass(frozen=True, slots=True)
class Span:
    """How many messages reached each outcome in one hour or day. at: when it began (epoch s)."""

    at: int
    handled: int
    junk: int
    failed: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The last 24 hours and the last 30 days (UTC), the present ones included, oldest first.

    since: from when outcomes were counted (epoch s); None if nothing was counted yet.
    """

    hours: list[Span]
    days: list[Span]
    since: float | None


@dataclass(frozen=True, slots=True)
class Newest:
    """A message that reached its outcome lately. at: when it did (epoch s). sources: of the evidence that counts."""

    key: str
    at: float
    reason: str | None
    sources: tuple[str, ...] = ()


class _Tally:
    """The fact, as it is worked with: outcomes by the number of the hour and of the day since the epoch."""

    def __init__(self, stored: str | None = None) -> None:
        found = orjson.loads(stored or "{}")
        self.since: float | None = found.get("since")
        self._by: dict[int, dict[int, list[int]]] = {
            length: defaultdict(lambda: [0, 0, 0], {int(at): counts for at, counts in found.get(name, {}).items()})
            for length, name in ((HOUR, "hours"), (DAY, "days"))
        }

    def add(self, at: float, state: State, count: int = 1) -> None:
        self.since = at if self.since is None else min(self.since, at)
        for length, by in self._by.items():
            by[int(at // length)][COUNTED.index(state)] += count

    def spans(self, length: int, count: int, now: float) -> list[Span]:
        this = int(now // length)
        by = self._by[length]
        return [Span(number * length, *by.get(number, (0, 0, 0))) for number in range(this - count + 1, this + 1)]

    def stored(self) -> str:
        return orjson.dumps(
            {"since": self.since, "hours": self._kept(HOUR, _HOURS_KEPT), "days": self._kept(DAY, DAYS + 1)}
        ).decode()

    def _kept(self, length: int, count: int) -> dict[str, list[int]]:
        by = self._by[length]
        return {str(number): by[number] for number in sorted(by)[-count:]}


def count_outcomes(connection: Connection, insert: Any, states: Iterable[State], now: float) -> None:
    """Count these outcomes, which are about to be recorded in this transaction. insert: the database's own."""
    counted = Counter(state for state in states if state in COUNTED)
    if not counted:
        return
    stored = _stored(connection)
    tally = _counted_by_rows(connection, now) if stored is None else _Tally(stored)
    for state, messages in counted.items():
        tally.add(now, state, messages)
    set_fact(connection, insert, _FACT, tally.stored())


def recent_outcomes(database: Database, now: float) -> Recent:
    """What was counted. In a journal of an earlier program, what its rows say, until the first outcome is recorded."""
    with database.read() as connection:
        stored = _stored(connection)
        tally = _counted_by_rows(connection, now) if stored is None else _Tally(stored)
    return Recent(tally.spans(HOUR, 24, now), tally.spans(DAY, DAYS, now), tally.since)


def newest(database: Database, state: State, count: int) -> Sequence[Newest]:
    """The messages that reached this state last, newest first; at most `count`."""
    query = (
        select(message.c.key, message.c.outcome_at, message.c.reason, message.c.evidence)
        .where(message.c.state == state.value, message.c.outcome_at.is_not(None))
        .order_by(message.c.outcome_at.desc())
        .limit(count)
    )
    with database.read() as connection:
        return [Newest(row.key, row.outcome_at, row.reason, _sources(row)) for row in connection.execute(query)]


def oldest_pending(database: Database, count: int) -> list[str]:
    """The keys of the pending messages that were seen first; at most `count`."""
    query = select(message.c.key).where(message.c.state == State.PENDING.value)
    with database.read() as connection:
        found = connection.execute(query.order_by(message.c.first_seen_at, message.c.id).limit(count))
        return list(found.scalars())


def _sources(row: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(piece.source for piece in evidence_of(row.evidence) if piece.counts))


def _stored(connection: Connection) -> str | None:
    stored: str | None = connection.execute(_TALLY).scalar()
    return stored


def _counted_by_rows(connection: Connection, now: float) -> _Tally:
    """The same from the rows, which is a look at all of them: for a journal in which nothing was counted yet."""
    tally = _Tally()
    for at, state, messages in _by_hour(connection, now):
        tally.add(at, state, messages)
    return tally


def _by_hour(connection: Connection, now: float) -> Iterator[tuple[int, State, int]]:
    first = (int(now // DAY) - DAYS + 1) * DAY
    hour = cast(func.floor((message.c.outcome_at - first) / HOUR), Integer)
    query = (
        select(hour.label("hour"), message.c.state, func.count().label("messages"))
        .where(
            and_(message.c.outcome_at >= first, message.c.state.in_([state.value for state in COUNTED])),
            or_(message.c.reason.is_(None), message.c.reason != REBUILT),
        )
        .group_by(hour, message.c.state)
        .order_by(hour)
    )
    for row in connection.execute(query):
        yield first + row.hour * HOUR, State(row.state), row.messages
