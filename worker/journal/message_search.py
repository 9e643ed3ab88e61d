"""Finds messages in the journal for a person who asks what became of one."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select

from worker.journal.records import Numbered, Record
from worker.journal.rows import Rows, chunks
from worker.journal.schema import message
from worker.message.outcome import State


class MessageSearch(Rows):
    """Reads rows of messages. Every method may raise `JournalUnavailable`. Times are epoch s."""

    def by_sender(self, mark: str, since: float, until: float, *, most: int) -> list[Record]:
        """The newest messages with this keyed hash of a sender that were received in this time."""
        return self._newest(and_(message.c.sender == mark, _received(since, until)), most)

    def without_sender(self, since: float, until: float) -> int:
        """How many messages that were received in this time have no keyed hash of a sender."""
        with self._database.read() as connection:
            query = select(func.count()).where(message.c.sender.is_(None), _received(since, until))
            return int(connection.execute(query).scalar_one())

    def by_key(self, beginning: str, *, most: int) -> list[Record]:
        """The newest messages with a key that begins like this."""
        return self._newest(message.c.key.startswith(beginning, autoescape=True), most)

    def received_in(self, folder: str, since: float, until: float, *, most: int) -> list[Record]:
        """The newest messages of a folder that were received in this time, and whose UID is known."""
        here = and_(message.c.folder == folder, message.c.uid.is_not(None), message.c.state != State.GONE)
        return self._newest(and_(here, _received(since, until)), most)

    def lying_at(self, folder: str, state: Numbered, uids: Iterable[int]) -> dict[int, Record]:
        """The messages that the journal has at these UIDs of a folder, without those that are gone."""
        found: dict[int, Record] = {}
        here = and_(message.c.folder == folder, message.c.uidvalidity == state.uidvalidity)
        for chunk in chunks(sorted(uids)):
            for record in self._records(and_(here, message.c.uid.in_(chunk), message.c.state != State.GONE)):
                if record.place.uid is not None:
                    found[record.place.uid] = record
        return found

    def _newest(self, where: Any, most: int) -> list[Record]:
        ids = select(message.c.id).where(where).order_by(message.c.received_at.desc(), message.c.id.desc()).limit(most)
        with self._database.read() as connection:
            wanted = list(connection.execute(ids).scalars())
        found = {row.id: row for chunk in chunks(wanted) for row in self._records(message.c.id.in_(chunk))}
        return [found[id_] for id_ in wanted if id_ in found]


def _received(since: float, until: float) -> ColumnElement[bool]:
    return and_(message.c.received_at >= since, message.c.received_at < until)
