"""Outcomes: what each try came to is written down, on the disk, before the mailbox shows it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from worker.handling.pool import Finished, Hands
from worker.journal.messages import Messages
from worker.journal.records import Place, Record, Result
from worker.journal.tries import Tries
from worker.logs import bound, get_logger
from worker.mailbox.folders import Layout
from worker.message.outcome import Outcome, State
from worker.message.verdict import Path
from worker.pipeline.observer import Watching
from worker.pipeline.settle import Settlement

log = get_logger()

NOT_READY_LIMIT = timedelta(hours=1)
"""The server lists a message and shows no content, or a stand-in: waited for so long before it is a dead letter."""
KEEP = "keep"


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


class Backoff(Protocol):
    """How often and when a message is tried again."""

    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        """The wait before the next try; None: that was the last."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written down: how many of each state, and what is now to be moved."""

    outcomes: Counter[State] = field(default_factory=Counter)
    settlements: tuple[Settlement, ...] = ()


class Recorder:
    """Collects outcomes and writes them down, a batch at a time. One owner."""

    def __init__(
        self,
        *,
        messages: Messages,
        tries: Tries,
        hands: Hands,
        targets: Targets,
        layout: Layout,
        backoff: Backoff,
        flush: Callable[[], None],
        clock: Callable[[], float],
        on_outcome: Callable[[Record, Result], None],
        watching: Watching | None = None,
    ) -> None:
        """flush: brings all that handlers wrote to the disk."""
        self._messages = messages
        self._tries = tries
        self._hands = hands
        self._targets = targets
        self._layout = layout
        self._backoff = backoff
        self._flush = flush
        self._clock = clock
        self._on_outcome = on_outcome
        self._watching = watching or Watching()
        self._finished: list[Finished] = []
        self._moved: dict[int, Place] = {}
        self._outdated: set[int] = set()
        self._unwritten: set[int] = set()

    def add(self, finished: Iterable[Finished]) -> None:
        """What the pool gave back."""
        self._finished += finished

    def put(self, record: Record, outcome: Outcome) -> None:
        """The outcome of a message that came to no handler."""
        self._finished.append(Finished(record, outcome))

    @property
    def is_due(self) -> bool:
        """Whether there is an outcome that isn't written down yet."""
        return bool(self._finished)

    def holds(self, row: int) -> bool:
        """Whether there is an outcome of this message that isn't written down yet."""
        return any(item.record.id == row for item in self._finished)

    def relocated(self, places: Mapping[int, Place]) -> None:
        """Messages were found in other places; of those in hand, the outcome is settled from there."""
        self._moved |= {row: place for row, place in places.items() if row in self._hands}

    def rejudged(self, row: int) -> None:
        """The message changed its path; where it is in hand, only that it was handled will still hold."""
        if row in self._hands:
            self._outdated.add(row)

    def forget(self) -> None:
        """Drop what isn't written down, and all that was known of what is in hand."""
        self._finished.clear()
        self._moved.clear()
        self._outdated.clear()
        self._unwritten.clear()

    def record(self) -> Recorded:
        """Write down what there is: on the disk, with all that handlers wrote, when this returns.

        Raises:
            JournalUnavailable: nothing was written down; it all stays for the next call.
        """
        if not self._finished:
            return Recorded()
        self._drop_outdated()
        flushed = self._flushed()
        self._finished = [self._as_it_is(item, flushed=flushed) for item in self._finished]
        now = self._clock()
        failures = self._tries.done_handlers([item.record.id for item in self._finished if item.record.tries])
        results = [self._result(item, failures.get(item.record.id, {}), now) for item in self._finished]
        self._tries.record(results, now)
        finished, self._finished = self._finished, []
        for item in finished:
            self._moved.pop(item.record.id, None)
        for item, result in zip(finished, results, strict=True):
            self._announce(item, result)
        self._watching.recorded()
        return Recorded(
            Counter(result.state for result in results),
            tuple(
                Settlement(item.record.id, item.record.fingerprint, item.record.place, result.settle_to)
                for item, result in zip(finished, results, strict=True)
                if result.settle_to is not None
            ),
        )

    def _drop_outdated(self) -> None:
        """A message that was moved to the other path while in hand: only that it was handled still holds.

        Junk is asked for its path once more, whoever changed it: as junk, a released message would be out of reach.
        """
        held = {item.record.id for item in self._finished}
        junk = [item.record.id for item in self._finished if item.outcome.state is State.JUNK]
        outdated = self._outdated | self._messages.on_path(Path.CLEAN, junk)
        dropped = {
            item.record.id
            for item in self._finished
            if item.record.id in outdated and item.outcome.state is not State.HANDLED
        }
        self._tries.give_back(list(dropped))
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
            untried=outcome.held or _waits_for_content(outcome),
            path=record.verdict.path,
        )

    def _wait(
        self, outcome: Outcome, record: Record, handlers: dict[str, tuple[bool, int]], now: float
    ) -> timedelta | None:
        """How long until the next try; None: there is none."""
        if outcome.held:
            return outcome.after or timedelta(0)
        if _waits_for_content(outcome):
            since = now if record.waiting_since is None else min(record.waiting_since, now)  # the clock was put back
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
        with bound(key=item.record.key):
            path = item.record.verdict.path
            match result.state:
                case State.HANDLED | State.JUNK:
                    log.info("message.done", outcome=result.state.value, path=path.value, route=item.outcome.route)
                case State.PENDING if item.outcome.held:
                    log.debug("message.held", reason=result.reason, next_at=result.next_at)
                case State.FAILED:
                    log.error("message.dead_letter", reason=result.reason)
                case _:
                    log.warning("message.retry", reason=result.reason, next_at=result.next_at)
        self._on_outcome(item.record, result)
        self._watching.outcome(item.record, result)


def _waits_for_content(outcome: Outcome) -> bool:
    """Whether the server shows nothing yet, or a stand-in, or breaks off: it may give the message later."""
    return outcome.failed_handler is None and outcome.after is not None and not outcome.held
