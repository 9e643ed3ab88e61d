"""Removes the rows of mail that was settled long ago and is in no folder any more."""

from collections.abc import Callable, Iterable, Iterator

from worker.journal.brief_rows import BriefRow
from worker.journal.messages import Messages
from worker.mailbox.session import Session
from worker.message.key import Fingerprints
from worker.reconcile.walk import Walk, WalkedFolder, found_in, is_placed, strangers_of

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
        before = self._clock() - self._keep
        if not self._messages.any_settled_before(before):
            return 0
        folders = self._walk(session)
        old = _OldRows(folders, before)
        strangers = strangers_of(folders, old.noted(self._messages.in_brief()))
        lost: list[BriefRow] = []
        for row in old.not_placed:
            if found_in(folders, strangers, row) is None:
                lost.append(row)
            elif row.missed:
                old.found.append(row.id)
        missed = [
            row.id for row in lost if row.fingerprint not in old.doubtful and not self._may_be_there(folders, row)
        ]
        self._messages.found_or_missed(old.found, missed)
        return self._messages.compact(missed, missed=MISSED_ENOUGH)

    def _may_be_there(self, folders: dict[str, WalkedFolder], row: BriefRow) -> bool:
        """Whether its folder holds a message without a row that may be this one.

        Headers can't tell if that message shows none now, or if this one showed none when it was entered.
        """
        folder = folders.get(row.place.folder)
        if folder is None:
            return False
        return folder.unread > 0 or (row.fingerprint == self._no_header and bool(folder.strangers))


class _OldRows:
    """What a walk keeps of the rows: those that were settled long ago and whose messages aren't where their rows say.

    found: ids of old rows that an earlier walk missed, and that this one found. doubtful: fingerprints of rows whose
    messages may be other rows'.
    """

    def __init__(self, folders: dict[str, WalkedFolder], before: float) -> None:
        self._folders = folders
        self._before = before
        self.not_placed: list[BriefRow] = []
        self.found: list[int] = []
        self.doubtful: set[str] = set()

    def noted(self, rows: Iterable[BriefRow]) -> Iterator[BriefRow]:
        """Note each row, and pass it on."""
        for row in rows:
            if row.may_be_another:
                self.doubtful.add(row.fingerprint)
            if row.settled_at is not None and row.settled_at < self._before:
                if not is_placed(self._folders, row):
                    self.not_placed.append(row)
                elif row.missed:
                    self.found.append(row.id)
            yield row
