"""Builds the engine: the loop, the stages of the pipeline, and the handlers."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from worker.commands.wiring.assembly import MessageRules, assemble
from worker.commands.wiring.clear_text import clear_text
from worker.commands.wiring.from_settings import Backoff, classify_of, limits_of, router_of, senders_of
from worker.commands.wiring.retention_wiring import removal_of
from worker.commands.wiring.shared import Parts
from worker.handling.call import Try
from worker.handling.circuit import CircuitRules
from worker.handling.content_check import ContentCheck
from worker.handling.gate import Gate
from worker.handling.handler import Handler
from worker.handling.handler_set import Handlers
from worker.handling.late_builds import LateBuilds
from worker.handling.late_handler import LateHandler
from worker.handling.loading import junk_handlers, load_handlers
from worker.handling.output import OutputCapture
from worker.handling.overdue_calls import Stopwatch
from worker.handling.pool import Pool, Wakeable
from worker.journal.attempts import AttemptLedger
from worker.journal.intents import Intents
from worker.login.guard import Guard
from worker.logs.log import get_logger
from worker.logs.who import replica
from worker.loop.connection import Connector
from worker.loop.cycle import Cycle
from worker.loop.drain import MailboxDrain
from worker.loop.first_mail import Person
from worker.loop.go_ahead import GoAhead
from worker.loop.handler_notes import HandlerNotes
from worker.loop.hold import Hold
from worker.loop.housekeeping import Chore, DeleteHandled, ExpiryLook, Upkeep
from worker.loop.idle import NoWatcher, WatchesSocket
from worker.loop.journal_outage import JournalOutage
from worker.loop.pause import Pause
from worker.loop.pause_watch import PauseWatch
from worker.loop.poll_notes import PollNotes
from worker.message.outcome import LONGEST_AFTER
from worker.message.verdict import MailPath
from worker.observe.listener import Listener
from worker.observe.progress import Drain
from worker.pipeline.dispatch import Bounds
from worker.pipeline.observer import Observers
from worker.pipeline.order import OrderRules
from worker.pipeline.record import Targets
from worker.pipeline.turns import Turns
from worker.settings import HandlerSettings

log = get_logger()


class Engine:
    """The loop with its pipeline and handlers, ready to run. The handlers are closed when the parts are.

    cycle: drives `run`, one poll per call. drain: drives `once`. hold: the lease and the connection that both use.
    pool: the threads that call the handlers. circuits: by the handlers' names.
    """

    def __init__(
        self,
        parts: Parts,
        progress: Drain,
        listener: Listener,
        *,
        watcher: WatchesSocket | None = None,
        waiter: Wakeable | None = None,
        person: Person | None = None,
    ) -> None:
        """progress: shows the progress. listener: is told of everything that happens. watcher: watches the idle
        connection. waiter: woken by the pool's threads when a message is finished. person: hears of old mail.
        """
        self._parts = parts
        self._person = person
        self._settings = parts.settings
        self._observing = listener
        self._output = OutputCapture()
        self._handlers = Handlers({}, self._output, parts.settings.work.grace)
        self._stopwatch = Stopwatch(parts.monotonic)
        parts.close_first(self._close)
        self._output.install()
        self._handlers = load_handlers(parts.settings, self._output)
        for table in clear_text(parts, self._handlers):
            log.warning("connection.clear_text", setting=table)

        gates = self._gates()
        self.circuits = {name: gate.circuit for name, gate in gates.items()}
        self._build_later(waiter)
        turns = self._turns()
        self._go_ahead = GoAhead(parts.lease, Pause(parts.journal.facts, parts.monotonic), listener)
        self.pool = self._pool(self._try(gates, turns), waiter)
        self._settle = parts.settle()
        self._pipeline = assemble(
            journal=parts.journal_parts(),
            rules=self._rules(),
            layout=parts.layout,
            settle=self._settle,
            pool=self.pool,
            turns=turns,
            handlers=self._handlers,
            permission=self._go_ahead,
            observer=Observers(listener, progress),
            clock=parts.clock,
            run=replica(),
        )
        self._outage = JournalOutage(parts.monotonic)
        guard = parts.guard(actor=replica())
        self.hold = self._hold(guard)
        handlers = HandlerNotes(
            parts.journal.facts, self.circuits, self.late, holder=parts.lease.name, clock=parts.clock
        )
        self._notes = PollNotes(parts.journal.facts, parts.clock, self._outage, handlers)
        self._expiries = ExpiryLook(parts.expiry_watch(guard), self._outage, parts.monotonic)
        self._reconnect = [wait.total_seconds() for wait in self._settings.poll.reconnect]
        self.cycle = self._cycle(watcher or NoWatcher())
        self.drain = self._drain()

    @property
    def late(self) -> Mapping[str, LateHandler]:
        """The handlers that couldn't be built at the start, by name, whether or not they are built by now."""
        return self._handlers.late

    def _close(self) -> None:
        self._handlers.close()
        self._output.remove()
        self._stopwatch.close()

    def _gates(self) -> dict[str, Gate]:
        return {
            name: Gate(
                name,
                circuit=CircuitRules(table.pause_after, tuple(pause.total_seconds() for pause in table.pauses)),
                concurrency=table.processes(self._settings.work.threads) if table.isolate else table.concurrency,
                time_limit=None if table.isolate else table.time_limit.total_seconds(),
                stopwatch=self._stopwatch,
                monotonic=self._parts.monotonic,
                observer=self._observing.metrics,
                late=self._handlers.late.get(name),
            )
            for name in self._handlers
            for table in [self._settings.handlers.get(name, HandlerSettings())]
        }

    def _build_later(self, waiter: Wakeable | None) -> None:
        """From now on, build the handlers that couldn't be built yet."""
        tables = {name: self._settings.handlers.get(name, HandlerSettings()) for name in self._handlers.late}
        builds = LateBuilds(
            self._handlers.late,
            self.circuits,
            {name: [pause.total_seconds() for pause in table.pauses] for name, table in tables.items()},
            limit=self._settings.work.start.total_seconds(),
            monotonic=self._parts.monotonic,
            waiter=waiter,
        )
        self._parts.close_first(builds.close)
        builds.hold()
        builds.start()

    def _turns(self) -> Turns:
        order = {
            route.name: OrderRules(route.order_wait.total_seconds(), route.order_retry_wait.total_seconds())
            for route in self._settings.routes
            if route.order == "sender"
        }
        return Turns(
            messages=self._parts.journal.messages,
            tries=self._parts.journal.tries,
            clock=self._parts.clock,
            circuits=self.circuits,
            order=order,
        )

    def _try(self, gates: Mapping[str, Gate], turns: Turns) -> Try:
        return Try(
            router_of(self._settings),
            self._handlers_by_path(),
            self._parts.monotonic,
            observer=self._observing.metrics,
            route_observer=turns,
            gates=gates,
            output=self._output,
        )

    def _handlers_by_path(self) -> dict[MailPath, dict[str, Handler]]:
        """The handlers of each path. The junk path has only those that are named for junk."""
        clean = {name for route in self._settings.routes for name in route.handlers}
        junk = junk_handlers(self._settings)
        return {
            MailPath.CLEAN: {name: handler for name, handler in self._handlers.items() if name in clean},
            MailPath.JUNK: {name: handler for name, handler in self._handlers.items() if name in junk},
        }

    def _pool(self, attempt: Try, waiter: Wakeable | None) -> Pool:
        pool = Pool(
            self._observing.working(attempt),
            self._settings.work.threads,
            contents=ContentCheck(self._parts.journal_parts().marks),
            permission=self._go_ahead,
            stopwatch=self._stopwatch,
            waiter=waiter,
            keep_one_free=any(table.isolate for table in self._settings.handlers.values()),
        )
        self._observing.health.count_replaced(pool.replaced)
        return pool

    def _hold(self, guard: Guard) -> Hold:
        parts = self._parts
        return Hold(
            lease=parts.lease,
            connector=Connector(
                new_session=parts.new_session,
                guard=guard,
                finder=parts.finder,
                settle=self._settle,
            ),
            pipeline=self._pipeline,
            pool=self.pool,
            go_ahead=self._go_ahead,
            guard=guard,
            observer=self._observing,
            outage=self._outage,
            monotonic=parts.monotonic,
        )

    def _cycle(self, watcher: WatchesSocket) -> Cycle:
        parts = self._parts
        return Cycle(
            hold=self.hold,
            go_ahead=self._go_ahead,
            pipeline=self._pipeline,
            tries=parts.journal.tries,
            notes=self._notes,
            pause=self._pause_watch(),
            expiries=self._expiries,
            chores=list(self._chores()),
            watcher=watcher,
            observer=self._observing,
            outage=self._outage,
            reconnect=self._reconnect,
            idle=self._settings.poll.idle,
            clock=parts.clock,
            monotonic=parts.monotonic,
        )

    def _pause_watch(self) -> PauseWatch:
        parts = self._parts
        return PauseWatch(
            parts.journal.facts,
            parts.journal_parts().arrivals(parts.layout),
            every=self._settings.poll.every.total_seconds(),
            remind_after=self._settings.alerts.paused_for.total_seconds(),
            clock=parts.clock,
            monotonic=parts.monotonic,
        )

    def _drain(self) -> MailboxDrain:
        return MailboxDrain(
            hold=self.hold,
            go_ahead=self._go_ahead,
            pipeline=self._pipeline,
            messages=self._parts.journal.messages,
            notes=self._notes,
            expiries=self._expiries,
            chores=[
                self._parts.first_mail(self._person),
                self._parts.unexplained(),
                self._parts.mailbox_size(self._go_ahead),
            ],
            reconnect=self._reconnect,
            clock=self._parts.clock,
        )

    def _chores(self) -> Iterator[Chore]:
        parts, journal = self._parts, self._parts.journal
        yield parts.first_mail(self._person)
        older_than = self._settings.settle.delete_handled_after
        if older_than is not None:
            yield DeleteHandled(
                messages=journal.messages,
                settle=self._settle,
                layout=parts.layout,
                go_ahead=self._go_ahead,
                facts=journal.facts,
                clock=parts.clock,
                older_than=older_than,
            )
        yield parts.unexplained()
        yield removal_of(parts, self._handlers, self._go_ahead, self._observing)
        yield Upkeep(
            journal.facts,
            compact=parts.compact,
            attempts=AttemptLedger(journal.database),
            requests=Intents(journal.database),
            keep=self._settings.state.keep.total_seconds(),
            clock=parts.clock,
        )
        yield parts.mailbox_size(self._go_ahead)

    def _rules(self) -> MessageRules:
        settings = self._settings
        return MessageRules(
            handlers=self._handlers_by_path(),
            classify=classify_of(settings),
            sender_of=senders_of(settings),
            move_releases=settings.junk.moved_out != "judge",
            since=settings.poll.since,
            limits=limits_of(settings),
            deaths=settings.limits.deaths,
            junk_by_headers=self._junk_by_headers(),
            bounds=self._bounds(),
            targets=Targets(settings.settle.handled, settings.settle.failed, settings.settle.junk),
            backoff=Backoff(settings),
        )

    def _junk_by_headers(self) -> bool:
        """Whether the handlers of junk all need headers only, so that the body needn't be fetched."""
        names = junk_handlers(self._settings)
        return all(getattr(self._handlers[name].call, "headers_only", False) for name in names)

    def _bounds(self) -> Bounds:
        poll = self._settings.poll
        return Bounds(
            batch_bytes=poll.batch_bytes,
            batch_count=poll.batch_count,
            patience=poll.every.total_seconds(),
            longest_wait=max(self._waits()).total_seconds(),
        )

    def _waits(self) -> Iterator[timedelta]:
        """Every wait that a message may have before its next try."""
        yield LONGEST_AFTER
        yield from self._settings.junk.waits
        for route in self._settings.routes:
            yield from route.waits
        for table in self._settings.handlers.values():
            yield from table.pauses
