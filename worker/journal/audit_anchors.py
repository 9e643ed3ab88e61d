"""The heads of the audit trail's chains, kept outside the trail so that a truncated trail is noticed."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from worker.journal.database import Database
from worker.journal.schema import fact

_PREFIX = "audit.head."


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a chain: the number of its lines, and the keyed hash of the last one (64 hexadecimal digits)."""

    count: int
    mac: str


class JournalAnchors:
    """Implements `worker.observe.audit.chain.Anchors` in the journal. Every method may raise `JournalUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def heads(self) -> Mapping[str, Head]:
        """The head of each anchored chain."""
        with self._database.read() as connection:
            rows = connection.execute(select(fact).where(fact.c.name.startswith(_PREFIX)))
            return {row.name.removeprefix(_PREFIX): _head(row.value) for row in rows}

    def store(self, chain: str, head: Head) -> None:
        """Store this head durably, unless the stored one has a higher count."""
        name = _PREFIX + chain
        with self._database.write(durable=True) as connection:
            kept = connection.execute(select(fact.c.value).where(fact.c.name == name)).scalar()
            if kept is None:
                connection.execute(fact.insert().values(name=name, value=f"{head.count} {head.mac}"))
            elif _head(kept).count <= head.count:
                connection.execute(fact.update().where(fact.c.name == name).values(value=f"{head.count} {head.mac}"))


def _head(stored: str) -> Head:
    count, _, mac = stored.partition(" ")
    return Head(int(count), mac)
