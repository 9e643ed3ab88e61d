"""The heads of the audit trail's chains, kept outside the trail so that a truncated trail is noticed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from worker.journal.database import Database
from worker.journal.facts import stored_fact
from worker.journal.schema import fact

_PREFIX = "audit.head."
_STORED = re.compile(r"(\d{1,15}) ([0-9a-f]{64})(?: ([0-9a-f]{64}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a chain: the number of its lines, and the keyed hash of the last one (64 hexadecimal digits)."""

    count: int
    mac: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head as the journal keeps it.

    seal: a keyed hash of the head, which nobody can make without the trail's key; empty in what an earlier version
    stored. What isn't a head at all is read as the empty head with what is stored there as its seal.
    """

    head: Head
    seal: str = ""


class JournalAnchors:
    """Implements `worker.observe.audit.chain.Anchors` in the journal. Every method may raise `JournalUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def heads(self) -> Mapping[str, Anchor]:
        """The head of each anchored chain."""
        with self._database.read() as connection:
            rows = connection.execute(select(fact).where(fact.c.name.startswith(_PREFIX)))
            return {row.name.removeprefix(_PREFIX): _anchor(row.value) for row in rows}

    def store(self, chain: str, anchor: Anchor, *, instead_of: Anchor | None = None) -> None:
        """Store this head durably, unless the stored one has a higher count. `instead_of` is replaced in any case."""
        name, value = _PREFIX + chain, f"{anchor.head.count} {anchor.head.mac} {anchor.seal}".rstrip()
        with self._database.write(durable=True) as connection:
            stored = stored_fact(connection, name)
            if stored is None:
                connection.execute(fact.insert().values(name=name, value=value))
                return
            kept = _anchor(stored)
            if kept.head.count <= anchor.head.count or kept == instead_of:
                connection.execute(fact.update().where(fact.c.name == name).values(value=value))


def _anchor(stored: str) -> Anchor:
    if (parts := _STORED.fullmatch(stored)) is None:
        return Anchor(Head(0, ""), seal=stored or "empty")
    count, mac, seal = parts.groups()
    return Anchor(Head(int(count), mac), seal or "")
