"""Which message is which, and where it lies: the one place that knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from worker.journal.messages import Messages
from worker.journal.records import Place, Record
from worker.logs import get_logger
from worker.mailbox import uid_sets
from worker.mailbox.bisection import shown_heads
from worker.mailbox.session import HEADS_AT_ONCE, FolderState, Session
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.message.outcome import State

log = get_logger()


@dataclass(frozen=True, slots=True)
class Look:
    """A folder that changed, or that was looked at for the first time.

    present: all UIDs. new: those that no row places here, or whose row says gone, ascending, without mail that is older
    than `poll.since`. missing: pending messages whose place this was, and isn't now. found: pending messages that the
    last walk missed, and that are here. displaced: where messages are now as far as we know, by their rows' ids, as the
    folder turned out to be another one with the same UIDVALIDITY; the journal isn't told of it yet.
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
        return (
            place.folder == self.folder
            and place.uidvalidity == self.state.uidvalidity
            and place.uid is not None
            and place.uid in self.present
        )


def list_uids(session: Session, folder: str, state: FolderState, since: date | None = None) -> set[int]:
    """The UIDs of the selected folder; `since` leaves older mail out.

    SEARCH can miss messages that the server counts (seen with Exchange Online): where it shows fewer than SELECT said,
    the messages themselves are asked for their UIDs.
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


OPEN = (State.PENDING, State.GONE, State.JUNK)
"""What a new place can still change: a message that is done as clean, or given up on, is not begun anew by a move."""


def locate(session: Session, messages: Messages, account: str, folder: str, state: FolderState) -> dict[str, list[int]]:
    """Messages of the selected folder that no row places there: their UIDs by fingerprint."""
    rows = messages.in_folder(folder)
    placed = {record.place.uid for record in rows if record.place.uidvalidity == state.uidvalidity}
    strangers = list_uids(session, folder, state) - placed
    found: dict[str, list[int]] = {}
    for uids in uid_sets.chunks(strangers, HEADS_AT_ONCE):
        for head in shown_heads(session, uids):
            found.setdefault(fingerprint(account, Headers.from_bytes(head.header)), []).append(head.uid)
    return found


def claim(found: dict[str, list[int]], record: Record) -> bool:
    uids = found.get(record.fingerprint)
    if not uids:
        return False
    uids.pop(0)
    return True


def which_of(candidates: list[Record], size: int, place: Place) -> Record | None:
    """The best of those that a message in this place may be, taken from them: the one of this place first, the same
    size, and what isn't done.

    What is done and had another size isn't taken: it would swallow mail with other content that nobody has handled.
    Exchange only estimates sizes. Where it estimates a message anew that a person has moved back, the price is that it
    is handed over once more, as a look-alike; lost is worse. A folder that was renumbered is another matter: there all
    sizes may be estimated anew, and its messages are where they were.
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
    """Whether it wouldn't be handed over again from this folder: junk that left its folder may be."""
    return record.state not in OPEN or (record.state is State.JUNK and record.place.folder == folder)


def _was_renumbered(record: Record, place: Place) -> bool:
    """Whether its own folder is the one where something was seen, and has other numbers than its row knows."""
    here = record.place
    return here.folder == place.folder and (here.uidvalidity != place.uidvalidity or here.uid is None)
