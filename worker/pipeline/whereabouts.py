"""Which message is which, and where it lies: the one place that knows.

A message is known by the fingerprint of its header, wherever it lies. If a UID has a known fingerprint and the message
is no longer where its row says, the UID is that message. If the message is still there, the UID is a copy, and a
message of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Place, Record
from worker.logs import get_logger
from worker.mailbox import uid_sets
from worker.mailbox.bisection import shown_heads
from worker.mailbox.errors import CommandRefused
from worker.mailbox.session import HEADS_AT_ONCE, FolderState, Session
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
        rows = self._messages.in_folder(folder)
        placed = {record.place.uid for record in rows if record.place.holds_in(state)}
        unknown = list_uids(session, folder, state) - placed
        found: dict[str, list[int]] = {}
        for uids in uid_sets.chunks(unknown, HEADS_AT_ONCE):
            for head in shown_heads(session, uids):
                found.setdefault(self._fingerprints.of_block(head.header), []).append(head.uid)
        return found

    def find_again(
        self, session: Session, folder: str, state: FolderState, records: Sequence[Record]
    ) -> dict[int, Place]:
        """Where in the selected folder these messages lie now, by row id; those not found are left out."""
        found = self.strangers(session, folder, state)
        places = {
            record.id: Place(folder, state.uidvalidity, uids.pop(0))
            for record in records
            if (uids := found.get(record.fingerprint))
        }
        self._places.seen_at(list(places.items()))
        return places

    def seek(self, session: Session, folder: str, records: Sequence[Record]) -> list[Record]:
        """Look in this folder for messages that aren't where their rows say.

        Returns those that aren't there.
        """
        try:
            state = session.select(folder)
        except CommandRefused:
            return list(records)
        found = self.find_again(session, folder, state, records)
        return [record for record in records if record.id not in found]

    def lost(
        self, session: Session, look: Look, fingerprints: Iterable[str], looks: Mapping[str, Look]
    ) -> dict[str, list[Record]]:
        """Messages with these fingerprints that are no longer where their rows say, by fingerprint.

        A message that a look saw in its place may have been moved since, and is then seen twice; so the server is
        asked again. A message that we deleted ourselves is nowhere: mail that looks like it is another copy. The
        looked-at folder is selected again when this returns.
        """
        alike = self._messages.with_fingerprints(fingerprints)
        candidates = [record for records in alike.values() for record in records if not record.is_deleted]
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
        """Those of the records that don't lie in this folder now."""
        try:
            state = session.select(folder)
        except CommandRefused:
            return records  # the folder is gone, and its messages are somewhere else
        placed = {record.place.uid: record for record in records if record.place.uidvalidity == state.uidvalidity}
        unplaced = [record for record in records if placed.get(record.place.uid) is not record]
        unplaced += [placed.pop(None)] if None in placed else []
        there = session.present([uid for uid in placed if uid is not None])
        lost = [record for uid, record in placed.items() if uid not in there]
        if unplaced:
            found = self.strangers(session, folder, state)
            lost += [record for record in unplaced if not claim(found, record)]
        return lost


def list_uids(session: Session, folder: str, state: FolderState, since: date | None = None) -> set[int]:
    """The UIDs in the selected folder; `since` leaves older mail out.

    SEARCH can miss messages that the server counts (seen with Exchange Online). If it finds fewer than SELECT
    announced, we fetch the UIDs of all messages as well.
    """
    if state.messages == 0:
        return set()
    found = session.search(uidnext=state.uidnext)
    if len(found) >= state.messages:
        return found if since is None else session.search(uidnext=state.uidnext, since=since)
    listed = session.fetch_uids(since=since)
    if listed - found:
        log.warning("mailbox.search_incomplete", folder=folder, count=len(listed - found))
    return listed | (found if since is None else session.search(uidnext=state.uidnext, since=since))


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


def which_of(candidates: list[Record], size: int, place: Place) -> Record | None:
    """The candidate that the message in this place most probably is; it is taken out of the list.

    Preferred is one whose row gives this place, then one of the same size, then one that isn't done. A message that is
    done and had another size is never taken, because mail with other content, which nobody has handled, would then pass
    for it. Exchange only estimates sizes: if it estimates again after a person has moved a message back, the message is
    handed over once more, as a look-alike. Losing a message would be worse. In a renumbered folder all sizes may have
    been estimated again, but the folder's messages are where they were, so there the size doesn't matter.
    """
    if not candidates:
        return None
    best = min(
        candidates,
        key=lambda record: (
            record.place != place,
            record.size != size,
            record.state not in (State.PENDING, State.GONE),
            record.id,
        ),
    )
    if best.size != size and _is_done(best, place.folder) and not _was_renumbered(best, place):
        return None
    candidates.remove(best)
    return best


def _is_done(record: Record, folder: str) -> bool:
    """Whether it is finished while it lies in this folder. Junk that left its folder may be handed over again."""
    return record.state not in OPEN or (record.state is State.JUNK and record.place.folder == folder)


def _was_renumbered(record: Record, place: Place) -> bool:
    """Whether this place is in the message's own folder, whose UIDs are no longer those that its row knows."""
    here = record.place
    return here.folder == place.folder and (here.uidvalidity != place.uidvalidity or here.uid is None)
