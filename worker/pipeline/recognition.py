"""What follows from knowing a message again: it is settled again, judged anew or released; or its content says no."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from worker.handling.pool import Pool
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Place, Record
from worker.journal.tries import Tries
from worker.logs.log import get_logger
from worker.mailbox.folders import Layout
from worker.message.content_mark import is_comparable
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.pipeline.matching import NOT_DONE
from worker.pipeline.observer import Observer
from worker.pipeline.whereabouts import OPEN

log = get_logger()

IN_HAND_WAIT = 60.0
"""Seconds until a message is compared again with one that has its content and is in hand."""
MOVED_OUT = Evidence("release", None, "moved out", "it was moved out of the junk folder", counts=False)


@dataclass(frozen=True, slots=True)
class Sighted:
    """A known message, where it lies now, and the verdict there."""

    record: Record
    place: Place
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class KnownAgain:
    """Known messages in new places.

    moved_back: those that are done and are to be settled again. rejudged: those whose verdict changed. released: those
    that were released by a move out of the junk folder. places: where all of them lie now, by row id.
    """

    moved_back: tuple[tuple[Record, Place], ...] = ()
    rejudged: tuple[Record, ...] = ()
    released: tuple[Record, ...] = ()
    places: Mapping[int, Place] = field(default_factory=dict)


class Recognition:
    """Knows messages again: by their headers as admission does, or by their content once that is read."""

    def __init__(
        self,
        *,
        messages: Messages,
        tries: Tries,
        places: Places,
        layout: Layout,
        pool: Pool,
        move_releases: bool,
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        """move_releases: whether a move out of the junk folder counts as a person's release."""
        self._messages = messages
        self._tries = tries
        self._places = places
        self._layout = layout
        self._pool = pool
        self._move_releases = move_releases
        self._observer = observer
        self._clock = clock

    def by_headers(self, known: Sequence[Sighted]) -> KnownAgain:
        """Known messages are in new places, as their headers say.

        The place is written last: wherever the process dies, the next look finds the message in a new place again.
        """
        again = self._judge(known)
        self._places.seen_at(list(again.places.items()), by_headers=True)
        return again

    def by_content(self, record: Record, content: str) -> KnownAgain:
        """The message in this row's place isn't what its headers say; its content was read and not handed over.

        It is one of the lost messages with this content, which then lies there. If there is none any more, the row is
        a message of its own and is tried as such; a row whose message must have another content has lost its place.
        So has a row of junk whose handlers had no body, if there is one: it isn't deleted, since they had its headers.
        A message that was moved since is read again, because its content says nothing of what lies in its new place.
        """
        mine = next(iter(self._messages.with_keys([record.key])), None)
        if mine is None or mine.id != record.id:
            return KnownAgain()  # it was decided before, and the connection or the journal failed after that
        if mine.place != record.place:  # found elsewhere since, by its headers alone: what lies there is read as well
            self._tries.put_back([mine.id])
            return KnownAgain()
        found = self._lost_with(mine, content)
        if found is not None and found.id in self._pool:  # it may have been handed over from this very place
            self._tries.put_back([mine.id])
            self._tries.postpone({mine.id: self._clock() + IN_HAND_WAIT})
            return KnownAgain()
        if found is None and not is_comparable(mine.content):
            self._tries.compared([mine.id])
            return KnownAgain()
        if mine.content is not None:
            log.warning("message.other_content", key=mine.key, folder=mine.place.folder)
            self._tries.put_back([mine.id])
            if found is None:
                self._places.lost([mine.id])
                return KnownAgain()
            self._places.misplaced(
                [mine.id]
            )  # what it was taken for has its own row, so its headers may say where it is
        assert found is not None  # noqa: S101 -- for the type checker
        again = self._judge([Sighted(found, mine.place, mine.verdict)])
        own_row = mine.id if mine.content is None else None
        self._messages.recognised(found.id, mine.place, instead_of=own_row)
        if _stays(found, again):
            self._places.settled([(found.id, mine.place)], self._clock())
        for one, place in again.moved_back:
            log.warning("message.moved_back", key=one.key, folder=place.folder, state=one.state.value)
        for one in again.rejudged:
            log.warning("message.rejudged", key=one.key, folder=mine.place.folder)
        return again

    def _lost_with(self, mine: Record, content: str) -> Record | None:
        """The lost message that has the headers of this row and this content. One that isn't done comes first.

        If a row's message must have another content, two may have been exchanged when their folder was renumbered.
        """
        lost = self._messages.comparable([mine.fingerprint]).get(mine.fingerprint, [])
        if is_comparable(mine.content):
            alike = self._messages.with_fingerprints([mine.fingerprint]).get(mine.fingerprint, [])
            lost = lost + [record for record in alike if _is_stale_beside(record, mine.place)]
        options = [
            record
            for record in lost
            if record.id != mine.id
            and record.content == content
            and (not is_comparable(mine.content) or record.id not in self._pool)
        ]
        return min(
            options,
            key=lambda record: (record.id in self._pool, record.state not in NOT_DONE, record.id),
            default=None,
        )

    def _judge(self, known: Sequence[Sighted]) -> KnownAgain:
        """Deal with known messages in a new place: pending ones are handled from there, done ones are settled again.

        If the new place changes the verdict of a message in one of the `OPEN` states, the message starts anew. A
        message that left the junk folder is judged by its headers, and settled again if they say junk; a message that
        was moved into the junk folder is junk. A person's release outlasts both moves. A release by a move ends when
        the message is moved back, because the first move may have been the server's own.
        """
        released = [one.record for one in known if self._is_moved_out(one.record, one.place.folder)]
        for record in released:
            self._release(record)
        again = {record.id for record in released}
        rejudged = [
            one
            for one in known
            if one.record.id not in again
            and (not one.record.released or (one.place.folder == self._layout.junk and _by_move_alone(one.record)))
            and one.record.state in OPEN
            and (self._left_junk(one.record, one.place.folder) or _changes_path(one))
        ]
        self._messages.judged([(one.record.id, one.verdict) for one in rejudged])
        again |= {one.record.id for one in rejudged}
        self._messages.noted(
            [
                (one.record.id, one.verdict)
                for one in known
                if one.record.id not in again
                and one.record.place.folder != one.place.folder
                and _is_worth_a_note(one, left_junk=one.record.place.folder == self._layout.junk)
            ]
        )
        moved_back = [
            (one.record, one.place)
            for one in known
            if one.record.id not in again
            and one.record.state in (State.HANDLED, State.JUNK, State.FAILED)
            and not self._may_stay(one.record, one.place.folder)
        ]
        self._places.settle_again([record.id for record, _ in moved_back])
        return KnownAgain(
            tuple(moved_back),
            tuple(one.record for one in rejudged),
            tuple(released),
            {one.record.id: one.place for one in known},
        )

    def _is_moved_out(self, record: Record, folder: str) -> bool:
        """Whether this is junk that left the junk folder, and such a move counts as a release.

        It must have been seen in the junk folder. One that counts as moved there because it was no longer listed, or
        showed no header, may never have left.
        """
        is_junk = record.verdict.path is MailPath.JUNK
        was_seen = record.place.folder != self._layout.junk or record.place.uidvalidity > 0
        return self._move_releases and is_junk and record.state in OPEN and was_seen and self._left_junk(record, folder)

    def _left_junk(self, record: Record, folder: str) -> bool:
        """Whether it lay in the junk folder, or in the folder that we moved it to, and now lies in neither."""
        there = (self._layout.junk, record.settle_to)
        return record.place.folder in there and folder not in there

    def _release(self, record: Record) -> None:
        verdict = Verdict(MailPath.CLEAN, (*record.verdict.evidence, MOVED_OUT))
        self._messages.reopen(record.id, verdict=verdict, released_at=self._clock())
        log.warning("message.moved_out", key=record.key)
        self._observer.moved_out(record)

    def _may_stay(self, record: Record, folder: str) -> bool:
        """Whether done mail may stay in this folder. In the junk folder it always may, whoever or whatever moved it."""
        return folder == self._layout.junk or record.settle_to in (None, folder)


