"""Counts the mail that has come since the last poll, without taking any of it in: what waits for the end of a pause."""

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Looked
from worker.mailbox.folders import Layout
from worker.mailbox.session import FolderState, Session


class Arrivals:
    """Compares each watched folder's UIDNEXT and number of messages with the last poll's. Writes nothing."""

    def __init__(self, *, messages: Messages, places: Places, layout: Layout) -> None:
        self._messages = messages
        self._places = places
        self._layout = layout

    def count(self, session: Session) -> int:
        """How many messages have come. One round trip per watched folder.

        It is the highest possible number: mail that was taken away since, but not all the mail of a folder, counts as
        well, and in a folder that was never polled so does mail older than `poll.since`.
        """
        looks = self._places.last_looks()
        return sum(self._in(name, _state(session, name), looks.get(name)) for name in self._layout.watched)

    def _in(self, name: str, state: FolderState, last: Looked | None) -> int:
        same = last is not None and last.uidvalidity == state.uidvalidity
        first = last.uidnext if last is not None and same else 1
        arrived = min(max(0, state.uidnext - first), state.messages)
        # Some may have rows already: a poll that was broken off took them in.
        return max(0, arrived - self._messages.placed_from(name, state, first)) if arrived else 0


def _state(session: Session, name: str) -> FolderState:
    """The folder's state now. STATUS isn't meant for the selected folder (RFC 3501, 6.3.10): select it once more."""
    return session.select(name) if name == session.selected else session.status(name)
