"""Puts the engine together: the loop with all its stages, and the handlers that they call."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from worker.commands.wiring.from_settings import classify_of, limits_of, router_of
from worker.commands.wiring.shared import Parts
from worker.handling.call import Try
from worker.handling.circuit import CircuitRules
from worker.handling.gate import Keeper
from worker.handling.handler import Handler, in_time
from worker.handling.loading import junk_handlers, load_handlers
from worker.handling.output import Guests
from worker.handling.pool import Hands
from worker.handling.routing.conditions import any_pattern
from worker.handling.routing.router import JUNK_ROUTE
from worker.handling.stopwatch import Stopwatch
from worker.journal.attempts import AttemptLedger
from worker.journal.intents import Intents
from worker.journal.records import Record, Result
from worker.logs import get_logger
from worker.logs.who import replica
from worker.loop.connection import Connector
from worker.loop.cycle import Cycle
from worker.loop.housekeeping import Upkeep
from worker.loop.pause import Pause
from worker.message.outcome import LONGEST_AFTER, State
from worker.message.verdict import Path as MailPath
from worker.message.verdict import Verdict
from worker.observe.listener import Listener
from worker.observe.progress import Drain
from worker.pipeline.admit import Admission
from worker.pipeline.fetch import Fetch
from worker.pipeline.known_senders import Senders, read_key
from worker.pipeline.pipeline import Bounds, Pipeline
from worker.pipeline.poll import Poll
from worker.pipeline.record import Recorder, Targets
from worker.pipeline.settle import Settle
from worker.pipeline.turns import Turns
from worker.settings import HandlerSettings, JunkSettings, RouteSettings, Settings

log = get_logger()


class Engine:
    """The loop, ready to run. The handlers are closed with the parts.

    cycle: one run after another. hands: the threads that the handlers are called in. circuits: by the handlers' names.
    """

    def __init__(self, parts: Parts, drain: Drain, observing: Listener) -> None:
        """drain: told how far it is. observing: told of all that happens."""
        self._parts = parts
        self._settings = parts.settings
        self._drain = drain
        self._observing = observing
        self._handlers: dict[str, Handler] = {}
        self._guests = Guests()
        self._stopwatch = Stopwatch(parts.monotonic)
        parts.close_first(self._close)
        self._guests.install()
        self._handlers = load_handlers(parts.settings, self._guests)

        keepers = self._keepers()
        self.circuits = {name: keeper.circuit for name, keeper in keepers.items()}
        turns = self._turns()
        pause = Pause(parts.journal.facts, parts.monotonic)
        self.hands = self._hands(self._try(keepers, turns), pause)
        settle = parts.settle()
        self.cycle = self._cycle(pause, settle)
        self.cycle.pipeline = self._pipeline(settle, turns)

    def _close(self) -> None:
        for handler in self._handlers.values():
            self._close_handler(handler)
        self._guests.remove()
        self._stopwatch.close()

    def _close_handler(self, handler: Handler) -> None:
        """Whatever a handler does when it is closed, the others are closed too, and the journal."""

        def close() -> None:
            with self._guests.at_work(handler.name):
                handler.close()

        try:
            in_time(close, self._settings.work.grace.total_seconds())
        except Exception:
            log.exception("handler.failed", handler=handler.name)

    def _keepers(self) -> dict[str, Keeper]:
        return {
            name: Keeper(
                name,
                circuit=CircuitRules(table.pause_after, tuple(pause.total_seconds() for pause in table.pauses)),
                concurrency=table.concurrency,
                time_limit=None if table.isolate else table.time_limit.total_seconds(),
                stopwatch=self._stopwatch,
                monotonic=self._parts.monotonic,
                on_overdue=self._observing.metrics.overdue,
            )
            for name in self._handlers
            for table in [self._settings.handlers.get(name, HandlerSettings())]
        }

    def _turns(self) -> Turns:
        ordered = [route.name for route in self._settings.routes if route.order == "sender"]
        return Turns(
            self._parts.journal.messages,
            self._parts.journal.tries,
            self._parts.clock,
            circuits=self.circuits,
            ordered=ordered,
        )

    def _try(self, keepers: Mapping[str, Keeper], turns: Turns) -> Try:
        return Try(
            router_of(self._settings),
            self._handlers_by_path(),
            self._parts.monotonic,
            self._observing.metrics.handled,
            keepers=keepers,
            routed=turns.routed,
            guests=self._guests,
        )

    def _handlers_by_path(self) -> dict[MailPath, dict[str, Handler]]:
        """Each path has its own: what isn't named for junk doesn't exist there."""
        clean = {name for route in self._settings.routes for name in route.handlers}
        junk = junk_handlers(self._settings)
        return {
            MailPath.CLEAN: {name: handler for name, handler in self._handlers.items() if name in clean},
            MailPath.JUNK: {name: handler for name, handler in self._handlers.items() if name in junk},
        }

    def _hands(self, attempt: Try, pause: Pause) -> Hands:
        lease = self._parts.lease
        hands = Hands(
            self._observing.working(attempt),
            self._settings.work.threads,
            may_begin=lambda: lease.is_held() and not pause.lately(),
        )
        self._stopwatch.on_overdue = hands.lost
        self._observing.health.count_replaced(hands.replaced)
        return hands

    def _cycle(self, pause: Pause, settle: Settle) -> Cycle:
        parts, settings = self._parts, self._settings
        guard = parts.guard(actor=replica())
        return Cycle(
            lease=parts.lease,
            connector=Connector(
                new_session=parts.new_session,
                guard=guard,
                layout=parts.layout,
                junk_setting=settings.junk.folder,
                targets=parts.targets(),
                check=settle.check,
            ),
            facts=parts.journal.facts,
            pause=pause,
            idle=settings.poll.idle,
            reconnect=[wait.total_seconds() for wait in settings.poll.reconnect],
            clock=parts.clock,
            monotonic=parts.monotonic,
            messages=parts.journal.messages,
            tries=parts.journal.tries,
            check_age=guard.check_age,
            keep_watch=guard.keep_watch,
            watching=self._observing,
            delete_handled_after=settings.settle.delete_handled_after,
            upkeep=self._upkeep(),
        )

    def _upkeep(self) -> Upkeep:
        database = self._parts.journal.database
        return Upkeep(
            self._parts.journal.facts,
            compact=self._parts.compact,
            forget=[AttemptLedger(database).compact, Intents(database).forget],
            keep=self._settings.state.keep.total_seconds(),
            clock=self._parts.clock,
        )

    def _pipeline(self, settle: Settle, turns: Turns) -> Pipeline:
        parts, settings = self._parts, self._settings
        messages = parts.journal.messages
        admission, recorder = self._admission(), self._recorder()
        return Pipeline(
            poll=Poll(
                messages, parts.journal.places, parts.layout, settings.poll.since, account=settings.account.address
            ),
            admission=admission,
            fetch=self._fetch(admission, recorder),
            hands=self.hands,
            recorder=recorder,
            settle=settle,
            carry_out=parts.carry_out(),
            messages=messages,
            tries=parts.journal.tries,
            places=parts.journal.places,
            bounds=self._bounds(),
            go_on=self.cycle.go_on,
            clock=parts.clock,
            on_new=self._drain.found,
            watching=self._observing,
            turns=turns,
        )

    def _admission(self) -> Admission:
        return Admission(
            self._parts.journal.messages,
            self._parts.journal.places,
            account=self._settings.account.address,
            layout=self._parts.layout,
            classify=classify_of(self._settings),
            clock=self._parts.clock,
            sender_of=self._senders(),
            on_moved_out=self._on_moved_out(),
        )

    def _senders(self) -> Senders:
        known = self._settings.junk.known_senders
        return Senders(read_key(self._settings.state.dir), any_pattern(known or ()))

    def _on_moved_out(self) -> Callable[[Record], None] | None:
        if self._settings.junk.moved_out == "judge":
            return None
        announcer = self._parts.announcer()
        return lambda record: announcer.moved_out(record.key)

    def _recorder(self) -> Recorder:
        settle = self._settings.settle
        return Recorder(
            messages=self._parts.journal.messages,
            tries=self._parts.journal.tries,
            hands=self.hands,
            targets=Targets(settle.handled, settle.failed, settle.junk),
            layout=self._parts.layout,
            backoff=Backoff(self._settings),
            flush=self._flush,
            clock=self._parts.clock,
            on_outcome=_counting(self._drain),
            watching=self._observing,
        )

    def _flush(self) -> None:
        for handler in self._handlers.values():
            handler.flush()

    def _fetch(self, admission: Admission, recorder: Recorder) -> Fetch:
        return Fetch(
            messages=self._parts.journal.messages,
            tries=self._parts.journal.tries,
            places=self._parts.journal.places,
            account=self._settings.account.address,
            hands=self.hands,
            recorder=recorder,
            layout=self._parts.layout,
            limits=limits_of(self._settings),
            deaths=self._settings.limits.deaths,
            headers_only=self._headers_only,
            seek=admission.seek,
            run=replica(),
        )

    def _headers_only(self, verdict: Verdict) -> bool:
        """Whether no handler of this path wants more than the headers, so that the body isn't even fetched."""
        return verdict.path is MailPath.JUNK and all(
            getattr(self._handlers[name].call, "headers_only", False) for name in junk_handlers(self._settings)
        )

    def _bounds(self) -> Bounds:
        poll = self._settings.poll
        return Bounds(
            batch_bytes=poll.batch_bytes,
            batch_count=poll.batch_count,
            patience=poll.every.total_seconds(),
            longest_wait=max(self._waits()).total_seconds(),
        )

    def _waits(self) -> Iterator[timedelta]:
        """All that a message may have to wait for until its next try."""
        yield LONGEST_AFTER
        yield from self._settings.junk.waits
        for route in self._settings.routes:
            yield from route.waits
        for table in self._settings.handlers.values():
            yield from table.pauses


class Backoff:
    """The routes' tries and waits, and those of the junk path; for what comes to no route, the last route's."""

    def __init__(self, settings: Settings) -> None:
        self._routes: dict[str, RouteSettings | JunkSettings] = {route.name: route for route in settings.routes}
        self._routes[JUNK_ROUTE] = settings.junk
        self._last = settings.routes[-1]

    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        """The wait before the next try; None: that was the last."""
        rule = self._routes.get(route or "", self._last)
        if failures >= rule.tries:
            return None
        return rule.waits[min(failures, len(rule.waits)) - 1]


def _counting(drain: Drain) -> Callable[[Record, Result], None]:
    def count(record: Record, result: Result) -> None:
        del record
        if result.state is not State.PENDING:
            drain.finished()

    return count
