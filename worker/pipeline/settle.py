"""Makes the mailbox show the outcomes: the only file that changes it for that. Doing so twice does no harm.

Every outcome that it is given has been recorded before. It moves a batch at a time, and remembers where the messages
went. A message that the server refuses to move, or at whose move the connection ends, stays unsettled, and stops no
other.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Place, Record
from worker.logs.fields import first_keys
from worker.logs.log import get_logger
from worker.mailbox import uid_sets
from worker.mailbox.bisection import bisect
from worker.mailbox.errors import CommandRefused
from worker.mailbox.folder_opening import Unopened, try_select
from worker.mailbox.folder_refusals import Refusal
from worker.mailbox.folders import Layout
from worker.mailbox.session import HEADS_AT_ONCE, FolderState, Moved, Session
from worker.message.key import Fingerprints
from worker.pipeline.already_moved import AlreadyMoved
from worker.pipeline.late_moves import LateMoves
from worker.pipeline.moves_in_flight import MovesInFlight
from worker.pipeline.settlement import Settlement, grouped
from worker.pipeline.whereabouts import Look, Whereabouts, list_uids

log = get_logger()


class CannotMove(Exception):
    """The server has neither MOVE nor UIDPLUS: moving would risk other people's mail."""


class Settle:
    """Moves messages."""

    def __init__(
        self,
        *,
        messages: Messages,
        places: Places,
        whereabouts: Whereabouts,
        fingerprints: Fingerprints,
        layout: Layout,
        clock: Callable[[], float],
    ) -> None:
        self._messages = messages
        self._places = places
        self._whereabouts = whereabouts
        self._fingerprints = fingerprints
        self._layout = layout
        self._already_moved = AlreadyMoved(messages, whereabouts, fingerprints)
        self._clock = clock
        self._moves: MovesInFlight[Settlement] = MovesInFlight()
        self._late = LateMoves(clock)
        self._doubtful: set[int] = set()

    def check(self, session: Session) -> None:
        """Refuse a server on which moving can't be done safely.

        Raises:
            CannotMove: with what to do about it.
        """
        if not session.has("MOVE") and not session.has("UIDPLUS"):
            raise CannotMove(
                "The server offers neither MOVE nor UIDPLUS. Without them, moving a message would mean a bare "
                "EXPUNGE, which also deletes mail that other people have marked. Nothing was changed. Ask its "
                "administrator for MOVE."
            )

    def ask_again(self) -> bool:
        """Whether the server may now be asked again to move messages that it refused to move."""
        return self._late.ask_again()

    def is_suspect(self, item: Settlement) -> bool:
        """Whether a connection ended when this message was moved. It is moved `alone`, when all other work is done."""
        return self._late.is_suspect(item.id)

    def suspects_due(self, items: Sequence[Settlement]) -> list[Settlement]:
        """The suspects among these that may be moved now, each alone and in this order."""
        return self._late.due(items)

    def resume(
        self, session: Session, looks: Sequence[Look], records: Sequence[Record] | None = None
    ) -> list[Settlement]:
        """Return the messages that are recorded, not settled and still there: they are to be moved now.

        A message that isn't there was moved, by us or by others. A copy of ours may already lie in the target. In a
        watched folder that was renumbered, only the headers show what is still there, and they are read after this:
        so a message that lies in its target already is found there first, or another one would pass for it. One that
        isn't found by its header, either, counts as moved at the next `resume`. records: it is about these alone.
        """
        by_folder = {look.folder: look for look in looks}
        settlements: list[Settlement] = []
        moved: list[tuple[int, Place]] = []
        renumbered: dict[int, tuple[Record, Place]] = {}
        elsewhere: dict[str, list[Record]] = {}
        for record in self._places.unsettled() if records is None else records:
            look = by_folder.get(record.place.folder)
            settlement = Settlement.of(record)
            if look is None:
                elsewhere.setdefault(record.place.folder, []).append(record)
            elif settlement is not None and look.holds(record):
                settlements.append(settlement)
            elif record.place.uidvalidity != look.state.uidvalidity:
                renumbered[record.id] = record, Place(record.place.folder, look.state.uidvalidity, None)
            else:
                moved.append((record.id, Place(record.settle_to or record.place.folder, 0, None)))
        for folder, records in elsewhere.items():
            if (places := self._still_there(session, folder, records)) is None:
                self._ask_later(records)
                continue
            for record in records:
                place = places.get(record.id)
                settlement = None if place is None else Settlement.of(replace(record, place=place))
                if settlement is not None:
                    settlements.append(settlement)
                else:
                    moved.append((record.id, place or Place(record.settle_to or folder, 0, None)))
        self._doubtful.update(item.id for item in settlements)
        arrived = self._already_moved.arrived(session, [record for record, _ in renumbered.values()])
        moved += arrived.items()
        self._places.seen_at([(row, place) for row, (_, place) in renumbered.items() if row not in arrived])
        self._places.settled(moved, self._clock())
        self._late.clear(row for row, _ in moved)
        return settlements

    def _still_there(self, session: Session, folder: str, records: Sequence[Record]) -> dict[int, Place] | None:
        """Where those that are still in this folder lie, by row id; None: the folder can't be opened now.

        Those whose UIDs aren't known are found by their headers, except in a watched folder: there admission does that,
        because it tells messages with the same headers apart.
        """
        state = try_select(session, folder)
        if isinstance(state, Unopened):
            return {} if state is Unopened.GONE else None
        uids = {
            record.id: record.place.uid
            for record in records
            if record.place.uid is not None and record.place.holds_in(state)
        }
        there = session.present(uids.values())
        places = {row: Place(folder, state.uidvalidity, uid) for row, uid in uids.items() if uid in there}
        unplaced = [record for record in records if record.id not in uids]
        if unplaced and folder not in self._layout.watched:
            places |= self._whereabouts.find_again(session, folder, state, unplaced)
        return places

    def settle(self, session: Session, settlements: Sequence[Settlement], *, alone: bool = False) -> set[str]:
        """Move each message to its target, folder by folder. `record_moves` records those whose MOVE is in flight.

        Messages that somebody took away meanwhile count as settled, because where they lie now isn't our decision.
        Those that the server has lately refused to move are skipped. Returns the folders that were replaced: the next
        look finds their messages again, and then they are settled. alone: move one at a time, and wait for each answer.
        """
        replaced: set[str] = set()
        for folder, target, group in grouped([one for one in settlements if not self._late.is_refused(one.id)]):
            valid = _valid_in(session, folder, group)
            most = 1 if alone else uid_sets.MAX_COMMAND_UIDS
            for start in range(0, len(valid), most):
                part = valid[start : start + most]
                if session.has("MOVE") and not alone:
                    with self._late.at_risk(_rows(part), folder, target):
                        self._moves.begin(session, [item.uid for item in part], part, folder, target)
                else:
                    self._move_what_goes(session, part, folder, target, alone=alone)
            if len(valid) < len(group):
                replaced.add(folder)
        return replaced

    def record_moves(self, *, wait: bool) -> None:
        """Record the moves that the server has answered. wait: wait for those that it hasn't.

        If an error ends this, the poll ends as well, and the next one looks for all that is unsettled.
        """
        for moving, moved in self._moves.answered(wait=wait):
            if moved is None:
                self._move_what_goes(moving.session, moving.group, moving.folder, moving.target)
            else:
                self._settled(moving.group, moving.target, moved)

    def forget_moves(self) -> None:
        """The connection is gone, or the lease: what is in flight is found out anew."""
        self._late.suspect(_rows(self._moves.forget()))

    def delete(self, session: Session, records: Sequence[Record]) -> list[int]:
        """Delete handled mail for good, message by message (UIDPLUS). Returns the rows of the deleted messages.

        A message is deleted only if its header is the row's, because its UID may be another message's by now. If the
        server lacks UIDPLUS, nothing is deleted at all: a bare EXPUNGE would take other people's mail with it. A
        folder that is gone or refuses doesn't hold up the others.
        """
        deleted: list[int] = []
        for folder in dict.fromkeys(record.place.folder for record in records) if session.has("UIDPLUS") else ():
            wanted = [record for record in records if record.place.folder == folder]
            try:
                there = self._there(session, folder, wanted)
                for uids in uid_sets.chunks(there):
                    session.delete(uids)
                    deleted += [there[uid] for uid in uids]
            except CommandRefused:
                log.warning("mailbox.delete_refused", folder=folder, count=len(wanted))
        return deleted

    def _there(self, session: Session, folder: str, records: Sequence[Record]) -> dict[int, int]:
        """The rows of those that are in this folder, by UID; each was recognised by its header."""
        state = session.select(folder)
        ids = {record.id for record in records}
        placed = {
            record.place.uid: record
            for record in self._placed(session, folder, state, records)
            if record.id in ids and record.place.uid is not None
        }
        present = placed.keys() & list_uids(session, folder, state)
        there: dict[int, int] = {}
        for uids in uid_sets.chunks(present, HEADS_AT_ONCE):
            for head in session.heads(uids):
                record = placed[head.uid]
                if self._fingerprints.of_block(head.header) == record.fingerprint:
                    there[head.uid] = record.id
        return there

    def _placed(self, session: Session, folder: str, state: FolderState, records: Sequence[Record]) -> list[Record]:
        """These messages with their UIDs. All that are somewhere in this folder are looked for, so that none of them
        is taken for another.
        """
        valid = [record for record in records if record.place.holds_in(state)]
        lost = self._messages.settled_somewhere_in(folder, state)
        if not lost:
            return valid
        found = self._whereabouts.find_again(session, folder, state, lost, settled=lost)
        return valid + [replace(record, place=found[record.id]) for record in lost if record.id in found]

    def bring_back(self, session: Session, records: Sequence[Record], folder: str) -> list[Record]:
        """Move messages that are to be handled anew into a watched folder. Returns those no longer in their place.

        Those in a folder that isn't opened now stay, and are handled from where they lie. So do those at whose move a
        connection ended. Without MOVE all do: if we copied a message and the process died before it deleted the
        original, one message would become two.
        """
        absent: list[Record] = []
        for source in dict.fromkeys(record.place.folder for record in records if record.place.folder != folder):
            away = [record for record in records if record.place.folder == source]
            state = try_select(session, source)
            if isinstance(state, Unopened):  # if it is gone, so are its messages, as the next looks will show
                absent += away if state is Unopened.GONE else []
                continue
            placed = [record for record in away if record.place.holds_in(state)]
            there = session.present([record.place.uid for record in placed if record.place.uid is not None])
            group = [record for record in placed if record.place.uid in there]
            absent += [record for record in away if not record.place.holds_in(state) or record.place.uid not in there]
            group = [record for record in group if session.has("MOVE") and not self._late.is_suspect(record.id)]
            for start in range(0, len(group), uid_sets.MAX_COMMAND_UIDS):
                self._bring(session, group[start : start + uid_sets.MAX_COMMAND_UIDS], source, folder)
        return absent

    def _bring(self, session: Session, group: Sequence[Record], source: str, folder: str) -> None:
        """Move these, except those that the server refuses to move: they are handled from where they lie."""

        def move(part: Sequence[Record]) -> None:
            uids = {record.id: record.place.uid for record in part if record.place.uid is not None}
            with self._late.at_risk(uids, source, folder):
                moved = session.move(list(uids.values()), folder)
            self._places.seen_at(
                [(row, Place(folder, moved.uidvalidity or 0, moved.uids.get(uid))) for row, uid in uids.items()]
            )

        if refused := bisect(move, group):
            keys = first_keys([record.key for record in refused])
            log.error("mailbox.move_refused", count=len(refused), folder=source, target=folder, keys=keys)

    def _move_what_goes(
        self, session: Session, group: Sequence[Settlement], folder: str, target: str, *, alone: bool = False
    ) -> None:
        """Move these, except those that the server refuses to move: they stay unsettled, and are tried later."""
        reasons: set[str] = set()

        def move(part: Sequence[Settlement]) -> None:
            # the target may be selected since, or any folder, if the refused move was in flight
            valid = _valid_in(session, folder, part)
            try:
                if valid:
                    self._move(session, valid, folder, target, alone=alone)
            except CommandRefused as error:
                reasons.update({"overquota"} if error.refusal is Refusal.FULL else ())
                raise

        if refused := bisect(move, group):
            session.status(target)  # raises if the target is gone: a new connection creates it again
            why = {"reason": "overquota"} if reasons else {}
            log.error("mailbox.move_refused", count=len(refused), folder=folder, target=target, **why)
            self._ask_later(refused)
            self._late.clear(_rows(refused))

    def _ask_later(self, items: Iterable[Settlement | Record]) -> None:
        self._late.refused(_rows(items))

    def _move(self, session: Session, group: Sequence[Settlement], folder: str, target: str, *, alone: bool) -> None:
        if session.has("MOVE"):
            with self._late.at_risk(_rows(group), folder, target, alone=alone):
                moved = session.move([item.uid for item in group], target)
            self._settled(group, target, moved)
            return
        # Never later: a message that was copied and isn't deleted yet would pass for two when the target is looked at.
        doubtful = [item for item in group if item.id in self._doubtful]
        copies = self._already_moved.copies(session, doubtful, folder, target)
        self._settled(group, target, self._copy_and_delete(session, group, target, copies), copies)

    def _settled(
        self, group: Sequence[Settlement], target: str, moved: Moved, copies: Mapping[int, Place] | None = None
    ) -> None:
        """These lie in the target now. copies: where some of them lay there already, by row id."""
        known = copies or {}
        self._places.settled(
            [
                (item.id, known.get(item.id) or Place(target, moved.uidvalidity or 0, moved.uids.get(item.uid)))
                for item in group
            ],
            self._clock(),
        )
        self._doubtful.difference_update(_rows(group))
        self._late.clear(_rows(group))

    def _copy_and_delete(
        self, session: Session, group: Sequence[Settlement], target: str, copies: Mapping[int, Place]
    ) -> Moved:
        self._doubtful.update(item.id for item in group)
        to_copy = [item.uid for item in group if item.id not in copies]
        moved = session.copy(to_copy, target) if to_copy else Moved(None, {})
        session.delete([item.uid for item in group])
        return moved


def _valid_in(session: Session, folder: str, items: Sequence[Settlement]) -> list[Settlement]:
    """Those of these messages of one folder whose UIDs are valid there. The folder is selected when this returns."""
    state = session.selected_state if session.selected == folder else session.select(folder)
    return [item for item in items if state is not None and item.place.holds_in(state)]


def _rows(items: Iterable[Settlement | Record]) -> list[int]:
    return [item.id for item in items]
