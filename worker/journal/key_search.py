"""Finds keys by their beginnings, because people type only as much of a key as they must."""

from sqlalchemy import and_, func, select

from worker.journal.database import Database
from worker.journal.schema import message


def keys_like(database: Database, beginning: str, ending: str, *, most: int) -> tuple[list[str], int]:
    """The first `most` keys with this beginning and this ending, in order, and how many there are.

    May raise `JournalUnavailable`.
    """
    key = message.c.key
    fits = and_(key.startswith(beginning, autoescape=True), key.endswith(ending, autoescape=True))
    with database.read() as connection:
        count = connection.execute(select(func.count()).where(fits)).scalar_one()
        return list(connection.execute(select(key).where(fits).order_by(key).limit(most)).scalars()), count
