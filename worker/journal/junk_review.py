"""Junk that waits for a person's review, and what has been reviewed: for the digest and the status page."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select, update

from worker.journal.database import Database
from worker.journal.rows import evidence_of
from worker.journal.schema import known_sender, message
from worker.message.outcome import State


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message in junk. received_at: epoch s. sources: of the evidence that counts, in order.

    known: the settings list its sender, or mail from the same sender was handled as clean. reviewed: a person has
    looked at it.
    """

    key: str
    received_at: float
    sources: tuple[str, ...]
    known: bool
    reviewed: bool


def in_junk(database: Database) -> list[Waiting]:
    """Every message in junk, newest first. May raise `JournalUnavailable`."""
    query = select(
        message.c.key, message.c.received_at, message.c.evidence, message.c.reviewed_at, _is_known().label("known")
    )
    with database.read() as connection:
        rows = connection.execute(_junk(query).order_by(message.c.received_at.desc(), message.c.id.desc()))
        return [
            Waiting(row.key, row.received_at, _sources(row.evidence), bool(row.known), row.reviewed_at is not None)
            for row in rows
        ]


def likely_mistakes(database: Database) -> int:
    """How many unreviewed messages in junk are from known senders. May raise `JournalUnavailable`."""
    query = _mistakes(select(func.count()))
    with database.read() as connection:
        return int(connection.execute(query).scalar_one())


def likely_mistake_keys(database: Database, count: int) -> list[str]:
    """The keys of unreviewed messages in junk from known senders, newest first; at most `count`."""
    newest_first = message.c.received_at.desc(), message.c.id.desc()
    newest = _mistakes(select(message.c.id)).order_by(*newest_first).limit(count)
    query = select(message.c.key).where(message.c.id.in_(newest)).order_by(*newest_first)
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def released_since(database: Database, then: float) -> int:
    """How many messages were released since `then` (epoch s). May raise `JournalUnavailable`."""
    with database.read() as connection:
        return int(connection.execute(select(func.count()).where(message.c.released_at >= then)).scalar_one())


def reviewed(database: Database, key: str, now: float) -> None:
    """Record that a person has looked at this message. Needs no lease. May raise `JournalUnavailable`."""
    with database.write() as connection:
        connection.execute(update(message).where(message.c.key == key).values(reviewed_at=now))


def _junk(query: Select[Any]) -> Select[Any]:
    joined = message.outerjoin(known_sender, known_sender.c.sender == message.c.sender)
    return query.select_from(joined).where(message.c.state == State.JUNK.value)


def _mistakes(query: Select[Any]) -> Select[Any]:
    """The state is a part of the statement, because SQLite uses the index `message_unreviewed` only then."""
    junk = message.c.state == bindparam(None, State.JUNK.value, literal_execute=True)
    known = select(known_sender.c.sender)
    return query.where(junk, message.c.reviewed_at.is_(None), or_(message.c.sender_listed, message.c.sender.in_(known)))


def _is_known() -> Any:
    return or_(message.c.sender_listed, known_sender.c.sender.is_not(None))


def _sources(evidence: list[list[Any]] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(piece.source for piece in evidence_of(evidence) if piece.counts))
