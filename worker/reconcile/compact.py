"""Rows of mail that was settled long ago and is nowhere any more go."""

from collections.abc import Callable

from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.mailbox.session import Session
from worker.message.key import Fingerprints
from worker.reconcile.walk import Walk, WalkedFolder, found_in, strangers_of

MISSED_ENOUGH = 2
"""Walks that must miss a settled message before its row is compacted."""


class Compact:
    """Forgets rows of mail that was settled long ago and is in no folder of ours any more; keeps their number."""

    def __init__(
        self, messages: Messages, walk: Walk, *, fingerprints: Fingerprints, keep: float, clock: Callable[[], float]
    ) -> None:
        """keep: seconds for which a settled row stays, in any case."""
        self._messages = messages
        self._no_header = fingerprints.of_nothing
        self._walk = walk
        self._keep = keep
        self._clock = clock

    def __call__(self, session: Session) -> int:
        """One walk; returns how many rows were compacted. A row goes when two walks in a row missed its message."""
        old = self._messages.settled_before(self._clock() - self._keep)
        if not old:
            return 0
        folders = self._walk(session)
        strangers = strangers_of(folders, self._messages.everything())
        lost = [row for row in old if found_in(folders, strangers, row) is None]
        missed = [row for row in lost if not self._may_be_there(folders, row)]
        self._messages.found_or_missed(_others(old, lost), [row.id for row in missed])
        return self._messages.compact([row.id for row in missed], missed=MISSED_ENOUGH)

    def _may_be_there(self, folders: dict[str, WalkedFolder], row: Record) -> bool:
        """Whether its folder holds mail without a row that may be its message: it shows no header, or did then."""
        folder = folders.get(row.place.folder)
        if folder is None:
            return False
        return folder.unread > 0 or (row.fingerprint == self._no_header and bool(folder.strangers))


def _others(rows: list[Record], without: list[Record]) -> list[int]:
    left_out = {row.id for row in without}
    return [row.id for row in rows if row.id not in left_out and row.missed]
