"""Walks the mailbox, and finds the messages in it that no row of the journal places. Read-only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.journal.brief_rows import BriefRow
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Place, Record
from worker.mailbox import uid_sets
from worker.mailbox.bisection import shown_heads
from worker.mailbox.folder_opening import select_if_there
from worker.mailbox.session import HEADS_AT_ONCE, FolderState, Head, Session
from worker.message.key import Fingerprints
from worker.pipeline.whereabouts import list_uids


@dataclass(frozen=True, slots=True)
class Stranger:
    """A message in a folder where no row places it. size: estimate in bytes; received_at: epoch seconds."""

    uid: int
    fingerprint: str
    size: int
    received_at: float


@dataclass(frozen=True, slots=True)
class WalkedFolder:
    """A folder at the time of the walk.

    unread: how many messages without a row show no headers yet.
    as_looked_at: whether it holds exactly the messages that the last successful poll saw.
    """

    name: str
    state: FolderState
    present: frozenset[int]
    strangers: tuple[Stranger, ...]
    unread: int
    watched: bool
    as_looked_at: bool


class Walk:
    """Walks the watched folders and the folders that mail is moved to."""

    def __init__(
        self,
        messages: Messages,
        places: Places,
        *,
        fingerprints: Fingerprints,
        watched: Sequence[str],
        targets: Iterable[str],
        since: datetime | None,
    ) -> None:
        self._messages = messages
        self._places = places
        self._fingerprints = fingerprints
        self._watched = frozenset(watched)
        self._folders = list(dict.fromkeys([*watched, *targets]))
        self._since = since

    def __call__(self, session: Session) -> dict[str, WalkedFolder]:
        """Return the folders by name, without those that don't exist. May raise `MailboxError`, `JournalUnavailable`.

        Raises:
            CommandRefused, FolderBusy: a folder exists but isn't opened now, so its content is unknown.
        """
        looks = self._places.last_looks()
        folders: dict[str, WalkedFolder] = {}
        for name in self._folders:
            state = select_if_there(session, name)
            if state is None:
                continue
            present = list_uids(session, name, state)
            ours = self._ours(session, name, state, present)
            unknown = ours - self._messages.uids_in(name, state)
            looked = looks.get(name)
            strangers = self._strangers(session, unknown)
            folders[name] = WalkedFolder(
                name,
                state,
                frozenset(present),
                strangers,
                len(unknown) - len(strangers),
                name in self._watched,
                looked is not None
                and looked.uidvalidity == state.uidvalidity
                and looked.seen == uid_sets.checksum(ours),
            )
        return folders

    def _ours(self, session: Session, name: str, state: FolderState, present: set[int]) -> set[int]:
        """Return the messages that are ours to handle: in a watched folder, only those received since `poll.since`."""
        if self._since is None or name not in self._watched:
            return present
        return list_uids(session, name, state, self._since.date()) & present

    def _strangers(self, session: Session, uids: set[int]) -> tuple[Stranger, ...]:
        return tuple(
            self._stranger(head)
            for chunk in uid_sets.chunks(uids, HEADS_AT_ONCE)
            for head in shown_heads(session, chunk)
        )

    def _stranger(self, head: Head) -> Stranger:
        return Stranger(head.uid, self._fingerprints.of_block(head.header), head.size, head.received_at)


Row = BriefRow | Record
Strangers = dict[str, list[tuple[str, Stranger]]]
"""Messages that no row places, with their folders, by fingerprint."""


def strangers_of(folders: dict[str, WalkedFolder], rows: Iterable[Row]) -> Strangers:
    """Return the messages that no row places, without those that were entered since the walk."""
    unknown = {
        Place(name, folder.state.uidvalidity, stranger.uid): stranger
        for name, folder in folders.items()
        for stranger in folder.strangers
    }
    for row in rows:
        unknown.pop(row.place, None)
    found: Strangers = {}
    for place, stranger in unknown.items():
        found.setdefault(stranger.fingerprint, []).append((place.folder, stranger))
    return found


def found_in(folders: dict[str, WalkedFolder], strangers: Strangers, row: Row) -> str | None:
    """Return the folder that holds a row's message, or None.

    It is the folder that the row names, or that of a stranger with the same fingerprint, which is removed from
    `strangers`.
    """
    if is_placed(folders, row):
        return row.place.folder
    claimed = claim_stranger(strangers, row)
    return None if claimed is None else claimed[0]


def is_placed(folders: dict[str, WalkedFolder], row: Row) -> bool:
    """Whether a row's message is where the row says."""
    folder = folders.get(row.place.folder)
    return folder is not None and row.place.uid_in(folder.state) in folder.present


def claim_stranger(strangers: Strangers, row: Row) -> tuple[str, Stranger] | None:
    """Return a stranger with a row's fingerprint, and its folder, or None. It is removed from `strangers`."""
    places = strangers.get(row.fingerprint)
    if not places:
        return None
    places.sort(key=lambda place: place[0] != row.place.folder)
    return places.pop(0)
