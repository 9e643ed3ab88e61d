"""The spine: poll, admit, fetch, classify, route, handle, record, settle. One way, no way back.

Its stages are passed in. It runs in the one thread that owns the connection; what it hands over is handled in the pool
meanwhile. An error of the connection or of the journal ends the poll, and everything unsettled stays where it is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from worker.handling.pool import Hands
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Place, Record
from worker.journal.tries import Tries
from worker.logs import get_logger
from worker.mailbox.session import HEADS_AT_ONCE, Session
from worker.message.outcome import LONGEST_AFTER, Outcome, State
from worker.pipeline.admit import NO_HEADER, Admission, Admitted, Top
from worker.pipeline.fetch import ALONE, Fetch
from worker.pipeline.observer import Watching
from worker.pipeline.poll import Poll
from worker.pipeline.record import Recorder
from worker.pipeline.report import Report
from worker.pipeline.settle import Settle, Settlement
from worker.pipeline.turns import Turns
from worker.pipeline.whereabouts import Look

log = get_logger()

SETTLE_AT_ONCE = 200
"""Outcomes that are moved with one command, while there are more to come."""
GONE_AFTER = 2
"""Walks over the mailbox that must miss a message before it counts as taken away."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much at a time. batch_bytes: bytes; patience: seconds without any handler returning.

    longest_wait: seconds; no message waits for longer until its next try.
    """

    batch_bytes: int
    batch_count: int
    patience: float
    longest_wait: float = LONGEST_AFTER.total_seconds()


class Pipeline:
    """Takes every message that is new or due through its stages."""

    def __init__(
        self,
        *,
        poll: Poll,
        admission: Admission,
        fetch: Fetch,
        hands: Hands,
        recorder: Recorder,
        settle: Settle,
        carry_out: Callable[[Session, Callable[[int], None]], Mapping[int, Place]],
        messages: Messages,
        tries: Tries,
        places: Places,
        bounds: Bounds,
        go_on: Callable[[], None],
        clock: Callable[[], float],
        on_new: Callable[[int], None],
        watching: Watching,
        turns: Turns,
    ) -> None:
        """What isn't a stage of the way:

        turns: says of what is due whose turn it is. carry_out: does what people asked for, and tells of each message
        that it opens again. go_on: called before each step, raises `Stop` where there must be none.
        """
        self._poll = poll
        self._admission = admission
        self._fetch = fetch
        self._hands = hands
        self._recorder = recorder
        self._settle = settle
        self._carry_out = carry_out
        self._messages = messages
        self._tries = tries
        self._places = places
        self._bounds = bounds
        self._go_on = go_on
        self._clock = clock
        self._on_new = on_new
        self._watching = watching
        self._turns = turns
        self._to_settle: list[Settlement] = []
        self._stuck: set[int] = set()
        self._missed: set[int] = set()
        self._fresh = True
        self._report = Report()

    # -- between polls -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """At the start of a run: what another run had in hand when it ended is suspect, and is tried alone."""
        self._turns.begin()
        suspects = self._tries.suspects()
        alone = [record for record in suspects if (record.in_hand or "").startswith(ALONE)]
        for record in alone:
            self._tries.died_with(record)
        self._fetch.suspects = [record.id for record in suspects]
        if suspects:
            log.warning("message.suspects", count=len(suspects), alone=len(alone))

    def connected(self) -> None:
        """After each new connection: every folder is looked at, and what is unsettled is looked for."""
        self._poll.forget()
        self._to_settle.clear()
        self._fresh = True

    def reconcile_next(self) -> None:
        """The next look lists every folder, whatever the server says of changes."""
        self._poll.forget()

    def poll(self, session: Session, *, news: bool | None = None) -> Report:
        """One look at the mailbox, and all the work that is due.

        The order matters. What people asked for may change what is to be looked at. What was recorded before is moved
        before a copy of it that lies in a watched target could be taken for new mail. What is new is given its row, or
        known again, before anything counts as missed: it may have moved.

        news: whether the connection has told of something in the selected folder; None: it wasn't asked yet.
        """
        self._report = Report()
        self._missed.clear()
        self._collect(session, wait=0)
        self._open(session)
        looks = self._poll.look(session, news=news)
        self._resume(session, looks)
        relocated = self._admit(session, looks)
        self._places.found([record.id for look in looks for record in look.found])
        missing = [record for look in looks for record in look.missing if record.id not in relocated]
        self._miss(self._sought(session, missing) if self._poll.leaves_out else missing)
        self._work_through(session)
        if session.selected != self._poll.rest:
            session.select(self._poll.rest)
        self._places.looked_at(self._poll.looked() if looks else {})
        return self.take_report()

    def take_report(self) -> Report:
        """What was done since a report was given last: of a poll that was broken off, and of what ended after it."""
        report, self._report = self._report, Report()
        return report

    def delete_handled(self, session: Session, older_than: timedelta) -> None:
        """Delete mail from the folder of handled mail that was handled longer ago than this."""
        old = self._messages.handled_before(self._clock() - older_than.total_seconds())
        if not old:
            return
        self._go_on()
        deleted = self._settle.delete(session, old)
        self._messages.deleted(deleted)
        if deleted:
            log.info("mailbox.handled_deleted", count=len(deleted))
        session.select(self._poll.rest)

    def interrupt(self) -> None:
        """End a wait for handlers, so that the next step asks whether to go on; from another thread."""
        self._hands.interrupt()

    @property
    def is_busy(self) -> bool:
        """Whether something is in hand, or has an outcome that the mailbox doesn't show yet."""
        return bool(self._hands) or self._recorder.is_due or bool(self._to_settle)

    def abandon(self) -> None:
        """The lease is lost: what is in hand is another worker's now, and what comes of it here is not recorded."""
        self._hands.forget()
        self._recorder.forget()
        self._to_settle.clear()

    def record_finished(self) -> None:
        """Record what the pool gave back; needs no connection."""
        self._recorder.add(self._hands.finished(0))
        self._record()

    def stop(self, grace: float, monotonic: Callable[[], float], session: Session | None) -> None:
        """Let what a thread has begun end within the grace period (s); take the rest back, untouched."""
        self._tries.put_back(self._hands.drop_waiting())
        until = monotonic() + grace
        while self._hands and (left := until - monotonic()) > 0:
            self._recorder.add(self._hands.finished(left))
        self._record()
        if self._hands:
            log.error("worker.left_in_hand", count=len(self._hands))
            self._tries.not_alone(self._hands.rows())  # it is ended from outside: no death of theirs
        if session is not None:
            self._settle_now(session)

    # -- new and missing messages --------------------------------------------------------------------------------------

    def _open(self, session: Session) -> None:
        """Open again what people asked for."""
        places = self._carry_out(session, self._recorder.rejudged)
        self._recorder.relocated(places)
        self._report.opened = len(places)

    def _resume(self, session: Session, looks: Sequence[Look]) -> None:
        """Settle what an earlier connection left unsettled, and what may be asked for again by now."""
        for look in looks:
            self._displace(look.displaced)
        if self._settle.ask_again() or self._fresh:
            self._to_settle = self._settle.resume(session, looks)
            self._settle_now(session)
            self._fresh = False

    def _admit(self, session: Session, looks: Sequence[Look]) -> set[int]:
        """Give each new message its row and hand it over, a batch at a time. Returns the rows of what was seen."""
        seen: set[int] = set()
        for look in looks:
            for start in range(0, len(look.new), HEADS_AT_ONCE):
                self._go_on()
                if session.selected != look.folder:
                    session.select(look.folder)
                admitted = self._admission.admit(session, look, look.new[start : start + HEADS_AT_ONCE], looks)
                seen |= admitted.tops.keys()
                self._relocate(admitted)
                self._welcome(admitted, look)
                if not self._turns.keep_order:  # else what came first may be admitted last
                    self._work(session, admitted.tops)
        return seen

    def _displace(self, places: Mapping[int, Place]) -> None:
        """Nothing is moved any more by a place that turned out to be another message's."""
        self._places.misplaced(list(places))
        self._forget_places(places)

    def _relocate(self, admitted: Admitted) -> None:
        """Nothing is moved any more from where it lay before; what may stay where it was moved to is settled there."""
        again = {record.id for record, _ in admitted.moved_back}
        again |= {record.id for record in (*admitted.rejudged, *admitted.released)}
        stays = {item.id for item in self._to_settle if item.id not in again} & admitted.places.keys()
        self._places.settled([(row, admitted.places[row]) for row in sorted(stays)], self._clock())
        self._forget_places(admitted.places)

    def _forget_places(self, places: Mapping[int, Place]) -> None:
        """Messages lie elsewhere than was thought. places: where now, as far as is known."""
        self._recorder.relocated(places)
        self._to_settle = [item for item in self._to_settle if item.id not in places]

    def _welcome(self, admitted: Admitted, look: Look) -> None:
        self._report.new += len(admitted.new)
        self._report.moved_back += len(admitted.moved_back)
        if admitted.new:
            self._on_new(len(admitted.new))
        for record in admitted.rejudged:
            log.warning("message.rejudged", key=record.key, folder=look.folder)
        for record in (*admitted.rejudged, *admitted.released):
            self._recorder.rejudged(record.id)
        for record, place in admitted.moved_back:
            log.warning("message.moved_back", key=record.key, folder=look.folder)
            if record.settle_to is not None:
                self._to_settle.append(Settlement(record.id, record.fingerprint, place, record.settle_to))
        for record in admitted.headless:
            self._recorder.put(record, Outcome(State.FAILED, reason=NO_HEADER))
        self._record()
        if admitted.unread:
            self._report.unread += len(admitted.unread)
            log.warning("mailbox.header_not_shown", count=len(admitted.unread), folder=look.folder)
            self._poll.look_again(look.folder)

    def _sought(self, session: Session, missing: Sequence[Record]) -> list[Record]:
        """Those that are nowhere in their folders, when also mail is looked at that is older than `poll.since`."""
        records = [record for record in missing if record.id not in self._hands]
        by_folder = groupby(sorted(records, key=_folder_of), key=_folder_of)
        return [record for folder, group in by_folder for record in self._admission.seek(session, folder, list(group))]

    def _miss(self, records: Sequence[Record]) -> None:
        """Found nowhere by this poll, which counts once however often it looks."""
        records = [record for record in records if record.id not in self._hands and record.id not in self._missed]
        if not records:
            return
        self._missed.update(record.id for record in records)
        gone = self._places.missed([record.id for record in records], gone_after=GONE_AFTER, now=self._clock())
        self._report.gone += gone
        self._report.missed += len(records) - gone
        if gone:
            log.warning("message.gone", count=gone)
            self._watching.gone([record for record in records if record.missed + 1 >= GONE_AFTER])
        for folder in {record.place.folder for record in records}:
            self._poll.look_again(folder)

    # -- handing over --------------------------------------------------------------------------------------------------

    def _work_through(self, session: Session) -> None:
        """Hand over and wait, again and again where that makes it another message's turn."""
        more = True
        while more:
            before = self._report.outcomes.total()
            more = self._work(session, {})
            self._finish(session)
            more = more and self._report.outcomes.total() > before

    def _work(self, session: Session, tops: dict[int, Top]) -> bool:
        """Hand over every message that is due and whose turn it is, suspects first and one at a time.

        Returns whether there may be more once these are done.
        """
        due = self._tries.due(self._clock(), longest=self._bounds.longest_wait)
        due = [record for record in due if record.id not in self._hands]
        due, more = self._turns.of(due)
        # A death from outside must not find the same one alone in hand each time.
        suspects = sorted((record for record in due if record.id in self._fetch.suspects), key=lambda one: one.deaths)
        self._work_alone(session, suspects, tops)
        others = sorted(
            (record for record in due if record.id not in {suspect.id for suspect in suspects}),
            key=_folder_of,
        )
        if others:  # beside these, what hangs isn't alone any more
            self._tries.not_alone([row for row in self._hands.rows() if row in self._stuck])
        for _, group in groupby(others, key=_folder_of):
            for batch in _batches(group, self._bounds):
                if not self._make_room(session, sum(record.size for record in batch)):
                    return False
                self._hand_over(session, batch, tops)
                self._collect(session, wait=0)
        return more

    def _work_alone(self, session: Session, suspects: Sequence[Record], tops: dict[int, Top]) -> None:
        """Hand these over one at a time, so that a death tells whose it was.

        What hangs stays in hand meanwhile, and is marked: it may hang for ever, and must not keep the suspects waiting
        for so long; a death now isn't taken for its own.
        """
        if suspects:
            self._finish(session)
        for record in suspects:
            self._tries.not_alone(self._hands.rows())
            self._hand_over(session, [record], tops, alone=True)
            self._finish(session, record.id)
            self._fetch.suspects.remove(record.id)
            if record.id in self._hands:
                break  # this one hangs as well: the others' turn is in the next poll

    def _make_room(self, session: Session, size: int) -> bool:
        """Wait until what is in hand leaves room for so many bytes; false when no handler returns for too long."""
        while self._hands and self._hands.size + size > 2 * self._bounds.batch_bytes:
            if not self._wait(session):
                return False
        return True

    # -- outcomes ------------------------------------------------------------------------------------------------------

    def _finish(self, session: Session, row: int | None = None) -> None:
        """Wait for what is in hand, or for this message of it; record and settle it.

        What hangs is waited for once, and then left until it comes back by itself: others aren't to wait for it.
        """
        while self._is_awaited(row):
            self._go_on()
            if not self._wait(session):
                self._stuck.update(self._hands.rows())
        self._record()
        self._settle_now(session)
        self._turns.resume()

    def _is_awaited(self, row: int | None) -> bool:
        in_hand = set(self._hands.rows())
        self._stuck &= in_hand
        return bool(in_hand - self._stuck) if row is None else row in in_hand - self._stuck

    def _wait(self, session: Session) -> bool:
        """Wait for a handler to return; false when none does for too long."""
        if self._collect(session, wait=self._bounds.patience):
            return True
        self._go_on()  # a stop ends the wait, and in a pause nothing is begun: then nothing hangs
        log.error("handler.stuck", count=len(self._hands))
        return False

    def _collect(self, session: Session, *, wait: float) -> bool:
        """Record what the pool gave back, and settle it when there is enough of it; false when there was nothing."""
        finished = self._hands.finished(wait)
        self._recorder.add(finished)
        self._record()
        if len(self._to_settle) >= SETTLE_AT_ONCE:
            self._settle_now(session)
        return bool(finished)

    def _hand_over(
        self, session: Session, batch: Sequence[Record], tops: dict[int, Top], *, alone: bool = False
    ) -> None:
        self._go_on()
        self._stuck.difference_update(record.id for record in batch)  # what hung before may well return this time
        missing = self._fetch(session, batch, tops, alone=alone)
        self._report.missed += missing.sought
        self._miss(missing.records)
        if missing.look_again is not None:
            self._poll.look_again(missing.look_again)

    def _record(self) -> None:
        """Write down what came of the tries; only what is on the disk is settled."""
        recorded = self._recorder.record()
        self._report.outcomes += recorded.outcomes
        self._to_settle += recorded.settlements

    def _settle_now(self, session: Session) -> None:
        if self._to_settle:
            self._go_on()
            for folder in self._settle.settle(session, self._to_settle):
                self._poll.look_again(folder)
            self._to_settle.clear()


def _folder_of(record: Record) -> str:
    return record.place.folder


def _batches(records: Iterable[Record], bounds: Bounds) -> Iterator[list[Record]]:
    """Records in order, so many and so many bytes at a time, at least one."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if batch and (len(batch) >= bounds.batch_count or size + record.size > bounds.batch_bytes):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += record.size
    if batch:
        yield batch
