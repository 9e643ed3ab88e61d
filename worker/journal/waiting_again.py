"""Messages that wait for another try, by the reason that they wait for."""

from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select

from worker.journal.database import Database
from worker.journal.schema import message
from worker.message.outcome import State


@dataclass(frozen=True, slots=True)
class WaitingAgain:
    """Messages that wait for another try with one reason.

    reason: as stored; None: none is known. since: when the oldest was first seen (epoch s). key: that one's. next_at:
    none of them is tried before (epoch s); None: they are tried as soon as there is room.
    """

    reason: str | None
    messages: int
    since: float
    key: str
    next_at: float | None = None


def waiting_again(database: Database, most: int) -> list[WaitingAgain]:
    """What waits for another try: the reasons with the most messages first, at most so many reasons.

    Raises:
        JournalUnavailable
    """
    waits = and_(message.c.state == State.PENDING.value, or_(message.c.reason.is_not(None), message.c.tries > 0))
    number = func.count()
    groups = (
        select(message.c.reason, number.label("messages"), func.min(message.c.next_at).label("next_at"))
        .where(waits)
        .group_by(message.c.reason)
        .order_by(number.desc(), message.c.reason)
        .limit(most)
    )
    found = []
    with database.read() as connection:
        for group in connection.execute(groups).all():
            same = message.c.reason.is_(None) if group.reason is None else message.c.reason == group.reason
            oldest = connection.execute(
                select(message.c.key, message.c.first_seen_at)
                .where(waits, same)
                .order_by(message.c.first_seen_at, message.c.id)
                .limit(1)
            ).one()
            found.append(WaitingAgain(group.reason, group.messages, oldest.first_seen_at, oldest.key, group.next_at))
    return found
