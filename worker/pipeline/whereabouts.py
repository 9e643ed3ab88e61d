"""Which message is which, and where it lies: the one place that knows.

A message is known by the fingerprint of its header, wherever it lies. If a UID has a known fingerprint and the message
is no longer where its row says, the UID may be that message: `worker.pipeline.matching` says when the header suffices
for that, and when the content decides. If the message is still there, the UID is a copy, and a message of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Place, Record
from worker.logs.log import get_logger
from worker.mailbox import uid_sets
from worker.mailbox.bisection import shown_heads
from worker.mailbox.folder_opening import Unopened, try_select
from worker.mailbox.session import HEADS_AT_ONCE, FolderState, Session
from worker.message.content_mark import is_comparable
from worker.message.key import Fingerprints
from worker.message.outcome import State

log = get_logger()

OPEN = (State.PENDING, State.GONE, State.JUNK)
"""States that a new place can change: a move doesn't reopen a message that was handled as clean or given up on."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw in a folder that has changed, or that was looked at for the first time.

    present: all UIDs. new: UIDs that no row places here, or whose row says gone; ascending, without mail older than
    `poll.since`. missing: pending messages that should lie here and don't. found: pending messages that lie here and
    that an earlier poll missed. displaced: places without UIDs, by row id: the folder was replaced by another one with
    the same UIDVALIDITY, so we don't know where in it our messages lie. The journal hasn't been told yet.
    """

    folder: str
    state: FolderState
    present: frozenset[int]
    new: tuple[int, ...]
    missing: tuple[Record, ...]
    found: tuple[Record, ...]
    displaced: Mapping[int, Place] = field(default_factory=dict)

    def holds(self, record: Record) -> bool:
        """Whether the message is still where its row says, in this folder."""
        place = record.place
        return place.folder == self.folder and place.holds_in(self.state) and place.uid in self.present


class Whereabouts:
    """Finds messages again that aren't where their rows say, and tells the journal."""

    def __init__(self, messages: Messages, places: Places, fingerprints: Fingerprints) -> None:
        self._messages = messages
        self._places = places
        self._fingerprints = fingerprints

    def strangers(self, session: Session, folder: str, state: FolderState) -> dict[str, list[int]]:
        """The UIDs in the selected folder that no row places there, by fingerprint."""
        found = self._strangers(session, folder, state)
        return {mark: [stranger.uid for stranger in strangers] for mark, strangers in found.items()}

    def _strangers(self, session: Session, folder: str, state: FolderState) -> dict[str, list["_Stranger"]]:
        unknown = list_uids(session, folder, state) - self._messages.uids_in(folder, state)
        found: dict[str, list[_Stranger]] = {}
        for uids in uid_sets.chunks(unknown, HEADS_AT_ONCE):
            for head in shown_heads(session, uids):
                stranger = _Stranger(head.uid, head.size, head.received_at)
                found.setdefault(self._fingerprints.of_block(head.header), []).append(stranger)
        return found

    def find_again(
        self,
        session: Session,
        folder: str,
        state: FolderState,
        records: Sequence[Record],
        *,
        settled: Sequence[Record] | None = None,
    ) -> dict[int, Place]:
        """Where in the selected folder these messages lie now, by row id; those not found are left out.

        settled: all settled messages without a place there, if they were read before.
        """
        found = self._strangers(session, folder, state)
        settled = self._messages.settled_somewhere_in(folder, state) if settled is None else settled
        _taken_exactly(found, self._others_in(folder, records, settled))  # so that none of these is taken for another
        lost = self._still_lost(found, folder, state, records)
        sought = [record for record in records if record.id not in lost]
        uids = _taken_exactly(found, sought)
        for record in sought:
            if record.id not in uids and found.get(record.fingerprint):
                uids[record.id] = found[record.fingerprint].pop(0).uid
        places = {row: Place(folder, state.uidvalidity, uid) for row, uid in uids.items()}
        self._places.seen_at(list(places.items()), by_headers=True)
        return places

    def _others_in(self, folder: str, records: Sequence[Record], settled: Sequence[Record]) -> list[Record]:
        """Other messages that may lie in this folder, without a place there: settled ones, and those that we may have
        moved there already, though the journal doesn't say so.
        """
        ids = {record.id for record in records}
        moving = [record for record in self._places.unsettled() if record.settle_to == folder != record.place.folder]
        return [record for record in (*settled, *moving) if record.id not in ids]

    def _still_lost(
        self, found: Mapping[str, Sequence["_Stranger"]], folder: str, state: FolderState, records: Sequence[Record]
    ) -> set[int]:
        """Which of these aren't in the folder: those that are lost, unless there is a message for every row in it."""
        lost = [record for record in records if record.is_lost]
        if not lost:
            return set()
        unplaced = [record for record in self._messages.in_folder(folder) if not record.place.holds_in(state)]
        missing = {record.fingerprint for record in _not_among(found, unplaced)}
        return {record.id for record in lost if record.fingerprint in missing or record.place.folder != folder}

    def seek(self, session: Session, folder: str, records: Sequence[Record]) -> list[Record] | None:
        """Look in this folder for messages that aren't where their rows say.

        Returns those that aren't there; None: it isn't opened now. Then no folder is selected.
        """
        state = try_select(session, folder)
        if isinstance(state, Unopened):
            return list(records) if state is Unopened.GONE else None
        found = self.find_again(session, folder, state, records)
        return [record for record in records if record.id not in found]

    def alike(self, fingerprints: Iterable[str]) -> list[Record]:
        """The messages with these fingerprints, except those that we deleted ourselves, which are nowhere."""
        alike = self._messages.with_fingerprints(fingerprints)
        return [record for records in alike.values() for record in records if not record.is_deleted]

    def lost(
        self, session: Session, look: Look, candidates: Sequence[Record], looks: Mapping[str, Look]
    ) -> dict[str, list[Record]]:
        """Those of these messages that are no longer where their rows say, by fingerprint.

        A message that a look saw in its place may have been moved since, and is then seen twice; so the server is
        asked again. The looked-at folder is selected again when this returns.
        """
        elsewhere: dict[str, list[Record]] = {}
        lost: list[Record] = []
        for record in candidates:
            there = looks.get(record.place.folder)
            if record.state is State.GONE or (there is not None and not there.holds(record)):
                lost.append(record)
            elif record.fingerprint != self._fingerprints.of_nothing:  # without headers, only the looks can tell
                elsewhere.setdefault(record.place.folder, []).append(record)
        for folder, records in elsewhere.items():
            lost += self._not_in(session, folder, records)
        if elsewhere:
            session.select(look.folder)
        found: dict[str, list[Record]] = {}
        for record in lost:
            found.setdefault(record.fingerprint, []).append(record)
        return found

    def _not_in(self, session: Session, folder: str, records: list[Record]) -> list[Record]:
        """Those of the records that don't lie in this folder now, as far as the server lets us look."""
        state = try_select(session, folder)
        if state is Unopened.GONE:
            return records  # they are somewhere else
        if state is Unopened.NOT_NOW:
            # Any may have been moved, but only what is done or has a content can be compared.
            return [record for record in records if record.state is not State.PENDING or is_comparable(record.content)]
        placed = {record.place.uid: record for record in records if record.place.uidvalidity == state.uidvalidity}
        unplaced = [record for record in records if placed.get(record.place.uid) is not record]
        unplaced += [placed.pop(None)] if None in placed else []
        there = session.present([uid for uid in placed if uid is not None])
        lost = [record for uid, record in placed.items() if uid not in there]
        if unplaced:
            lost += _not_among(self._strangers(session, folder, state), unplaced)
        return lost


