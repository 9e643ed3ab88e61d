"""The recorder: collects outcomes and writes them down a batch at a time, with everything that handlers wrote."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from worker.handling.in_hand import Finished
from worker.handling.pool import Pool
from worker.journal.messages import Messages
from worker.journal.records import Place, Record, Result
from worker.journal.tries import Tries
from worker.logs.log import bound, get_logger
from worker.message.content_mark import is_comparable
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath
from worker.pipeline.observer import Observer
from worker.pipeline.record import Results, named_failure
from worker.pipeline.settlement import Settlement

log = get_logger()


class Flushable(Protocol):
    """The storage that handlers write to."""

    def flush(self) -> None:
        """Bring everything that handlers wrote to the disk. May raise anything; then none of it counts as written."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written down: how many outcomes of each state, and which messages are to be moved now.

    new: how many doubtful messages turned out to be new. lost: done messages that were moved while they were in hand,
    so that only their content can show what lies in their places.
    """

    outcomes: Counter[State] = field(default_factory=Counter)
    settlements: tuple[Settlement, ...] = ()
    new: int = 0
    lost: tuple[Record, ...] = ()


class Recorder:
    """Collects outcomes and writes them down a batch at a time. For one thread."""

    def __init__(
        self,
        *,
        messages: Messages,
        tries: Tries,
        pool: Pool,
        results: Results,
        handlers: Flushable,
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        self._messages = messages
        self._tries = tries
        self._pool = pool
        self._results = results
        self._handlers = handlers
        self._observer = observer
        self._clock = clock
        self._finished: list[Finished] = []
        self._moved: dict[int, Place] = {}
        self._outdated: set[int] = set()
        self._unwritten: set[int] = set()

    def add(self, finished: Iterable[Finished]) -> None:
        """Take in what came back from the pool."""
        self._finished += finished

    def put(self, record: Record, outcome: Outcome) -> None:
        """Take in the outcome of a message that reached no handler."""
        self._finished.append(Finished(record, outcome))

    def relocated(self, places: Mapping[int, Place]) -> None:
        """Messages were found in other places: the outcomes of those in hand are settled from there."""
        self._moved |= {row: place for row, place in places.items() if row in self._pool}

    def rejudged(self, row: int) -> None:
        """The message changed its path. If it is in hand, its outcome counts only if it is `handled`."""
        if row in self._pool:
            self._outdated.add(row)

    def discard(self, row: int) -> None:
        """The message was in hand and came back without an outcome."""
        self._moved.pop(row, None)
        self._outdated.discard(row)
        self._unwritten.discard(row)

    def forget(self) -> None:
        """Drop what isn't written down, and everything known about messages in hand."""
        self._finished.clear()
        self._moved.clear()
        self._outdated.clear()
        self._unwritten.clear()

    def record(self) -> Recorded:
        """Write down all outcomes. When this returns they are on the disk, with everything that handlers wrote.

        Raises:
            JournalUnavailable: nothing was written down; everything stays for the next call.
        """
        if not self._finished:
            return Recorded()
        self._drop_outdated()
        flushed = self._flushed()
        moved = {item.record.id for item in self._finished if self._was_moved(item.record)}
        self._finished = [self._as_it_is(item, flushed=flushed) for item in self._finished]
        now = self._clock()
        handlers = self._tries.done_handlers([item.record.id for item in self._finished if item.record.tries])
        results = [
            replace(
                self._results.of(item, handlers.get(item.record.id, {}), now),
                content=item.outcome.content,
                astray=item.record.id in moved and is_comparable(item.outcome.content),
            )
            for item in self._finished
        ]
        self._tries.record(results, now)
        finished, self._finished = self._finished, []
        for item, result in zip(finished, results, strict=True):
            self._moved.pop(item.record.id, None)
            self._tell(item, result)
        self._observer.recorded()
        return Recorded(
            Counter(result.state for result in results),
            tuple(
                Settlement(item.record.id, item.record.fingerprint, item.record.place, result.settle_to)
                for item, result in zip(finished, results, strict=True)
                if result.settle_to is not None and result.moves
            ),
            sum(1 for item in finished if _is_new(item)),
            tuple(item.record for item, result in zip(finished, results, strict=True) if result.is_lost),
        )

    def _was_moved(self, record: Record) -> bool:
        """Whether it was found in another place since it was handed over: by its headers, so that place is in doubt."""
        return self._moved.get(record.id, record.place) != record.place

    def _drop_outdated(self) -> None:
        """Drop the outcomes, except `handled`, of messages that changed their path while in hand.

        Before a message is recorded as junk, its path is read from the journal once more, because others may have
        changed it: once recorded as junk, a released message would be out of reach.
        """
        held = {item.record.id for item in self._finished}
        junk = [item.record.id for item in self._finished if item.outcome.state is State.JUNK]
        outdated = self._outdated | self._messages.on_path(MailPath.CLEAN, junk)
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
            self._handlers.flush()
        except Exception:
            log.exception("handler.failed")
            # Messages still in hand may have lost a part of what their handlers wrote, too.
            self._unwritten.update(self._pool.rows())
            return False
        return True

    def _as_it_is(self, item: Finished, *, flushed: bool) -> Finished:
        """The item with its present place; pending, not done, if what its handlers wrote didn't reach the disk."""
        record, outcome = item.record, item.outcome
        if place := self._moved.get(record.id):
            record = replace(record, place=place)
        written = flushed and record.id not in self._unwritten
        self._unwritten.discard(record.id)
        if not written and (outcome.done or outcome.state in (State.HANDLED, State.JUNK)):
            outcome = Outcome(State.PENDING, reason="not-flushed", route=outcome.route)
        return Finished(record, outcome)

    def _tell(self, item: Finished, result: Result) -> None:
        with bound(key=item.record.key):
            if _is_new(item):
                log.warning("message.other_content", folder=item.record.place.folder)
            path = item.record.verdict.path
            match result.state:
                case State.HANDLED | State.JUNK:
                    log.info("message.done", outcome=result.state.value, path=path.value, route=item.outcome.route)
                case State.PENDING if item.outcome.held:
                    log.debug("message.held", reason=result.reason, next_at=result.next_at)
                case State.FAILED:
                    log.error("message.dead_letter", reason=result.reason, **named_failure(result))
                case _:
                    log.warning("message.retry", reason=result.reason, next_at=result.next_at, **named_failure(result))
        self._observer.outcome(item.record, result)


def _is_new(item: Finished) -> bool:
    """Whether it looked like a message that was handed over before, and its content is another."""
    return item.record.doubtful and item.record.content is None and item.outcome.content is not None
