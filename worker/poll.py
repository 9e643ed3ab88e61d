"""What the mailbox shows: which messages are new, which are missing. Knows no bodies.

A look costs one round trip a watched folder while nothing changes: NOOP for the selected folder, STATUS for the others.
Only a folder that changed is listed. Never by a high-water mark: a UID may appear late, or below others.
"""

from dataclasses import dataclass
from datetime import datetime

from worker.journal.messages import Messages, Record
from worker.mailbox.folders import Layout
from worker.mailbox.session import FolderState, Session
from worker.outcome import State


@dataclass(frozen=True, slots=True)
class Look:
    """A folder that changed, or that was looked at for the first time.

    new: UIDs that no row places here, ascending. missing: pending messages whose place this was, and isn't now.
    """

    folder: str
    state: FolderState
    present: frozenset[int]
    new: tuple[int, ...]
    missing: tuple[Record, ...]

    def holds(self, record: Record) -> bool:
        """Whether the message is still where its row says, in this folder."""
        place = record.place
        return (
            place.folder == self.folder
            and place.uidvalidity == self.state.uidvalidity
            and place.uid is not None
            and place.uid in self.present
        )


class Poll:
    """Looks at the watched folders. The first of them is the one that stays selected between polls."""

    def __init__(self, messages: Messages, layout: Layout, since: datetime | None) -> None:
        self._messages = messages
        self._layout = layout
        self._since = since
        self._last: dict[str, FolderState] = {}
        self.uidvalidity_changed: list[str] = []

    @property
    def rest(self) -> str:
        """The folder that is selected between polls."""
        return self._layout.watched[0]

    def forget(self) -> None:
        """The next look lists every folder: after a new connection, or for a full reconciliation."""
        self._last.clear()

    def look_again(self, folder: str) -> None:
        """The next look lists this folder, whatever the server says of changes."""
        self._last.pop(folder, None)

    def look(self, session: Session, *, news: bool | None = None) -> list[Look]:
        """The folders in which something changed since the last look.

        news: whether the connection has told of something in the selected folder; None: it wasn't asked yet.
        """
        changed = [name for name in self._layout.watched if self._has_changed(session, name, news=news)]
        return [self._list(session, name) for name in changed]

    def states(self) -> dict[str, tuple[int, int]]:
        """(UIDVALIDITY, UIDNEXT) of each watched folder at its last look."""
        return {name: (state.uidvalidity, state.uidnext) for name, state in self._last.items()}

    def _has_changed(self, session: Session, name: str, *, news: bool | None) -> bool:
        last = self._last.get(name)
        if last is None:
            return True
        if name == session.selected:
            return session.noop() if news is None else news
        return session.status(name) != last

    def _list(self, session: Session, name: str) -> Look:
        state = session.select(name)
        present = frozenset(self._search(session, state))
        before = self._last.get(name)
        records = self._messages.in_folder(name)
        if records and all(record.place.uidvalidity != state.uidvalidity for record in records) and before is None:
            self.uidvalidity_changed.append(name)
        here = {
            record.place.uid: record
            for record in records
            if record.place.uidvalidity == state.uidvalidity and record.place.uid is not None
        }
        self._last[name] = state
        return Look(
            folder=name,
            state=state,
            present=present,
            new=tuple(sorted(present - here.keys())),
            missing=tuple(
                record
                for record in records
                if record.state is State.PENDING
                and (record.place.uidvalidity != state.uidvalidity or record.place.uid not in present)
            ),
        )

    def _search(self, session: Session, state: FolderState) -> set[int]:
        if state.messages == 0:
            return set()
        return session.search(uidnext=state.uidnext, since=None if self._since is None else self._since.date())
