"""Which handler made a message a dead letter: the one whose failure the message's reason names."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, exists, func, or_, select

from worker.journal.database import Database
from worker.journal.histories import AFTER_REASON
from worker.journal.rows import chunks
from worker.journal.schema import delivery, message

_DATED = message.c.reason + AFTER_REASON
_BLAMED = and_(
    delivery.c.message_id == message.c.id,
    delivery.c.path == message.c.path,
    delivery.c.done_at.is_(None),
    or_(
        delivery.c.reason == message.c.reason,  # as earlier versions stored it
        func.substr(delivery.c.reason, 1, func.length(_DATED)) == _DATED,
    ),
)


def failed_at(handler: str) -> Any:
    """Whether a message failed at this handler, as a condition on its row."""
    return exists().where(_BLAMED, delivery.c.handler == handler)


def failed_handlers(database: Database, ids: Sequence[int]) -> dict[int, str]:
    """The handler that each of these messages failed at, by row. May raise `JournalUnavailable`."""
    found: dict[int, str] = {}
    with database.read() as connection:
        for chunk in chunks(list(ids)):
            query = select(message.c.id, delivery.c.handler).join(delivery, _BLAMED).where(message.c.id.in_(chunk))
            found.update((row.id, row.handler) for row in connection.execute(query))
    return found
