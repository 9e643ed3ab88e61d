"""The balance of messages: checks every row against the mailbox, and every message against the rows.

Read-only, and safe beside a running worker. A message whose row doesn't match the mailbox, or that has no row although
it should, is unaccounted for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from worker.journal.brief_rows import BriefRow
from worker.journal.messages import Messages
from worker.mailbox.session import Session
from worker.message.outcome import State
from worker.reconcile.walk import Strangers, Walk, WalkedFolder, found_in, is_placed, strangers_of

WALKS = 3
"""The most walks. A running worker moves mail during a walk, so an apparent fault is checked again before it counts."""


@dataclass(frozen=True, slots=True)
class Balance:
    """The number of messages in each state.

    missing: settled mail that people removed. It isn't a finding, and isn't added to `seen`. unexplained: mail in the
    folder of handled mail that no row explains. It is a finding, and isn't added to `seen` either.
    """

    handled: int
    junk: int
    failed: int
    gone: int
    pending: int
    unaccounted_keys: tuple[str, ...]
    missing: int
    unexplained: int = 0

    @property
    def unaccounted(self) -> int:
        """The number of messages that aren't accounted for."""
        return len(self.unaccounted_keys)

    @property
    def seen(self) -> int:
        """The number of messages that the server ever showed: the sum of all the others except `missing`."""
        return self.handled + self.junk + self.failed + self.gone + self.pending + self.unaccounted

    def as_json(self) -> dict[str, object]:
        """Return the balance in the form of `reconcile --json`."""
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
            "unexplained": self.unexplained,
        }


class Reconcile:
    """Compares the mailbox with the journal's rows."""

    def __init__(self, messages: Messages, walk: Walk) -> None:
        self._messages = messages
        self._walk = walk

    def balance(self, session: Session) -> Balance:
        """Return the balance at this moment. May raise `MailboxError` and `JournalUnavailable`."""
        balance = self._balance(self._walk(session))
        for _ in range(WALKS - 1):
            if not balance.unaccounted and not balance.missing:
                break
            balance = self._balance(self._walk(session))
        return balance

    def _balance(self, folders: dict[str, WalkedFolder]) -> Balance:
        """Read the rows after the walk, so that they show what the worker did meanwhile.

        A message recorded as gone but present in its folder is a finding if that folder isn't watched; otherwise the
        next poll takes it up. If it is in another folder, somebody has filed it there.
        """
        rows = _Rows(folders)
        strangers = strangers_of(folders, rows.noted(self._messages.in_brief()))
        places = {
            row.id: found_in(folders, strangers, row)
            # Rows whose messages should be there claim theirs first, and lost ones after all others that should.
            for row in sorted(rows.unsure, key=lambda row: (row.state is State.GONE, row.is_lost))
        }
        lost, counted_twice = _without_doubtful(rows.doubtful, [row for row in rows.unsure if places[row.id] is None])
        counts = rows.counts + Counter(self._messages.compacted())
        vanished = [row.key for row in lost if row.state is State.PENDING]
        forgotten = [
            row.key
            for row in rows.unsure
            if row.state is State.GONE and places[row.id] == row.place.folder and not folders[row.place.folder].watched
        ]
        waiting, passed_over = _unknown(folders, strangers)
        return Balance(
            handled=counts[State.HANDLED],
            junk=counts[State.JUNK],
            failed=counts[State.FAILED],
            gone=counts[State.GONE] - len(forgotten),
            pending=counts[State.PENDING] - len(vanished) - counted_twice + waiting,
            unaccounted_keys=(*vanished, *forgotten, *passed_over),
            missing=sum(1 for row in lost if row.state in (State.HANDLED, State.JUNK, State.FAILED)),
        )


class _Rows:
    """What a walk keeps of the rows: their counts, and those whose messages aren't simply where their rows say."""

    def __init__(self, folders: dict[str, WalkedFolder]) -> None:
        self._folders = folders
        self.counts = Counter[State]()
        self.doubtful = Counter[str]()
        """How many doubtful rows there are of each fingerprint."""
        self.unsure: list[BriefRow] = []

    def noted(self, rows: Iterable[BriefRow]) -> Iterator[BriefRow]:
        """Note each row, and pass it on."""
        for row in rows:
            self.counts[row.state] += 1
            if row.may_be_another:
                self.doubtful[row.fingerprint] += 1
            if row.state is State.GONE or not is_placed(self._folders, row):
                self.unsure += [] if row.is_deleted else [row]
            yield row


def _without_doubtful(doubtful: Counter[str], lost: Sequence[BriefRow]) -> tuple[list[BriefRow], int]:
    """Return the lost rows without those whose messages may lie where a doubtful row is, and the number of these.

    Until its content is compared, a doubtful row isn't counted beside the row whose message it may be.
    """
    left: list[BriefRow] = []
    for row in lost:
        if row.content is not None and doubtful[row.fingerprint]:
            doubtful[row.fingerprint] -= 1
        else:
            left.append(row)
    return left, len(lost) - len(left)


def _unknown(folders: dict[str, WalkedFolder], strangers: Strangers) -> tuple[int, list[str]]:
    """Return how many messages of watched folders without a row are waiting, and the fingerprints of those passed over.

    A low UID proves nothing, because mail may appear late. Only if the folder holds exactly what the last poll saw did
    the poll pass a message over. Otherwise it waits for the next poll, like one whose headers aren't shown yet.
    """
    waiting, passed_over = sum(folder.unread for folder in folders.values() if folder.watched), list[str]()
    for mark, places in strangers.items():
        for name, _ in places:
            folder = folders[name]
            if not folder.watched:
                continue  # in folders that we only move mail to, other messages belong to people
            if folder.as_looked_at:
                passed_over.append(mark)
            else:
                waiting += 1
    return waiting, passed_over