def list_uids(session: Session, folder: str, state: FolderState, since: date | None = None) -> set[int]:
    """The UIDs in the selected folder; `since` leaves older mail out.

    SEARCH can miss messages that the server counts (seen with Exchange Online). If it finds fewer than SELECT
    announced, we fetch the UIDs of all messages as well.
    """
    found = session.search(uidnext=state.uidnext) if state.messages else set[int]()
    return _with_missed(session, folder, state, found, since)


def select_and_list(session: Session, folder: str) -> tuple[FolderState, set[int]]:
    """Select a folder, and list its UIDs as `list_uids` does, in one round trip if SEARCH misses none."""
    state, found = session.select_and_search(folder)
    return state, _with_missed(session, folder, state, found)


def _with_missed(
    session: Session, folder: str, state: FolderState, found: set[int], since: date | None = None
) -> set[int]:
    if state.messages == 0:
        return set()
    if len(found) >= state.messages:
        return found if since is None else session.search(uidnext=state.uidnext, since=since)
    listed = session.fetch_uids(since=since)
    if listed - found:
        log.warning("mailbox.search_incomplete", folder=folder, count=len(listed - found))
    return listed | (found if since is None else session.search(uidnext=state.uidnext, since=since))


@dataclass(frozen=True, slots=True)
class _Stranger:
    """A message that no row places where it lies. size: bytes; received_at: epoch s; both as the server says."""

    uid: int
    size: int
    received_at: float


