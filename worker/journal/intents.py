"""What a person asked for: a message to be released, or tried again. The lease holder carries it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, select, update

from worker.journal.database import Database
from worker.journal.schema import intent


class Kind(StrEnum):
    """What is asked for."""

    RELEASE = "release"
    """A person's word that junk is clean."""
    RETRY = "retry"
    """A dead letter is to be tried again."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One message, what is asked for it, and by whom."""

    id: int
    kind: Kind
    key: str
    actor: str


class Intents:
    """Reads and writes what people asked for. Every method may raise `JournalUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, kind: Kind, keys: Sequence[str], *, reason: str, actor: str, now: float) -> None:
        """Write down what is asked for these messages, on the disk when this returns."""
        with self._database.write(durable=True) as connection:
            connection.execute(
                intent.insert(),
                [{"kind": kind.value, "key": key, "reason": reason, "actor": actor, "at": now} for key in keys],
            )

    def open(self) -> list[Intent]:
        """What isn't carried out yet, in the order it was asked for."""
        with self._database.read() as connection:
            rows = connection.execute(select(intent).where(intent.c.done_at.is_(None)).order_by(intent.c.id))
            return [Intent(row.id, Kind(row.kind), row.key, row.actor) for row in rows]

    def done(self, ids: Sequence[int], now: float) -> None:
        """These are carried out."""
        with self._database.write(durable=True) as connection:
            connection.execute(update(intent).where(intent.c.id.in_(list(ids))).values(done_at=now))

    def forget(self, before: float) -> None:
        """Remove what was carried out before that time (epoch s); the audit trail still tells of it."""
        with self._database.write() as connection:
            connection.execute(delete(intent).where(intent.c.done_at < before))
