"""What the mailbox shows: which messages are new, which are missing. Knows no bodies, and writes nothing down.

A look costs one round trip a watched folder while nothing changes: NOOP for the selected folder, STATUS for the others.
Only a folder that changed is listed. Never by a high-water mark: a UID may appear late, or below others.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Looked, Place, Record
from worker.logs import get_logger
from worker.mailbox import uid_sets
from worker.mailbox.bisection import shown_heads
from worker.mailbox.folders import Layout
from worker.mailbox.session import FolderState, Session
from worker.message.key import Fingerprints
from worker.message.outcome import State
from worker.pipeline.whereabouts import Look, list_uids

log = get_logger()

COMPARED = 3
"""Messages at each end of a folder whose headers tell whether it is the one of before."""


class Poll:
    """Looks at the watched folders. The first of them is the one that stays selected between polls."""

    def __init__(
        self,
        *,
        messages: Messages,
        places: Places,
        fingerprints: Fingerprints,
        layout: Layout,
        since: datetime | None,
    ) -> None:
        """since: older mail is left alone; None: all is taken."""
        self._messages = messages
        self._places = places
        self._fingerprints = fingerprints
        self._layout = layout
        self._since = since
        self._last: dict[str, FolderState] = {}
        self._seen: dict[str, str] = {}
        self._checked: set[str] = set()
        """Folders that are known to be the ones of before."""
        self._checking: str | None = None

    @property
    def rest(self) -> str:
        """The folder that is selected between polls."""
        return self._layout.watched[0]

    @property
    def leaves_out(self) -> bool:
        """Whether there may be mail that is never new."""
        return self._since is not None

    def forget(self) -> None:
        """The next look lists every folder: after a new connection, or for a full reconciliation.

        And it makes sure that each is the one of before; save where the connection ended as it did so last.
        """
        self._last.clear()
        self._checked = set() if self._checking is None else {self._checking}
        self._checking = None

    def look_again(self, folder: str) -> None:
        """The next look lists this folder, whatever the server says of changes."""
        self._last.pop(folder, None)

    def look(self, session: Session, *, news: bool | None = None) -> list[Look]:
        """The folders in which something changed since the last look.

        news: whether the connection has told of something in the selected folder; None: it wasn't asked yet.
        """
        changed = [name for name in self._layout.watched if self._has_changed(session, name, news=news)]
        return [self._list(session, name) for name in changed]

    def looked(self) -> dict[str, Looked]:
        """What each watched folder was like at its last look; not those that are to be looked at again."""
        return {name: Looked(state.uidvalidity, state.uidnext, self._seen[name]) for name, state in self._last.items()}

    def _has_changed(self, session: Session, name: str, *, news: bool | None) -> bool:
        last = self._last.get(name)
        if last is None:
            return True
        if name == session.selected:
            # What came while another folder was selected is in the answer to SELECT, and is told only there.
            told = session.noop() if news is None else news
            return told or session.selected_state != last
        return session.status(name) != last

    def _list(self, session: Session, name: str) -> Look:
        state = session.select(name)
        present = frozenset(list_uids(session, name, state))
        ours = present
        if self._since is not None:
            ours &= list_uids(session, name, state, self._since.date())
        records = self._messages.in_folder(name)
        displaced: dict[int, Place] = {}
        if self._is_another(session, name, state, [record for record in records if record.place.uid in present]):
            records = [replace(record, place=replace(record.place, uid=None)) for record in records]
            displaced = {record.id: record.place for record in records}
        here = {record.place.uid: record for record in records if record.place.holds_in(state)}
        self._last[name], self._seen[name] = state, uid_sets.checksum(ours)
        return Look(
            folder=name,
            state=state,
            present=present,
            new=tuple(sorted(uid for uid in ours if uid not in here or here[uid].state is State.GONE)),
            missing=tuple(
                record
                for record in records
                if record.state is State.PENDING and not (record.place.holds_in(state) and record.place.uid in present)
            ),
            found=tuple(
                record
                for uid, record in here.items()
                if record.state is State.PENDING and record.missed and uid in present
            ),
            displaced=displaced,
        )

    def _is_another(self, session: Session, name: str, state: FolderState, here: Sequence[Record]) -> bool:
        """Whether no place that was known in this folder holds, although its UIDVALIDITY is the one of before.

        UIDNEXT never goes back in one and the same folder (RFC 3501, 2.3.1.1): where it did, the folder is another one
        that happens to have the number. It is another one, too, where the headers are others. Its messages, as those of
        a folder with a new UIDVALIDITY, are matched again by fingerprint. here: what seems to be where its row says.
        """
        before = self._places.last_looks().get(name)
        if before is None:
            return False
        if before.uidvalidity != state.uidvalidity:
            log.warning("mailbox.uidvalidity_changed", folder=name)
            return False
        if state.uidnext < before.uidnext or not self._shows(session, name, state, here):
            log.warning("mailbox.folder_replaced", folder=name)
            return True
        return False

    def _shows(self, session: Session, name: str, state: FolderState, here: Sequence[Record]) -> bool:
        """Compare the headers at both ends with our fingerprints. If all at one end differ, the folder was replaced.

        All differ in a folder of other mail, and the highest in an old copy put back. One that agrees will do, because
        servers change a header at times. Asked once after each `forget`. Messages that haven't shown a header of their
        own yet aren't compared.
        """
        if name in self._checked:
            return True
        known = {
            record.place.uid: record.fingerprint
            for record in here
            if record.place.uid is not None
            and record.place.holds_in(state)
            and record.state is not State.GONE
            and record.fingerprint != self._fingerprints.of_nothing
            and not record.is_placeholder
        }
        if not (uids := sorted(known)):
            return True
        ends = (uids[:COMPARED], uids[-COMPARED:])
        self._checking = name
        shown = {
            head.uid: self._fingerprints.of_block(head.header) for head in shown_heads(session, {*ends[0], *ends[1]})
        }
        self._checking = None
        self._checked.add(name)
        others = {uid for uid, fingerprint in shown.items() if fingerprint != known[uid]}
        return not any(others.issuperset(end) for end in ends)
