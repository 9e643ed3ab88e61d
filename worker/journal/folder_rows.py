"""What the journal has in one folder: as rows, or as the UIDs alone where a folder may hold any number of them."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ColumnElement, and_, func, or_, select

from worker.journal.records import Numbered, Record
from worker.journal.rows import Rows, chunks
from worker.journal.schema import message
from worker.message.outcome import State
from worker.message.reasons import Reason

FEW = 2_000
"""So many UIDs are looked up one by one. For more it costs less to read all that lie between the first and the last."""


class FolderRows(Rows):
    """Reads the rows of a folder. Every method may raise `JournalUnavailable`."""

    def in_folder(self, name: str) -> list[Record]:
        """Every message whose last known place is this folder."""
        return self._records(message.c.folder == name)

    def pending_in(self, name: str) -> list[Record]:
        """The pending messages whose last known place is this folder."""
        # concatenated, so that no database finds them by the index on places: a folder may have a million settled rows
        return self._records(and_(message.c.state == State.PENDING.value, message.c.folder.concat("") == name))

    def settled_somewhere_in(self, name: str, state: Numbered) -> list[Record]:
        """Settled messages of this folder whose UID isn't known now, without those that are gone or that we deleted."""
        unknown = or_(message.c.uid.is_(None), message.c.uidvalidity != state.uidvalidity)
        return self._records(
            and_(
                message.c.folder == name,
                unknown,
                message.c.settled_at.is_not(None),
                message.c.state.in_((State.HANDLED.value, State.JUNK.value, State.FAILED.value)),
                message.c.reason.is_distinct_from(Reason.DELETED.stored()),
            )
        )

    def lying_in(self, name: str, state: Numbered, uids: Sequence[int]) -> list[Record]:
        """The messages that rows place at these UIDs, without those that are gone."""
        there = and_(_in(name, state), message.c.state != State.GONE)
        return [
            record for chunk in chunks(list(uids)) for record in self._records(and_(there, message.c.uid.in_(chunk)))
        ]

    def placed_in(self, name: str, state: Numbered, uids: Iterable[int]) -> set[int]:
        """Which of these UIDs rows name as the places of their messages. Those of gone messages don't."""
        wanted = set(uids)
        found: set[int] = set()
        with self._database.read() as connection:
            for which in _among(wanted):
                there = and_(_in(name, state), which, message.c.state != State.GONE)
                found.update(connection.execute(select(message.c.uid).where(there)).scalars())
        return found & wanted

    def uids_in(self, name: str, state: Numbered) -> set[int]:
        """Every UID that a row names, also that of a message that is gone."""
        with self._database.read() as connection:
            there = and_(_in(name, state), message.c.uid.is_not(None))
            return set(connection.execute(select(message.c.uid).where(there)).scalars())

    def placed_from(self, name: str, state: Numbered, first: int) -> int:
        """How many messages rows place at this UID or above it, without those that are gone."""
        with self._database.read() as connection:
            there = and_(_in(name, state), message.c.uid >= first, message.c.state != State.GONE)
            return int(connection.execute(select(func.count()).where(there)).scalar_one())


def _in(name: str, state: Numbered) -> ColumnElement[bool]:
    return and_(message.c.folder == name, message.c.uidvalidity == state.uidvalidity)


def _among(uids: Collection[int]) -> Iterable[ColumnElement[bool]]:
    if len(uids) > FEW:
        return [message.c.uid.between(min(uids), max(uids))]
    return [message.c.uid.in_(chunk) for chunk in chunks(sorted(uids))]
