"""The balance of the account of messages: every row held against the mailbox, and every message against the rows.

Reads only, and runs beside a working worker. What is in no state that holds is unaccounted for.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.headers import Headers
from worker.journal.messages import Messages, Record
from worker.key import fingerprint
from worker.mailbox.errors import CommandRefused
from worker.mailbox.session import FolderState, Session
from worker.outcome import State

FETCH_AT_ONCE = 500
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


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder as it is now. strangers: fingerprints of the messages that no row placed here, by UID."""

    state: FolderState
    present: frozenset[int]
    strangers: dict[int, str]
    watched: bool
    looked_at: tuple[int, int] | None


class Reconcile:
    """Walks the watched folders and those that mail is settled to."""

    def __init__(
        self,
        messages: Messages,
        *,
        account: str,
        watched: Sequence[str],
        targets: Iterable[str],
        since: datetime | None,
    ) -> None:
        self._messages = messages
        self._account = account
        self._watched = frozenset(watched)
        self._folders = list(dict.fromkeys([*watched, *targets]))
        self._since = since

    def balance(self, session: Session) -> Balance:
        """The balance at this moment. May raise `MailboxError` and `JournalUnavailable`."""
        balance = self._balance(self._walk(session))
        for _ in range(WALKS - 1):
            if not balance.unaccounted and not balance.missing:
                break
            balance = self._balance(self._walk(session))
        return balance

    def _walk(self, session: Session) -> dict[str, _Folder]:
        """The mailbox as it is now. Read before the rows, so that what the worker does meanwhile shows in them."""
        looks = self._messages.last_looks()
        folders: dict[str, _Folder] = {}
        for name in self._folders:
            try:
                state = session.select(name)
            except CommandRefused:
                continue  # a folder that isn't there holds nothing
            present = session.search(uidnext=state.uidnext) if state.messages else set()
            placed = {
                record.place.uid
                for record in self._messages.in_folder(name)
                if record.place.uidvalidity == state.uidvalidity
            }
            unknown = self._ours(session, name, state) & present - placed
            folders[name] = _Folder(
                state, frozenset(present), self._marks(session, unknown), name in self._watched, looks.get(name)
            )
        return folders

    def _ours(self, session: Session, name: str, state: FolderState) -> set[int]:
        """The messages that are ours to handle: in a watched folder, those of `poll.since` and later."""
        since = self._since.date() if self._since is not None and name in self._watched else None
        return session.search(uidnext=state.uidnext, since=since) if state.messages else set()

    def _marks(self, session: Session, uids: set[int]) -> dict[int, str]:
        ordered = sorted(uids)
        return {
            head.uid: fingerprint(self._account, Headers.from_bytes(head.header))
            for start in range(0, len(ordered), FETCH_AT_ONCE)
            for head in session.heads(ordered[start : start + FETCH_AT_ONCE])
        }

    def _balance(self, folders: dict[str, _Folder]) -> Balance:
        rows = self._messages.everything()
        strangers = _strangers(folders, rows)
        lost = [row for row in rows if not _holds(folders, row) and not _claimed(strangers, row)]
        counts = Counter(row.state for row in rows)
        vanished = [row.key for row in lost if row.state is State.PENDING]
        waiting, passed_over = _unknown(folders, strangers)
        return Balance(
            handled=counts[State.HANDLED],
            junk=counts[State.JUNK],
            failed=counts[State.FAILED],
            gone=counts[State.GONE],
            pending=counts[State.PENDING] - len(vanished) + waiting,
            unaccounted_keys=(*vanished, *passed_over),
            missing=sum(1 for row in lost if row.state in (State.HANDLED, State.JUNK, State.FAILED)),
        )


def _strangers(folders: dict[str, _Folder], rows: Sequence[Record]) -> dict[str, list[tuple[str, int]]]:
    """Messages that no row places: (folder, UID) by fingerprint. What was entered during the walk isn't one."""
    placed = {(row.place.folder, row.place.uidvalidity, row.place.uid) for row in rows}
    found: dict[str, list[tuple[str, int]]] = {}
    for name, folder in folders.items():
        for uid, mark in folder.strangers.items():
            if (name, folder.state.uidvalidity, uid) not in placed:
                found.setdefault(mark, []).append((name, uid))
    return found


def _holds(folders: dict[str, _Folder], row: Record) -> bool:
    folder = folders.get(row.place.folder)
    return folder is not None and row.place.uidvalidity == folder.state.uidvalidity and row.place.uid in folder.present


def _claimed(strangers: dict[str, list[tuple[str, int]]], row: Record) -> bool:
    """Whether the message lies elsewhere now: then it is no stranger, and its row is no loss."""
    places = strangers.get(row.fingerprint)
    if not places:
        return False
    places.sort(key=lambda place: place[0] != row.place.folder)
    places.pop(0)
    return True


def _unknown(folders: dict[str, _Folder], strangers: dict[str, list[tuple[str, int]]]) -> tuple[int, list[str]]:
    """Messages of watched folders without any row: new since the last look, or passed over by it."""
    waiting, passed_over = 0, list[str]()
    for mark, places in strangers.items():
        for name, uid in places:
            folder = folders[name]
            if not folder.watched:
                continue  # what people keep in a folder that we only settle to is theirs
            looked_at = folder.looked_at
            if looked_at is None or looked_at[0] != folder.state.uidvalidity or uid >= looked_at[1]:
                waiting += 1
            else:
                passed_over.append(mark)
    return waiting, passed_over