def _taken_exactly(found: dict[str, list[_Stranger]], records: Sequence[Record]) -> dict[int, int]:
    """The UIDs of those of these messages whose size and date of arrival show them too, by row id.

    No move changes the date of arrival, and who sends mail can't choose it. Of messages that are alike in all of this,
    none is shown unless all are there. The UIDs are taken out of `found`.
    """
    alike: dict[tuple[str, int, float], list[Record]] = {}
    for record in records:
        alike.setdefault((record.fingerprint, record.size, record.received_at), []).append(record)
    uids: dict[int, int] = {}
    for (mark, size, received_at), rows in alike.items():
        strangers = found.get(mark, [])
        exact = [one for one in strangers if (one.size, one.received_at) == (size, received_at)]
        if len(exact) >= len(rows):
            for record, one in zip(rows, exact, strict=False):
                strangers.remove(one)
                uids[record.id] = one.uid
    return uids


def _not_among(found: Mapping[str, Sequence[_Stranger]], records: Sequence[Record]) -> list[Record]:
    """Those of these rows of one folder that may be missing from it. found: its messages without a row, by fingerprint.

    If there are fewer messages than rows with the same headers, those count as there whose size and date of arrival are
    there. If that doesn't show all of them, it may be those of any content that are missing. Rows whose content is
    unknown count as there, as long as there are messages for them.
    """
    left = {mark: list(strangers) for mark, strangers in found.items()}
    exact = _taken_exactly(left, records)
    missing: list[Record] = []
    for mark in dict.fromkeys(record.fingerprint for record in records):
        alike = [record for record in records if record.fingerprint == mark and record.id not in exact]
        there = len(left.get(mark, ()))
        by_content: dict[str | None, list[Record]] = {}
        for record in alike:
            by_content.setdefault(record.content if is_comparable(record.content) else None, []).append(record)
        missing += by_content.pop(None, [])[there:]
        for rows in by_content.values():
            missing += rows[max(0, len(rows) - max(0, len(alike) - there)) :]
    return missing


class Marked(Protocol):
    """Anything that has a message's fingerprint."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the message's header."""


def claim(found: dict[str, list[int]], message: Marked) -> bool:
    """Whether a stranger with the message's fingerprint was found. Takes it, so that no other message claims it."""
    uids = found.get(message.fingerprint)
    if not uids:
        return False
    uids.pop(0)
    return True


class Sighting(Protocol):
    """A message that a look found. size: bytes; received_at: epoch s; both as the server says."""

    @property
    def place(self) -> Place: ...
    @property
    def size(self) -> int: ...
    @property
    def received_at(self) -> float: ...


def which_of(candidates: list[Record], seen: Sighting) -> Record | None:
    """The candidate that this message most probably is; it is taken out of the list.

    Preferred is one whose row gives this place, then one of the same size, then one of the same date of arrival, then
    one that isn't done. A message that is done and had another size is never taken, because mail with other content,
    which nobody has handled, would then pass for it. Exchange only estimates sizes: if it estimates again after a
    person has moved a message back, the message is handed over once more, as a look-alike. Losing a message would be
    worse. In a renumbered folder all sizes may have been estimated again, but the folder's messages are where they
    were, so there the size doesn't matter.
    """
    if not candidates:
        return None
    best = min(
        candidates,
        key=lambda record: (
            record.place != seen.place,
            record.size != seen.size,
            record.received_at != seen.received_at,
            record.state not in (State.PENDING, State.GONE),
            record.id,
        ),
    )
    if best.size != seen.size and _is_done(best, seen.place.folder) and not was_renumbered(best, seen.place):
        return None
    candidates.remove(best)
    return best


def was_renumbered(record: Record, place: Place) -> bool:
    """Whether this place is in the message's own folder, whose UIDs are no longer those that its row knows."""
    here = record.place
    return here.folder == place.folder and (here.uidvalidity != place.uidvalidity or here.uid is None)


def _is_done(record: Record, folder: str) -> bool:
    """Whether it is finished while it lies in this folder. Junk that left its folder may be handed over again."""
    return record.state not in OPEN or (record.state is State.JUNK and record.place.folder == folder)
