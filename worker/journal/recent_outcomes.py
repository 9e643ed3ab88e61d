"""What the status page shows of messages besides their counts: the last day by the hour, and the newest few."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, cast, func, select

from worker.journal.database import Database
from worker.journal.schema import message
from worker.message.outcome import State

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Hour:
    """How many messages reached each outcome in one hour. at: when the hour began (epoch s)."""

    at: int
    handled: int
    junk: int
    failed: int


@dataclass(frozen=True, slots=True)
class Newest:
    """A message that reached its outcome lately. at: when it did (epoch s)."""

    key: str
    at: float
    reason: str | None


def last_day(database: Database, now: float) -> list[Hour]:
    """The last 24 hours including the present one, oldest first."""
    this_hour = int(now) // HOUR * HOUR
    first = this_hour - 23 * HOUR
    hour = cast(func.floor((message.c.outcome_at - first) / HOUR), Integer)
    query = select(hour.label("hour"), message.c.state, func.count().label("messages"))
    with database.read() as connection:
        rows = connection.execute(query.where(message.c.outcome_at >= first).group_by(hour, message.c.state)).all()
    found = {(row.hour, row.state): row.messages for row in rows}
    return [
        Hour(
            first + number * HOUR,
            *(found.get((number, state.value), 0) for state in (State.HANDLED, State.JUNK, State.FAILED)),
        )
        for number in range(24)
    ]


def newest(database: Database, state: State, count: int) -> Sequence[Newest]:
    """The messages that reached this state last, newest first; at most `count`."""
    query = (
        select(message.c.key, message.c.outcome_at, message.c.reason)
        .where(message.c.state == state.value, message.c.outcome_at.is_not(None))
        .order_by(message.c.outcome_at.desc())
        .limit(count)
    )
    with database.read() as connection:
        return [Newest(row.key, row.outcome_at, row.reason) for row in connection.execute(query)]