def _is_stale_beside(record: Record, place: Place) -> bool:
    """Whether this message lay in the same folder before it was renumbered, and nobody knows where it lies now."""
    here = record.place
    return here.folder == place.folder and here.uidvalidity != place.uidvalidity and not record.is_deleted


def _stays(record: Record, again: KnownAgain) -> bool:
    """Whether this message, which was done and not moved yet when somebody moved it, may stay where it lies now."""
    opened = (*(one for one, _ in again.moved_back), *again.rejudged, *again.released)
    return not record.settled and record.state not in NOT_DONE and record not in opened


def _changes_path(one: Sighted) -> bool:
    return one.record.verdict.path is not one.verdict.path


def _by_move_alone(record: Record) -> bool:
    """Whether the message was released by a move alone, and not by a person's request."""
    return record.verdict.evidence[-1:] == (MOVED_OUT,)


def _is_worth_a_note(one: Sighted, *, left_junk: bool) -> bool:
    """Whether the evidence differs from before, and is worth keeping.

    A person may retry a dead letter, so we keep its new evidence only if it is junk now, or has left the junk folder.
    """
    record = one.record
    if record.released or record.verdict == one.verdict:
        return False
    return record.state in OPEN or (record.state is State.FAILED and (left_junk or one.verdict.path is MailPath.JUNK))
