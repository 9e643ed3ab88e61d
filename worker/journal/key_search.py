"""Finds keys by their beginnings, because people type only as much of a key as they must."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, func, select

from worker.journal.database import Database
from worker.journal.rows import chunks
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


def short_keys(database: Database, keys: Sequence[str], *, shortest: int) -> dict[str, str]:
    """For each key the least that a person must type of it, `shortest` characters or more.

    A look-alike keeps its number: `abcdefgh-2`. The first of look-alikes is whole, because every beginning of its key
    is one of theirs as well. The keys themselves needn't be in the journal. May raise `JournalUnavailable`.
    """
    alike: dict[str, set[str]] = {}
    for key in (*keys, *_beginning_as(database, {key[:shortest] for key in keys}, shortest)):
        alike.setdefault(key[:shortest], set()).add(key)
    return {key: _short(key, alike[key[:shortest]], shortest) for key in keys}


def _beginning_as(database: Database, beginnings: Collection[str], length: int) -> list[str]:
    beginning = func.substr(message.c.key, 1, length)
    found: list[str] = []
    with database.read() as connection:
        for chunk in chunks(sorted(beginnings)):
            found += connection.execute(select(message.c.key).where(beginning.in_(chunk))).scalars()
    return found


def _short(key: str, alike: Collection[str], shortest: int) -> str:
    stem, hyphen, number = key.partition("-")
    if not number and any(other.startswith(f"{stem}-") for other in alike):
        return key
    others = {other.partition("-")[0] for other in alike} - {stem}
    length = max((_in_common(stem, other) + 1 for other in others), default=shortest)
    return f"{stem[: max(length, shortest)]}{hyphen}{number}"


def _in_common(one: str, other: str) -> int:
    """How many characters two keys have in common from their beginning."""
    return next((number for number, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
