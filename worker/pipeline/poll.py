"""Looks at the mailbox: which messages are new, and which are missing. Reads no bodies, and writes nothing down.

While nothing changes, a look costs one round trip: NOOP for the selected folder, STATUS for the others, all sent
together. Only a folder that changed is listed, and always in full: a UID may appear late, below a high-water mark. One
that listed fewer messages than it counts is listed again later, because the others may appear without a change.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Looked, Place
from worker.logs.log import get_logger
from worker.mailbox import uid_sets
from worker.mailbox.bisection import shown_heads
from worker.mailbox.folders import Layout
from worker.mailbox.session import FolderState, Session
from worker.message.key import Fingerprints
from worker.message.mime.headers import Headers
from worker.message.mime.signs import is_retrieval_stand_in
from worker.pipeline.whereabouts import Look, list_uids, select_and_list

log = get_logger()

COMPARED = 3
"""How many messages at each end of a folder to compare, to tell whether it is the same folder as before."""
AT_ONCE = 100
"""How many rows to read at once to find those messages."""
RARELY = 64
"""A folder that shows fewer messages than it counts is listed again after 1, 2, 4, … looks, and then each so many."""


class Poll:
    """Looks at the watched folders. The first of them stays selected between polls."""

    def __init__(
        self,
        *,
        messages: Messages,
        places: Places,
        fingerprints: Fingerprints,
        layout: Layout,
        since: datetime | None,
    ) -> None:
        """since: mail older than this is left alone; None: all mail is taken."""
        self._messages = messages
        self._places = places
        self._fingerprints = fingerprints
        self._layout = layout
        self._since = since
        self._last: dict[str, FolderState] = {}
        self._listed: dict[str, FolderState] = {}
        """What each folder was like when it was listed last, even if it is to be listed again."""
        self._seen: dict[str, str] = {}
        self._short: dict[str, int] = {}
        """Folders that showed fewer messages than they counted: how many looks ago that began."""
        self._checked: set[str] = set()
        """Folders that are known to be the same as before."""
        self._checking: str | None = None

    @property
    def rest(self) -> str:
        """The folder that is selected between polls."""
        return self._layout.watched[0]

    @property
    def leaves_out(self) -> bool:
        """Whether older mail is left alone, and so never counts as new."""
        return self._since is not None

    def forget(self) -> None:
        """Make the next look list every folder: after a new connection, or for a full reconciliation.

        That look also checks that each folder is the same as before, except a folder whose last check ended the
        connection.
        """
        self._last.clear()
        self._checked = set() if self._checking is None else {self._checking}
        self._checking = None

    def look_again(self, folder: str) -> None:
        """Make the next look list this folder, whether or not the server reports changes."""
        self._last.pop(folder, None)

    def look(self, session: Session, *, news: bool | None = None) -> list[Look]:
        """The folders in which something changed since the last look.

        news: whether the connection has reported something in the selected folder; None: nobody has asked yet.
        """
        changed = self._changed(session, news=news)
        # in this order, so that the folder in which most mail arrives is still selected when its headers are asked for
        looks = {name: self._list(session, name) for name in reversed(changed)}
        return [looks[name] for name in changed]

    def arrived_since(self, session: Session) -> int:
        """How many messages came to the selected folder between its last listing and its last SELECT.

        IDLE doesn't report them: the answer to SELECT has done that. It is an upper bound, as servers may skip UIDs.
        """
        listed, state = self._listed.get(session.selected or ""), session.selected_state
        return 0 if listed is None or state is None else max(0, state.uidnext - listed.uidnext)

    def looked(self) -> dict[str, Looked]:
        """What each watched folder looked like at its last look, without those that are to be listed again."""
        return {name: Looked(state.uidvalidity, state.uidnext, self._seen[name]) for name, state in self._last.items()}

    def _changed(self, session: Session, *, news: bool | None) -> list[str]:
        known = [name for name in self._layout.watched if name in self._last]
        others = [name for name in known if name != session.selected]
        asks = news is None and session.selected in known
        told, states = session.glance(others, noop=asks) if asks or others else (False, {})
        if session.selected in known and session.selected_state is not None:
            # Only the answer to SELECT shows what arrived while another folder was selected.
            states[session.selected] = session.selected_state
        changed = {name for name, state in states.items() if state != self._last[name]}
        changed |= {session.selected} if (news or told) and session.selected in known else set()
        again = {name for name in known if self._is_to_be_listed_again(name)}
        return [name for name in self._layout.watched if name not in known or name in changed | again]

    def _is_to_be_listed_again(self, name: str) -> bool:
        """Whether to ask again for messages that the server counts and didn't list.

        Exchange may list a new message late, and reports no change when it does.
        """
        if name not in self._short:
            return False
        self._short[name] += 1
        looks = self._short[name]
        return looks % RARELY == 0 or (looks < RARELY and looks & (looks - 1) == 0)

    def _list(self, session: Session, name: str) -> Look:
        state, listed = select_and_list(session, name)
        present = frozenset(listed)
        ours = present
        if self._since is not None:
            ours &= list_uids(session, name, state, self._since.date())
        placed = self._messages.placed_in(name, state, ours)
        pending = self._messages.pending_in(name)
        displaced: dict[int, Place] = {}
        if self._is_another(session, name, state, present):
            displaced = {one.id: replace(one.place, uid=None) for one in self._messages.in_folder(name)}
            placed = set()
            pending = [replace(record, place=displaced[record.id]) for record in pending]
        if len(present) >= state.messages:
            self._short.pop(name, None)
        elif state != self._last.get(name):
            self._short[name] = 0
        self._last[name] = self._listed[name] = state
        self._seen[name] = uid_sets.checksum(ours)
        return Look(
            folder=name,
            state=state,
            present=present,
            new=tuple(sorted(ours - placed)),
            missing=tuple(record for record in pending if record.place.uid_in(state) not in present),
            found=tuple(record for record in pending if record.missed and record.place.uid_in(state) in present),
            displaced=displaced,
        )

    def _is_another(self, session: Session, name: str, state: FolderState, present: frozenset[int]) -> bool:
        """Whether this is another folder with the same UIDVALIDITY, so that no known place in it is valid.

        UIDNEXT never decreases in the same folder (RFC 3501, 2.3.1.1). So if it has decreased, or if the headers
        differ, this is another folder that happens to have the same UIDVALIDITY. Its messages, like those of a folder
        with a new UIDVALIDITY, are matched again by fingerprint. present: all UIDs in it.
        """
        before = self._places.last_looks().get(name)
        if before is None:
            return False
        if before.uidvalidity != state.uidvalidity:
            log.warning("mailbox.uidvalidity_changed", folder=name)
            return False
        if state.uidnext < before.uidnext or not self._shows(session, name, state, present):
            log.warning("mailbox.folder_replaced", folder=name)
            return True
        return False

    def _shows(self, session: Session, name: str, state: FolderState, present: frozenset[int]) -> bool:
        """Whether the headers at both ends match our fingerprints. If all at one end differ, the folder was replaced.

        In a folder with other mail all headers differ; in an old copy that was put back, those with the highest UIDs
        do. At each end one header that matches is enough, because servers sometimes change a header. We compare once
        after each `forget`. Messages that haven't shown a header of their own yet aren't compared.
        """
        if name in self._checked:
            return True
        uids = sorted(present)
        ends = (self._known(name, state, uids), self._known(name, state, uids[::-1]))
        known = {**ends[0], **ends[1]}
        if not known:
            return True
        self._checking = name
        shown = {
            head.uid: self._fingerprints.of(headers)
            for head in shown_heads(session, known)
            if not is_retrieval_stand_in(headers := Headers.from_bytes(head.header))
        }
        self._checking = None
        self._checked.add(name)
        others = {uid for uid, fingerprint in shown.items() if fingerprint != known[uid]}
        return not any(others.issuperset(end) for end in ends)

    def _known(self, name: str, state: FolderState, uids: Sequence[int]) -> dict[int, str]:
        """The fingerprints of the first few of these messages that have shown a header of their own, by UID."""
        known: dict[int, str] = {}
        for start in range(0, len(uids), AT_ONCE):
            some = uids[start : start + AT_ONCE]
            rows = {record.place.uid: record for record in self._messages.lying_in(name, state, some)}
            for uid in some:
                record = rows.get(uid)
                if record is None or record.fingerprint == self._fingerprints.of_nothing or record.is_placeholder:
                    continue
                known[uid] = record.fingerprint
                if len(known) == COMPARED:
                    return known
        return known
