"""The balance of the account of messages: every row held against the mailbox, and every message against the rows.

Reads only, and runs beside a working worker. What is in no state that holds is unaccounted for.
"""

from collections import Counter
from dataclasses import dataclass

from worker.journal.messages import Messages
from worker.mailbox.session import Session
from worker.message.outcome import State
from worker.reconcile.walk import Strangers, Walk, WalkedFolder, found_in, strangers_of

WALKS = 3
"""A working worker moves mail while we walk: what seems to be wrong is looked at again before it is said."""


@dataclass(frozen=True, slots=True)
class Balance:
    """seen is the sum of the other numbers, `missing` excepted: settled mail that people took away is no finding."""

    handled: int
    junk: int
    failed: int
    gone: int
    pending: int
    unaccounted_keys: tuple[str, ...]
    missing: int

    @property
    def unaccounted(self) -> int:
        """Messages that are in no state that holds."""
        return len(self.unaccounted_keys)

    @property
    def seen(self) -> int:
        """Every message that the server ever showed."""
        return self.handled + self.junk + self.failed + self.gone + self.pending + self.unaccounted

    def as_json(self) -> dict[str, object]:
        """The contract's shape."""
        return {
            "seen": self.seen,
            "handled": self.handled,
            "junk": self.junk,
            "failed": self.failed,
            "gone": self.gone,
            "pending": self.pending,
            "unaccounted": self.unaccounted,
            "unaccounted_keys": list(self.unaccounted_keys),
            "missing": self.missing,
        }


class Reconcile:
    """Holds the walk against the rows."""

    def __init__(self, messages: Messages, walk: Walk) -> None:
        self._messages = messages
        self._walk = walk

    def balance(self, session: Session) -> Balance:
        """The balance at this moment. May raise `MailboxError` and `JournalUnavailable`."""
        balance = self._balance(self._walk(session))
        for _ in range(WALKS - 1):
            if not balance.unaccounted and not balance.missing:
                break
            balance = self._balance(self._walk(session))
        return balance

    def _balance(self, folders: dict[str, WalkedFolder]) -> Balance:
        """The rows are read after the walk, so that what the worker did meanwhile shows in them.

        What is gone and lies where it is said to be gone from is a finding where no poll looks; elsewhere the next one
        takes it up. In another folder than that, somebody has filed it there.
        """
        rows = self._messages.everything()
        strangers = strangers_of(folders, rows)
        places = {
            row.id: found_in(folders, strangers, row)
            for row in sorted(rows, key=lambda row: row.state is State.GONE)  # whose mail is known comes first
            if not row.is_deleted
        }
        lost = [row for row in rows if places.get(row.id, "") is None]
        counts = Counter(row.state for row in rows) + Counter(self._messages.compacted())
        vanished = [row.key for row in lost if row.state is State.PENDING]
        forgotten = [
            row.key
            for row in rows
            if row.state is State.GONE
            and places.get(row.id) == row.place.folder
            and not folders[row.place.folder].watched
        ]
        waiting, passed_over = _unknown(folders, strangers)
        return Balance(
            handled=counts[State.HANDLED],
            junk=counts[State.JUNK],
            failed=counts[State.FAILED],
            gone=counts[State.GONE] - len(forgotten),
            pending=counts[State.PENDING] - len(vanished) + waiting,
            unaccounted_keys=(*vanished, *forgotten, *passed_over),
            missing=sum(1 for row in lost if row.state in (State.HANDLED, State.JUNK, State.FAILED)),
        )


def _unknown(folders: dict[str, WalkedFolder], strangers: Strangers) -> tuple[int, list[str]]:
    """Messages of watched folders without any row: not shown yet, new since the last look, or passed over by it.

    A number below others says nothing, since mail may come late. Only where the folder holds what the worker's last
    look saw was each of its messages there to be seen; else the worker has yet to look.
    """
    waiting, passed_over = sum(folder.unread for folder in folders.values() if folder.watched), list[str]()
    for mark, places in strangers.items():
        for name, _ in places:
            folder = folders[name]
            if not folder.watched:
                continue  # what people keep in a folder that we only settle to is theirs
            if folder.as_looked_at:
                passed_over.append(mark)
            else:
                waiting += 1
    return waiting, passed_over
