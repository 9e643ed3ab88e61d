"""What the journal names of that which a person looks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.commands.find.criteria import Criteria, Window
from worker.journal.message_search import MessageSearch
from worker.journal.records import Record
from worker.mailbox.session import FolderState
from worker.message.outcome import State

MOST_ROWS = 1_000
"""Rows of the journal that name messages in one search."""


class SoughtRows:
    """What the journal names. sought: the rows with the key, or else those of the sender."""

    def __init__(self, search: MessageSearch, criteria: Criteria, marked: Sequence[Record] | None) -> None:
        self._search = search
        self.criteria = criteria
        self.sought: Sequence[Record] = marked or ()
        if criteria.key:
            of_sender = None if marked is None else {row.id for row in marked}
            self.sought = [
                row
                for row in search.by_key(criteria.key, most=MOST_ROWS)
                if criteria.window.holds(row.received_at) and (of_sender is None or row.id in of_sender)
            ]

    @property
    def fingerprints(self) -> frozenset[str]:
        return frozenset(row.fingerprint for row in self.sought)

    def folder(self, name: str) -> "FolderRows":
        return FolderRows(name, self.sought, self._search, self.criteria.window)

    def around(self) -> Criteria:
        """What to look for where messages with the key aren't in their places: the time of arrival stays over moves."""
        times = [row.received_at for row in self.sought]
        return self.criteria.received_within(Window(min(times), max(times) + 1.0))


@dataclass(frozen=True, slots=True)
class FolderRows:
    """What the journal names in one folder."""

    name: str
    sought: Sequence[Record]
    search: MessageSearch
    window: Window

    def sure(self, state: FolderState) -> Iterator[int]:
        for row in self.sought:
            uid = row.place.uid_in(state)
            if row.place.folder == self.name and uid is not None and row.state is not State.GONE:
                yield uid

    def maybe(self, state: FolderState) -> Iterator[int]:
        if self.window.is_open:
            return
        for row in self.search.received_in(self.name, self.window.since, self.window.until, most=MOST_ROWS):
            uid = row.place.uid_in(state)
            if uid is not None:
                yield uid
