"""Requests by people: to release, retry or handle a message again. The worker that holds the lease carries them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, select, update

from worker.journal.database import Database
from worker.journal.schema import intent


class Kind(StrEnum):
    """What a person asks for."""

    RELEASE = "release"
    """Junk is clean."""
    RETRY = "retry"
    """Try a dead letter again."""
    HANDLE = "handle"
    """Handle a message again that was handled."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A request about one message, and who made it. handler: the one handler that it is about; None: all of them."""

    id: int
    kind: Kind
    key: str
    actor: str
    handler: str | None = None


class Intents:
    """Reads and writes requests. Every method may raise `JournalUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(
        self, kind: Kind, keys: Sequence[str], *, reason: str, actor: str, now: float, handler: str | None = None
    ) -> None:
        """Record a request for each of these messages. They are on the disk when this returns.

        handler: the one handler to call; None: all of them.
        """
        asked = {"kind": kind.value, "reason": reason, "actor": actor, "at": now, "handler": handler}
        with self._database.write(durable=True) as connection:
            connection.execute(
                intent.insert(),
                [asked | {"key": key} for key in keys],
            )

    def open(self) -> list[Intent]:
        """Requests that aren't carried out yet, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(intent).where(intent.c.done_at.is_(None)).order_by(intent.c.id))
            return [Intent(row.id, Kind(row.kind), row.key, row.actor, row.handler) for row in rows]

    def done(self, ids: Sequence[int], now: float) -> None:
        """Record that these requests have been carried out."""
        with self._database.write(durable=True) as connection:
            connection.execute(update(intent).where(intent.c.id.in_(list(ids))).values(done_at=now))

    def forget(self, before: float) -> None:
        """Delete requests that were carried out before that time (epoch s). The audit trail keeps them."""
        with self._database.write() as connection:
            connection.execute(delete(intent).where(intent.c.done_at < before))
