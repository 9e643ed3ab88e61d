"""Removes the rows of mail that was settled long ago and is in no folder any more."""

from collections.abc import Callable

from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.mailbox.session import Session
from worker.message.key import Fingerprints
from worker.reconcile.walk import Walk, WalkedFolder, found_in, strangers_of

MISSED_ENOUGH = 2
"""How many walks in a row must miss a settled message before its row is compacted."""


class Compact:
    """Removes the rows of mail that was settled long ago and is in none of our folders; keeps their number."""

    def __init__(
        self, messages: Messages, walk: Walk, *, fingerprints: Fingerprints, keep: float, clock: Callable[[], float]
    ) -> None:
        """keep: the least time, in seconds, for which a settled row is kept."""
        self._messages = messages
        self._no_header = fingerprints.of_nothing
        self._walk = walk
        self._keep = keep
        self._clock = clock

    def __call__(self, session: Session) -> int:
        """Walk once, and return how many rows were compacted: those whose messages two walks in a row have missed."""
        old = self._messages.settled_before(self._clock() - self._keep)
        if not old:
            return 0
        folders = self._walk(session)
        rows = self._messages.everything()
        strangers = strangers_of(folders, rows)
        doubtful = {row.fingerprint for row in rows if row.may_be_another}
        lost = [row for row in old if found_in(folders, strangers, row) is None]
        missed = [row for row in lost if row.fingerprint not in doubtful and not self._may_be_there(folders, row)]
        self._messages.found_or_missed(_others(old, lost), [row.id for row in missed])
        return self._messages.compact([row.id for row in missed], missed=MISSED_ENOUGH)

    def _may_be_there(self, folders: dict[str, WalkedFolder], row: Record) -> bool:
        """Whether its folder holds a message without a row that may be this one.

        Headers can't tell if that message shows none now, or if this one showed none when it was entered.
        """
        folder = folders.get(row.place.folder)
        if folder is None:
            return False
        return folder.unread > 0 or (row.fingerprint == self._no_header and bool(folder.strangers))


def _others(rows: list[Record], without: list[Record]) -> list[int]:
    left_out = {row.id for row in without}
    return [row.id for row in rows if row.id not in left_out and row.missed]
