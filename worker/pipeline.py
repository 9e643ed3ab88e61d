"""The spine: poll, admit, fetch, classify, route, handle, record, settle. One way, no way back.

Its stages are passed in. It runs in the one thread that owns the connection; what it hands over is handled in the pool
meanwhile. An error of the connection or of the journal ends the poll, and everything unsettled stays where it is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Protocol

from worker.admit import Admission, Admitted, Top
from worker.hands import Finished, Hands
from worker.journal.messages import Messages, Place, Record, Result
from worker.key import MessageKey
from worker.mailbox.errors import CommandRefused, ConnectionLost, MailboxError, ProtocolFault
from worker.mailbox.folders import Layout
from worker.mailbox.session import Body, FolderState, Session
from worker.message import Limits, Message
from worker.observe import bound, get_logger
from worker.outcome import Outcome, State
from worker.poll import Look, Poll
from worker.settle import Settle, Settlement
from worker.verdict import Path, Verdict
from worker.watching import Watching

log = get_logger()

KEEP = "keep"
ADMIT_AT_ONCE = 500
"""Messages admitted before the first of them is handed over."""
SETTLE_AT_ONCE = 200
"""Outcomes that are moved with one command, while there are more to come."""
GONE_AFTER = 2
"""Walks over the mailbox that must miss a message before it counts as taken away."""
NOT_READY_WAIT = timedelta(minutes=5)
"""The server lists a message and shows no content yet: asked again so often,"""
NOT_READY_LIMIT = timedelta(hours=1)
"""and for so long, before it is a dead letter."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where outcomes go, as the settings say: a folder, or `keep`. junk may be `auto`: the junk folder."""

    handled: str
    failed: str
    junk: str

    def of(self, state: State, junk_folder: str) -> str | None:
        """The folder for an outcome; None: the message stays where it is."""
        named = {State.HANDLED: self.handled, State.FAILED: self.failed, State.JUNK: self.junk}.get(state, KEEP)
        if named == "auto":
            return junk_folder
        return None if named == KEEP else named


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much at a time. batch_bytes and message in bytes; patience: s without any handler returning."""

    batch_bytes: int
    batch_count: int
    message: int
    deaths: int
    patience: float


class Backoff(Protocol):
    """How often and when a message is tried again."""

    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        """The wait before the next try; None: that was the last."""


@dataclass
class Report:
    """What a poll came to."""

    new: int = 0
    gone: int = 0
    missed: int = 0
    moved_back: int = 0
    opened: int = 0
    outcomes: dict[State, int] = field(default_factory=dict)

    @property
    def anything(self) -> bool:
        """Whether another poll right away may find more to do."""
        return bool(self.new or self.gone or self.missed or self.moved_back or self.opened or self.outcomes)


class Stop(Exception):
    """Stop before the next command: the lease is lost, or the process was asked to end."""


class Pipeline:
    """Takes every message that is new or due through its stages."""

    def __init__(
        self,
        *,
        poll: Poll,
        admission: Admission,
        hands: Hands,
        carry_out: Callable[[Session], int],
        settle: Settle,
        messages: Messages,
        targets: Targets,
        layout: Layout,
        bounds: Bounds,
        backoff: Backoff,
        limits: Limits,
        headers_only: Callable[[Verdict], bool],
        flush: Callable[[], None],
        go_on: Callable[[], None],
        clock: Callable[[], float],
        run: str,
        on_outcome: Callable[[Record, Result], None],
        on_new: Callable[[int], None],
        watching: Watching | None = None,
    ) -> None:
        """What isn't a stage of the way:

        carry_out: does what people asked for. go_on: called before each step, raises `Stop` where there must be none.
        """
        self._poll = poll
        self._admission = admission
        self._hands = hands
        self._carry_out = carry_out
        self._settle = settle
        self._messages = messages
        self._targets = targets
        self._layout = layout
        self._bounds = bounds
        self._backoff = backoff
        self._limits = limits
        self._headers_only = headers_only
        self._flush = flush
        self._go_on = go_on
        self._clock = clock
        self._run = run
        self._on_outcome = on_outcome
        self._on_new = on_new
        self._watching = watching or Watching()
        self._finished: list[Finished] = []
        self._to_settle: list[Settlement] = []
        self._suspects: list[int] = []
        self._stuck: set[int] = set()
        self._moved: dict[int, Place] = {}
        self._outdated: set[int] = set()
        self._unwritten: set[int] = set()
        self._fresh = True
        self._report = Report()

    # -- between polls -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """At the start of a run: what another run had in hand when it ended is suspect, and is tried alone."""
        suspects = self._messages.suspects()
        alone = [record for record in suspects if (record.in_hand or "").startswith(_ALONE)]
        for record in alone:
            self._messages.died_with(record, alone=True)
        self._suspects = [record.id for record in suspects]
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

        news: whether the connection has told of something in the selected folder; None: it wasn't asked yet.
        """
        self._report = Report()
        self._collect(session, wait=0)
        self._report.opened = self._carry_out(session)
        looks = self._poll.look(session, news=news)
        if self._fresh and looks:
            self._resume_settling(looks)
            self._settle_now(session)  # before a copy that already lies in a watched target is taken for new mail
            self._fresh = False
        relocated: set[int] = set()
        for look in looks:
            for start in range(0, len(look.new), ADMIT_AT_ONCE):
                self._go_on()
                if session.selected != look.folder:
                    session.select(look.folder)
                admitted = self._admission.admit(session, look, look.new[start : start + ADMIT_AT_ONCE], looks)
                relocated |= admitted.tops.keys()
                self._moved |= {row: place for row, place in admitted.places.items() if row in self._hands}
                self._welcome(admitted, look)
                self._work(session, admitted.tops)
        self._messages.found([record.id for look in looks for record in look.found])
        self._miss([record for look in looks for record in look.missing if record.id not in relocated])
        self._work(session, {})
        self._finish(session)
        if session.selected != self._poll.rest:
            session.select(self._poll.rest)
        self._messages.looked_at(self._poll.states() if looks else {}, self._clock())
        return self._report

    def delete_handled(self, session: Session, older_than: timedelta) -> None:
        """Delete mail from the folder of handled mail that was handled longer ago than this."""
        old = self._messages.handled_before(self._clock() - older_than.total_seconds())
        if old and self._settle.delete(session, old):
            self._messages.deleted([record.id for record in old])
            log.info("mailbox.handled_deleted", count=len(old))
            session.select(self._poll.rest)

    def interrupt(self) -> None:
        """End a wait for handlers, so that the next step asks whether to go on; from another thread."""
        self._hands.interrupt()

    @property
    def is_busy(self) -> bool:
        """Whether something is in hand, or has an outcome that the mailbox doesn't show yet."""
        return bool(self._hands) or bool(self._finished) or bool(self._to_settle)

    def abandon(self) -> None:
        """The lease is lost: what is in hand is another worker's now, and what comes of it here is not recorded."""
        self._hands.forget()
        self._finished.clear()
        self._to_settle.clear()

    def record_finished(self) -> None:
        """Record what the pool gave back; needs no connection."""
        self._finished += self._hands.finished(0)
        self._record()

    def stop(self, grace: float, monotonic: Callable[[], float], session: Session | None) -> None:
        """Let what a thread has begun end within the grace period (s); take the rest back, untouched."""
        self._messages.put_back(self._hands.drop_waiting())
        until = monotonic() + grace
        while self._hands and (left := until - monotonic()) > 0:
            self._finished += self._hands.finished(left)
        if self._hands:
            log.error("worker.left_in_hand", count=len(self._hands))
        self._record()
        if session is not None:
            self._settle_now(session)

    # -- new and missing messages --------------------------------------------------------------------------------------

    def _resume_settling(self, looks: Sequence[Look]) -> None:
        """What was recorded and not settled: still there, it is settled now; else it was moved, by us or others."""
        by_folder = {look.folder: look for look in looks}
        self._to_settle.clear()  # all of it is among the unsettled
        moved: list[tuple[int, Place]] = []
        for record in self._messages.unsettled():
            look = by_folder.get(record.place.folder)
            settlement = Settlement.of(record)
            if look is not None and settlement is not None and look.holds(record):
                self._to_settle.append(settlement)
            elif look is not None:
                moved.append((record.id, Place(record.settle_to or record.place.folder, 0, None)))
        self._settle.in_doubt([item.id for item in self._to_settle])
        self._messages.settled(moved, self._clock())

    def _welcome(self, admitted: Admitted, look: Look) -> None:
        self._report.new += len(admitted.new)
        self._report.moved_back += len(admitted.moved_back)
        if admitted.new:
            self._on_new(len(admitted.new))
        for record in admitted.rejudged:
            log.warning("message.rejudged", key=record.key, folder=look.folder)
            if record.id in self._hands:
                self._outdated.add(record.id)
        for record, place in admitted.moved_back:
            log.warning("message.moved_back", key=record.key, folder=look.folder)
            if record.settle_to is not None:
                self._to_settle.append(Settlement(record.id, record.fingerprint, place, record.settle_to))
        if admitted.unread:
            log.warning("mailbox.header_not_shown", count=len(admitted.unread), folder=look.folder)
            self._poll.look_again(look.folder)

    def _miss(self, records: Sequence[Record]) -> None:
        records = [record for record in records if record.id not in self._hands]
        if not records:
            return
        gone = self._messages.missed([record.id for record in records], gone_after=GONE_AFTER, now=self._clock())
        self._report.gone += gone
        self._report.missed += len(records) - gone
        if gone:
            log.warning("message.gone", count=gone)
            self._watching.gone([record for record in records if record.missed + 1 >= GONE_AFTER])
        for folder in {record.place.folder for record in records}:
            self._poll.look_again(folder)

    # -- handing over --------------------------------------------------------------------------------------------------

    def _work(self, session: Session, tops: dict[int, Top]) -> None:
        """Hand over every message that is due, suspects first and one at a time."""
        due = [record for record in self._messages.due(self._clock()) if record.id not in self._hands]
        suspects = [record for record in due if record.id in self._suspects]
        self._work_alone(session, suspects, tops)
        others = sorted(
            (record for record in due if record.id not in {suspect.id for suspect in suspects}),
            key=lambda record: record.place.folder,
        )
        for _, group in groupby(others, key=lambda record: record.place.folder):
            for batch in _batches(group, self._bounds):
                if not self._make_room(session, sum(record.size for record in batch)):
                    return
                self._hand_over(session, batch, tops)
                self._collect(session, wait=0)

    def _work_alone(self, session: Session, suspects: Sequence[Record], tops: dict[int, Top]) -> None:
        """Hand these over one at a time, so that a death tells whose it was.

        What hangs stays in hand meanwhile, and is marked: it may hang for ever, and must not keep the suspects waiting
        for so long; a death now isn't taken for its own.
        """
        if suspects:
            self._finish(session)
        for record in suspects:
            self._messages.not_alone(self._hands.rows())
            self._hand_over(session, [record], tops, alone=True)
            self._finish(session, record.id)
            self._suspects.remove(record.id)
            if record.id in self._hands:
                break  # this one hangs as well: the others' turn is in the next poll

    def _hand_over(
        self, session: Session, batch: Sequence[Record], tops: dict[int, Top], *, alone: bool = False
    ) -> None:
        """Count a try of each message, then touch it."""
        self._go_on()
        batch = self._refuse_hopeless(batch)
        folder = batch[0].place.folder if batch else ""
        batch = self._at_hand(session, folder, batch) if batch else []
        if not batch:
            return
        self._messages.begin_tries([record.id for record in batch], f"{_ALONE if alone else ''}{self._run}")
        try:
            self._touch(session, batch, tops)
        except MailboxError as error:
            done = {item.record.id for item in self._finished}
            self._broke_off(
                [record for record in batch if record.id not in self._hands and record.id not in done],
                alone=alone,
                at_fetch=isinstance(error, ConnectionLost | ProtocolFault | CommandRefused),
            )
            raise

    def _broke_off(self, records: Sequence[Record], *, alone: bool, at_fetch: bool) -> None:
        """These weren't touched: their try didn't happen.

        Where fetching them may be what ends the connection, each is next fetched alone; one that ends it even then is
        put off, so that others go on.
        """
        if not at_fetch:
            self._messages.put_back([record.id for record in records])
        elif alone:
            for record in records:
                self._put_result(record, Outcome(State.PENDING, reason="fetch-broken", after=NOT_READY_WAIT))
        else:
            self._messages.suspect([record.id for record in records])
            self._suspects += [record.id for record in records if record.id not in self._suspects]

    def _touch(self, session: Session, batch: Sequence[Record], tops: dict[int, Top]) -> None:
        done = self._messages.done_handlers([record.id for record in batch if record.tries])
        by_uid = {record.place.uid: record for record in batch if record.place.uid is not None}
        for uid, raw, complete in self._contents(session, by_uid, tops):
            record = by_uid.pop(uid)
            if not complete:
                self._put_result(record, Outcome(State.FAILED, reason="oversize"))
                continue
            message = Message(
                raw,
                key=MessageKey(record.key),
                folder=record.place.folder,
                received_at=_when(record.received_at),
                verdict=record.verdict or Verdict(Path.CLEAN),
                headers=top.headers if (top := tops.pop(record.id, None)) else None,
                limits=self._limits,
            )
            names = {name for name, (is_done, _) in done.get(record.id, {}).items() if is_done}
            self._hands.take(record, message, names)
        if by_uid:
            self._without_content(session, list(by_uid.values()))

    def _contents(
        self, session: Session, by_uid: dict[int, Record], tops: dict[int, Top]
    ) -> Iterator[tuple[int, bytes, bool]]:
        """(UID, bytes, whole) of each message that the server shows; of some only the header is asked for."""
        slim = [uid for uid, record in by_uid.items() if self._headers_only(record.verdict or Verdict(Path.CLEAN))]
        full = [uid for uid in by_uid if uid not in slim]
        expected = sum(by_uid[uid].size for uid in full)
        known = {uid: tops[by_uid[uid].id].raw for uid in slim if by_uid[uid].id in tops}
        for uid, raw in known.items():
            yield uid, raw, True
        for head in session.heads([uid for uid in slim if uid not in known]):
            yield head.uid, head.header, True
        bodies: Iterator[Body] = session.bodies(full, cap=self._bounds.message, expected=expected)
        for body in bodies:
            yield body.uid, body.raw, body.complete

    def _refuse_hopeless(self, batch: Sequence[Record]) -> list[Record]:
        """Dead letters that are recognised without touching the message."""
        kept: list[Record] = []
        for record in batch:
            if record.size > self._bounds.message:
                log.error("message.oversize", key=record.key, size=record.size)
                self._put_result(record, Outcome(State.FAILED, reason="oversize"))
            elif record.deaths >= self._bounds.deaths:
                log.error("message.poison", key=record.key, deaths=record.deaths)
                self._put_result(record, Outcome(State.FAILED, reason="poison"))
            else:
                kept.append(record)
        return kept

    def _without_content(self, session: Session, records: Sequence[Record]) -> None:
        """Messages that the server listed and doesn't show: taken away meanwhile, or not ready yet."""
        there = session.present([record.place.uid for record in records if record.place.uid is not None])
        taken = [record for record in records if record.place.uid not in there]
        self._messages.put_back([record.id for record in taken])
        self._miss(taken)
        for record in records:
            if record.place.uid in there:
                self._put_result(record, Outcome(State.PENDING, reason="not-ready", after=NOT_READY_WAIT))

    def _at_hand(self, session: Session, folder: str, batch: Sequence[Record]) -> list[Record]:
        """Those that can be fetched now. What isn't where its row says is looked for, and fetched after that."""
        watched = folder in self._layout.watched
        try:
            state = session.selected_state if session.selected == folder else session.select(folder)
        except CommandRefused:
            if watched:
                raise
            state = None
        here = [] if state is None else [record for record in batch if _lies_in(record, state)]
        if len(here) == len(batch):
            return here
        if watched:
            self._poll.look_again(folder)
        else:
            self._report.missed += len(batch) - len(here)
            self._miss(self._admission.seek(session, folder, [record for record in batch if record not in here]))
        return here

    def _make_room(self, session: Session, size: int) -> bool:
        """Wait until what is in hand leaves room for so many bytes; false when no handler returns for too long."""
        while self._hands and self._hands.size + size > 2 * self._bounds.batch_bytes:
            if not self._collect(session, wait=self._bounds.patience):
                log.error("handler.stuck", count=len(self._hands))
                return False
        return True

    # -- outcomes ------------------------------------------------------------------------------------------------------

    def _finish(self, session: Session, row: int | None = None) -> None:
        """Wait for what is in hand, or for this message of it; record and settle it.

        What hangs is waited for once, and then left until it comes back by itself: others aren't to wait for it.
        """
        while self._is_awaited(row):
            self._go_on()
            if not self._collect(session, wait=self._bounds.patience):
                log.error("handler.stuck", count=len(self._hands))
                self._stuck.update(self._hands.rows())
        self._record()
        self._settle_now(session)

    def _is_awaited(self, row: int | None) -> bool:
        in_hand = set(self._hands.rows())
        self._stuck &= in_hand
        return bool(in_hand - self._stuck) if row is None else row in in_hand - self._stuck

    def _collect(self, session: Session, *, wait: float) -> bool:
        """Record what the pool gave back, and settle it when there is enough of it; false when there was nothing."""
        finished = self._hands.finished(wait)
        self._finished += finished
        self._record()
        if len(self._to_settle) >= SETTLE_AT_ONCE:
            self._settle_now(session)
        return bool(finished)

    def _put_result(self, record: Record, outcome: Outcome) -> None:
        self._finished.append(Finished(record, outcome))

    def _record(self) -> None:
        """Outcomes are on the disk, with all that handlers wrote, before the mailbox shows them."""
        if not self._finished:
            return
        self._drop_outdated()
        flushed = self._flushed()
        self._finished = [self._as_it_is(item, flushed=flushed) for item in self._finished]
        now = self._clock()
        failures = self._messages.done_handlers([item.record.id for item in self._finished if item.record.tries])
        results = [self._result(item, failures.get(item.record.id, {}), now) for item in self._finished]
        self._messages.record(results, now)
        finished, self._finished = self._finished, []
        for item in finished:
            self._moved.pop(item.record.id, None)
        for item, result in zip(finished, results, strict=True):
            self._announce(item, result)
            target = result.settle_to
            if target is not None:
                record = item.record
                self._to_settle.append(Settlement(record.id, record.fingerprint, record.place, target))
        self._watching.recorded()

    def _drop_outdated(self) -> None:
        """A message that was moved to the other path while in hand: only that it was handled still holds."""
        held = {item.record.id for item in self._finished}
        dropped = {
            item.record.id
            for item in self._finished
            if item.record.id in self._outdated and item.outcome.state is not State.HANDLED
        }
        self._messages.give_back(list(dropped))
        self._finished = [item for item in self._finished if item.record.id not in dropped]
        self._outdated -= held

    def _flushed(self) -> bool:
        try:
            self._flush()
        except Exception:
            log.exception("handler.failed")
            # Of what is still in hand, too, a part may have been lost with it.
            self._unwritten.update(self._hands.rows())
            return False
        return True

    def _as_it_is(self, item: Finished, *, flushed: bool) -> Finished:
        """With the place of now; and what handlers wrote and couldn't bring to the disk isn't done."""
        record, outcome = item.record, item.outcome
        if place := self._moved.get(record.id):
            record = replace(record, place=place)
        written = flushed and record.id not in self._unwritten
        self._unwritten.discard(record.id)
        if not written and (outcome.done or outcome.state in (State.HANDLED, State.JUNK)):
            outcome = Outcome(State.PENDING, reason="not-flushed", route=outcome.route)
        return Finished(record, outcome)

    def _result(self, item: Finished, handlers: dict[str, tuple[bool, int]], now: float) -> Result:
        outcome, record = item.outcome, item.record
        state, next_at, reason = outcome.state, None, outcome.reason
        if state is State.PENDING:
            wait = self._wait(outcome, record, handlers, now)
            if wait is None:
                state = State.FAILED
            else:
                next_at = now + wait.total_seconds()
        return Result(
            id=record.id,
            state=state,
            reason=reason,
            next_at=next_at,
            settle_to=self._settle_to(state, record),
            done=outcome.done,
            failed_handler=outcome.failed_handler,
            waiting=state is State.PENDING and _waits_for_content(outcome),
            path=record.verdict.path if record.verdict else Path.CLEAN,
        )

    def _wait(
        self, outcome: Outcome, record: Record, handlers: dict[str, tuple[bool, int]], now: float
    ) -> timedelta | None:
        """How long until the next try; None: there is none."""
        if _waits_for_content(outcome):
            since = now if record.waiting_since is None else record.waiting_since
            return None if now - since >= NOT_READY_LIMIT.total_seconds() else outcome.after
        failures = handlers.get(outcome.failed_handler or "", (False, 0))[1] + 1
        if outcome.failed_handler is None:
            failures = record.tries + 1
        backoff = self._backoff.after_failure(outcome.route, failures)
        return None if backoff is None else max(backoff, outcome.after or timedelta(0))

    def _settle_to(self, state: State, record: Record) -> str | None:
        """Where the message goes; what lies in the junk folder stays there, unless it is a dead letter."""
        if state is State.JUNK and record.place.folder == self._layout.junk:
            return None
        target = self._targets.of(state, self._layout.junk)
        return None if target == record.place.folder else target

    def _announce(self, item: Finished, result: Result) -> None:
        self._report.outcomes[result.state] = self._report.outcomes.get(result.state, 0) + 1
        with bound(key=item.record.key):
            path = item.record.verdict.path if item.record.verdict else Path.CLEAN
            match result.state:
                case State.HANDLED | State.JUNK:
                    log.info("message.done", outcome=result.state.value, path=path.value, route=item.outcome.route)
                case State.FAILED:
                    log.error("message.dead_letter", reason=result.reason)
                case _:
                    log.warning("message.retry", reason=result.reason, next_at=result.next_at)
        self._on_outcome(item.record, result)
        self._watching.outcome(item.record, result)

    def _settle_now(self, session: Session) -> None:
        if self._to_settle:
            self._go_on()
            for folder in self._settle.settle(session, self._to_settle):
                self._poll.look_again(folder)
            self._to_settle.clear()


_ALONE = "alone "


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


def _lies_in(record: Record, state: FolderState) -> bool:
    return record.place.uidvalidity == state.uidvalidity and record.place.uid is not None


def _waits_for_content(outcome: Outcome) -> bool:
    """Whether the server shows nothing yet, or a stand-in, or breaks off: it may give the message later."""
    return outcome.failed_handler is None and outcome.after is not None


def _when(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
