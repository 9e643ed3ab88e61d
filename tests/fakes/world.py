"""The real pipeline, loop and journal on a mailbox in memory, in simulated time, with crashes and losses on demand."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from tests.fakes.journal import with_tables
from tests.fakes.mailbox import FAILED, INBOX, JUNK, PROCESSED, FakeSession, Server
from worker.commands.wiring.assembly import JournalParts, MessageRules, assemble
from worker.handling.call import Try
from worker.handling.circuit import CircuitRules
from worker.handling.content_check import ContentCheck, Doubt
from worker.handling.gate import Built, Gate
from worker.handling.handler import Handler
from worker.handling.in_hand import Finished, InHand
from worker.handling.overdue_calls import Stopwatch
from worker.journal.database import Database, JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.inbox_rows import InboxRows
from worker.journal.intents import Intents
from worker.journal.intents import Kind as IntentKind
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import Record, Result
from worker.journal.schema import message
from worker.journal.tries import Tries
from worker.loop.cycle import Cycle
from worker.loop.drain import MailboxDrain
from worker.loop.go_ahead import GoAhead
from worker.loop.hold import Hold
from worker.loop.housekeeping import Chore, DeleteHandled, ExpiryLook
from worker.loop.idle import NoWatcher
from worker.loop.journal_outage import JournalOutage
from worker.loop.pause import Pause
from worker.loop.pause_watch import PauseWatch
from worker.loop.poll_notes import PollNotes
from worker.loop.steady_clock import CLOCK, ENOUGH
from worker.mailbox.errors import ConnectionLost
from worker.mailbox.folder_finder import FolderFinder
from worker.mailbox.folders import Layout, Wanted, WantedFolders
from worker.mailbox.session import Session
from worker.message.content_mark import ContentMarks
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits
from worker.message.outcome import Outcome, Reject, Retry, State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.pipeline.dispatch import Bounds
from worker.pipeline.known_senders import Sender
from worker.pipeline.observer import Observer
from worker.pipeline.order import OrderRules
from worker.pipeline.recognition import MOVED_OUT
from worker.pipeline.record import Targets
from worker.pipeline.settle import Settle
from worker.pipeline.turns import Turns
from worker.reconcile.balance import Balance, Reconcile
from worker.reconcile.compact import Compact
from worker.reconcile.walk import Walk

ACCOUNT = "pathology.results@nhs.net"
DEATHS = 8
TRIES = 6


class Killed(BaseException):
    """The process dies here: everything it held in memory is gone."""


class Clock:
    """The time. ahead: how many seconds the wall clock is ahead of the monotonic one."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.ahead = 0.0

    def __call__(self) -> float:
        return self.now + self.ahead

    def monotonic(self) -> float:
        return self.now


@dataclass
class Fault:
    """What strikes at the n-th call of the journal or the session from now, before or after the call takes effect."""

    calls: int
    after: bool
    what: type[BaseException]


class Faults:
    """Counts calls, and strikes once."""

    def __init__(self) -> None:
        self.planned: Fault | None = None
        self.calls: list[str] = []
        self.record = False

    def strike(self, name: str, *, after: bool) -> None:
        if self.record and not after:
            self.calls.append(name)
        fault = self.planned
        if fault is None:
            return
        journal = name.startswith("journal.")
        if fault.what is ConnectionLost and journal:
            return
        if fault.what is JournalUnavailable and (not journal or after):
            return
        if not after:
            fault.calls -= 1
        if fault.calls < 0 and after == fault.after:
            self.planned = None
            raise fault.what(f"at {name}")


class FaultyRows:
    """The journal's messages, tries, places or intents; any call may fail or end the process."""

    def __init__(self, real: Messages | Tries | Places | Intents, faults: Faults, world: "World") -> None:
        self._real = real
        self._faults = faults
        self._world = world

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._faults.strike(f"journal.{name}", after=False)
            result = method(*args, **kwargs)
            if name == "record":
                self._world.note(args[0])
            if name == "reopen":
                self._world.reopened(args[0], kwargs.get("verdict"))
            if name == "redeliver" and result:
                self._world.redelivered(args[0], kwargs["only"])
            self._faults.strike(f"journal.{name}", after=True)
            return result

        return call


class SlowHands:
    """`worker.handling.pool.Pool` without threads.

    hold: messages come back only when somebody waits for them. hung: for which messages the handlers never return.
    """

    def __init__(self, attempt: Callable[[Message, Collection[str]], Outcome], marks: ContentMarks) -> None:
        self._attempt = attempt
        self._contents = ContentCheck(marks)
        self._items: dict[int, tuple[InHand, Outcome | None]] = {}
        self._came_back: set[int] = set()
        self.hold = False
        self.hung: Callable[[Message], bool] = lambda _message: False
        self.overdue: Callable[[Message], bool] = lambda _message: False
        """Whether a call that hasn't returned takes longer than its time limit."""
        self.one_at_a_time = False
        """Each wait ends with the first handler that returns."""
        self.asked: Callable[[float], None] = lambda _wait: None
        """Called with the wait (s) whenever somebody asks for what came back, before the answer."""
        self.most = 0
        self.most_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, row: int) -> bool:
        return row in self._items

    def rows(self) -> list[int]:
        return list(self._items)

    def keys(self) -> list[str]:
        return [item.record.key for item, _ in self._items.values()]

    def overdue_rows(self) -> set[int]:
        return {
            row for row, (item, _) in self._items.items() if item.message is not None and self.overdue(item.message)
        }

    @property
    def size(self) -> int:
        return sum(item.size for item, _ in self._items.values())

    def finish(self, record: Record, outcome: Outcome) -> None:
        message: Any = None
        self._items[record.id] = (InHand(record, message, (), 0), outcome)
        self._came_back.add(record.id)

    def take(
        self,
        record: Record,
        message: Message,
        already_done: Collection[str],
        *,
        doubt: Doubt | None = None,
        headers_alone: bool = False,
    ) -> None:
        assert record.id not in self._items, "a message was handed over that is in hand already"
        item = InHand(record, message, already_done, message.size, doubt, headers_alone)
        self._items[record.id] = (item, None)
        self.most = max(self.most, len(self._items))
        self.most_bytes = max(self.most_bytes, self.size)
        if not self.hung(message):
            self._items[record.id] = (item, self._outcome(item))

    def _outcome(self, item: InHand) -> Outcome:
        assert item.message is not None
        return self._contents.handle(
            self._attempt, item.message, item.already_done, doubt=item.doubt, headers_alone=item.headers_alone
        )

    def finished(self, wait: float) -> list[Finished]:
        self.asked(wait)
        if self.one_at_a_time and wait > 0:
            self._came_back.update(self.rows()[:1])
        asked_for = self._came_back if self.one_at_a_time or (self.hold and wait <= 0) else set(self._items)
        done = [
            (item.record, outcome)
            for row, (item, outcome) in self._items.items()
            if outcome is not None and row in asked_for
        ]
        for record, _ in done:
            self._came_back.discard(record.id)
            del self._items[record.id]
        return [Finished(record, outcome) for record, outcome in done]

    def drop_waiting(self) -> list[int]:
        return []

    def drop_slow(self) -> list[int]:
        return []

    def is_slow(self, _record: Record) -> bool:
        return False

    def interrupt(self) -> None:
        pass

    def forget(self) -> None:
        self._items.clear()

    def end_hang(self) -> None:
        """The handlers that hung return, although nobody waits for them any more."""
        for row, (item, outcome) in self._items.items():
            if outcome is None and item.message is not None:
                self._came_back.add(row)
                self._items[row] = (item, self._outcome(item))


class _Lease:
    term = 1

    def __init__(self, database: Database) -> None:
        self.held = True
        self._inbox = InboxRows(database)
        self._taken = False

    def acquire(self) -> bool:
        if self.held and not self._taken:
            while self._inbox.rename_some():
                pass
            self._taken = True
        return self.held

    def renew(self) -> None:
        pass

    def is_held(self) -> bool:
        return self.held

    def release(self) -> None:
        pass


class _Connector:
    def __init__(self, server: Server, settle: Settle, layout: Layout) -> None:
        self._server = server
        self._settle = settle
        watched = tuple(Wanted(name, "[poll] folders") for name in layout.folders)
        self._finder = FolderFinder(layout, WantedFolders(watched, Wanted(JUNK, "[junk] folder")))
        self._session: FakeSession | None = None
        self._is_careful = False
        self.logins = 0

    def session(self) -> tuple[FakeSession, bool]:
        if self._session is not None and self._session.is_open:
            self._session.be_careful(careful=False)
            return self._session, False
        session: Any = self._server.session()
        session.be_careful(careful=self._is_careful)
        self._settle.check(session)
        self._finder.find(session, session.folders())
        self._session = session
        self.logins += 1
        return session, True

    def current(self) -> FakeSession | None:
        return self._session if self._session is not None and self._session.is_open else None

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._is_careful = session.ended_ahead
            session.close()


class _NothingExpires:
    def look(self) -> None:
        pass


class _Guard:
    def keep_watch(self) -> None:
        pass

    def status(self) -> Any:
        return SimpleNamespace(standing=SimpleNamespace(failures=0))


class Told(Observer):
    """What observers were told."""

    def __init__(self) -> None:
        self.known = 0
        """How many done messages were known again by headers and size alone."""
        self.keys_gone: list[str] = []
        self.keys_moved_out: set[str] = set()
        """The keys of junk that a move has released."""

    def known_by_headers(self, count: int) -> None:
        self.known += count

    def moved_out(self, record: Record) -> None:
        self.keys_moved_out.add(record.key)

    def gone(self, records: Sequence[Record]) -> None:
        self.keys_gone += [record.key for record in records]


class _Flush:
    """The storage that handlers write to: `World.flush`, as it is at that moment."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def flush(self) -> None:
        self._world.flush()


class Routes:
    """Two handlers for clean mail, one for junk. Among several routes, the last has the handlers."""

    def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
        if kind(message.raw) == "unroutable":
            raise RuntimeError("a fault of the rules")
        if message.path is MailPath.JUNK:
            return (("junk", ("quarantine",)),)
        *others, last = (message.headers.get("X-Route") or "all").split()
        return *((name, ()) for name in others), (last, ("archive", "notify"))


def sender_of(headers: Headers) -> Sender:
    return Sender(headers.get("X-Sender"), confirmed={"yes": True, "no": False}.get(headers.get("X-Confirmed") or ""))


class _Backoff:
    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        return None if failures >= TRIES else timedelta(minutes=failures)


def kind(raw: bytes) -> str:
    """What a handler is to do with a message."""
    return (Headers.from_bytes(raw).get("X-Kind") or "ok").strip()


@dataclass(frozen=True)
class Call:
    """A handler was given a message."""

    handler: str
    key: str
    path: MailPath
    folder: str
    raw: bytes
    redelivery: int = 0


class World:
    """A mailbox, a journal that outlives the process, and a process that may die at any call."""

    def __init__(
        self,
        server: Server | None = None,
        *,
        handled: str = PROCESSED,
        junk: str = "auto",
        database: Database | None = None,
        pause_after: int = 0,
        pauses: tuple[float, ...] = (30.0, 120.0),
        ordered: bool = False,
        order: Mapping[str, OrderRules] | None = None,
        move_releases: bool = False,
    ) -> None:
        """What the settings say:

        pause_after: a handler is paused after so many failures. pauses: for so long (s). ordered: the route `all` asks
        for order, for as long as the defaults say; order: what each route asks for instead. move_releases: a move out
        of the junk folder counts as a release.
        """
        self.server = server or Server()
        self.clock = Clock()
        self.faults = Faults()
        self.handled = handled
        self.junk = junk
        self.database = with_tables(database or Database("sqlite://"))
        self.journal = Messages(self.database)
        self.marks = ContentMarks(Facts(self.database).content_key())
        self.tries = Tries(self.database)
        self.places = Places(self.database)
        self.watched_folders: tuple[str, ...] = (INBOX,)
        self.calls: list[Call] = []
        self.finished: list[Call] = []
        self.failures: Counter[str] = Counter()
        self.recorded: dict[str, State] = {}
        """The final state that was recorded for each message, by key."""
        self.repeated: list[Call] = []
        """Calls with a message whose final state had been recorded before."""
        self.counts: dict[tuple[str, int], str | None] = {}
        """The handler that a person named, by key and count, of each message that was opened to be handled again."""
        self.deaths = 0
        self.hold = False
        self.hung: set[str] = set()
        """Kinds of messages whose handlers don't return."""
        self.overdue = False
        """Whether the handlers that don't return are over their time limit."""
        self.poison: Callable[[Message], bool] = lambda message: kind(message.raw) == "poison"
        self.begun: Callable[[Message], None] = lambda _message: None
        """Called with each message that is handed over, before its handlers."""
        self.bounds = Bounds(batch_bytes=1_000_000, batch_count=3, patience=1.0)
        self.since: Any = None
        self.headers_only = False
        self.flush: Callable[[], None] = lambda: None
        self.server.before = lambda name: self.faults.strike(name, after=False)
        self.server.after = lambda name: self.faults.strike(name, after=True)
        self.pause_after = pause_after
        self.order = order or ({"all": OrderRules(60.0, 600.0)} if ordered else {})
        self.pauses = pauses
        self.move_releases = move_releases
        self.delete_handled_after: timedelta | None = None
        self.chores: Sequence[Chore] = ()
        """What the cycle of the next process does besides polling."""
        self.intents = Intents(self.database)
        self.down = False
        """Whether the service that the `archive` handler needs is down."""
        self.late: dict[str, Built] = {}
        """Handlers that may not be built yet, by name."""
        self.hostile: dict[str, Callable[[], BaseException]] = {}
        """What the `archive` handler raises, each time, by the kind of the message."""
        self.runs = 0
        self.told = Told()
        self.start()

    # -- the process

    def start(self) -> None:
        """Start a new process: everything in memory is new."""
        self.runs += 1
        messages: Any = FaultyRows(self.journal, self.faults, self)
        tries: Any = FaultyRows(self.tries, self.faults, self)
        places: Any = FaultyRows(self.places, self.faults, self)
        self.gates = {name: self._gate(name) for name in ("archive", "notify")} if self.pause_after else {}
        self.turns = Turns(
            messages=messages,
            tries=tries,
            clock=self.clock,
            circuits={name: gate.circuit for name, gate in self.gates.items()},
            order=self.order,
        )
        self.layout = layout = Layout(self.watched_folders, JUNK)
        self.hands = self.hands_of(self._attempt_of())
        self.hands.hold = self.hold
        self.hands.hung = lambda message: kind(message.raw) in self.hung
        self.hands.overdue = lambda _message: self.overdue
        intents: Any = FaultyRows(self.intents, self.faults, self)
        journal = self.journal_parts(messages=messages, tries=tries, places=places, intents=intents)
        settle = journal.settle(self.layout, self.clock)
        self.lease = _Lease(self.database)
        self.connector = _Connector(self.server, settle, layout)
        lease: Any = self.lease
        facts = Facts(self.database)
        go_ahead = GoAhead(lease, Pause(facts, self.clock.monotonic), self.told)
        pool: Any = self.hands
        self.pipeline = assemble(
            journal=journal,
            rules=self._rules(),
            layout=layout,
            settle=settle,
            pool=pool,
            turns=self.turns,
            handlers=_Flush(self),
            permission=go_ahead,
            observer=self.told,
            clock=self.clock,
            run=f"run-{self.runs}",
        )
        connector: Any = self.connector
        guard: Any = _Guard()
        outage = JournalOutage(self.clock.monotonic)
        self.lease_hold = Hold(
            lease=lease,
            connector=connector,
            pipeline=self.pipeline,
            pool=pool,
            go_ahead=go_ahead,
            guard=guard,
            observer=self.told,
            outage=outage,
            monotonic=self.clock.monotonic,
        )
        notes = PollNotes(facts, self.clock, outage)
        expiries = ExpiryLook(_NothingExpires(), outage, self.clock.monotonic)

        def deletion(older_than: timedelta) -> Chore:
            return DeleteHandled(
                messages=messages,
                settle=settle,
                layout=layout,
                go_ahead=go_ahead,
                facts=facts,
                clock=self.clock,
                older_than=older_than,
            )

        self.cycle = Cycle(
            hold=self.lease_hold,
            go_ahead=go_ahead,
            pipeline=self.pipeline,
            tries=tries,
            notes=notes,
            pause=PauseWatch(
                facts,
                journal.arrivals(layout),
                every=60.0,
                remind_after=3600.0,
                clock=self.clock,
                monotonic=self.clock.monotonic,
            ),
            expiries=expiries,
            chores=(_Deletion(self, deletion), *self.chores),
            watcher=NoWatcher(),
            observer=self.told,
            outage=outage,
            reconnect=(1.0,),
            idle=True,
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )
        self.mailbox_drain = MailboxDrain(
            hold=self.lease_hold,
            go_ahead=go_ahead,
            pipeline=self.pipeline,
            messages=messages,
            notes=notes,
            expiries=expiries,
            reconnect=(1.0,),
            clock=self.clock,
        )

    def hands_of(self, attempt: Callable[[Message, Collection[str]], Outcome]) -> SlowHands:
        """The pool of the next process."""
        return SlowHands(attempt, self.marks)

    def journal_parts(self, **parts: Any) -> JournalParts:
        """The parts of the journal that the pipeline writes. parts: some to use instead of the real ones."""
        real = {"messages": self.journal, "tries": self.tries, "places": self.places, "intents": self.intents}
        return JournalParts(account=ACCOUNT, marks=self.marks, **{**real, **parts})

    def _rules(self) -> MessageRules:
        return MessageRules(
            classify=classify,
            sender_of=sender_of,
            move_releases=self.move_releases,
            since=self.since,
            limits=Limits(message=50_000),
            deaths=DEATHS,
            junk_by_headers=self.headers_only,
            handlers={MailPath.CLEAN: ("archive", "notify"), MailPath.JUNK: ("quarantine",)},
            bounds=self.bounds,
            targets=Targets(self.handled, FAILED, self.junk),
            backoff=_Backoff(),
        )

    def tick(self, seconds: float = 60.0) -> float | None:
        """One scheduled run, so many seconds later. If the process dies, a new one starts.

        Returns the seconds until the next run; None: as usual.
        """
        self.clock.now += seconds
        try:
            return self.cycle()
        except Killed:
            self.deaths += 1
            self.start()
            return 0.0

    def even_clock(self) -> None:
        """Make the wall clock count as steady for long enough to trust it."""
        now = self.clock()
        Facts(self.database).remember(CLOCK, f"{now - 2 * ENOUGH!r} {now!r}")

    def end_hang(self) -> None:
        """No handler hangs any more, and those that did return."""
        self.hung.clear()
        self.hands.end_hang()

    def release(self, key: str) -> None:
        """A person says that a message is clean; the next run releases it."""
        self.intents.ask(IntentKind.RELEASE, [key], reason="it is a report", actor="a person", now=self.clock())

    def retry(self, key: str) -> None:
        """A person wants a dead letter tried again; the next run reopens it."""
        self.intents.ask(IntentKind.RETRY, [key], reason="mended", actor="a person", now=self.clock())

    def handle_again(self, key: str, *, only: str | None = None) -> None:
        """A person wants a message handled again; a later run opens it."""
        self.intents.ask(
            IntentKind.HANDLE, [key], reason="it was lost", actor="a person", now=self.clock(), handler=only
        )

    def drain(self, *, polls: int = 200) -> None:
        """Run without further faults until nothing is left to do; fail if that takes too long."""
        self.faults.planned = None
        quiet = 0
        for _ in range(polls):
            before = self._mark()
            self.tick(700)
            quiet = quiet + 1 if before == self._mark() else 0
            # If mail arrives late as other mail is lost, STATUS stays as it was: only the hourly look finds the mail.
            if quiet >= 7 and not self.journal.counts().by_state[State.PENDING]:
                return
        left = [(row.key, row.place, row.reason) for row in self.rows() if row.state is State.PENDING]
        raise AssertionError(f"not drained: {left}")

    def _mark(self) -> Any:
        return [(row.key, row.state, row.place, row.settled, row.tries, row.redelivery) for row in self.rows()]

    # -- what is seen from outside

    def rows(self) -> list[Record]:
        return self.journal.everything()

    def row(self, key: str) -> Record:
        return next(row for row in self.rows() if row.key == key)

    def states(self) -> Counter[State]:
        return Counter(row.state for row in self.rows())

    def balance(self) -> Balance:
        session: Any = self.server.session()
        with self.undisturbed():
            return Reconcile(self.journal, self.walk()).balance(session)

    def compact(self, *, keep: float) -> int:
        session: Any = self.server.session()
        fingerprints = self.journal_parts().fingerprints
        return Compact(self.journal, self.walk(), fingerprints=fingerprints, keep=keep, clock=self.clock)(session)

    def walk(self) -> Walk:
        targets = [name for name in (self.handled, FAILED, self.junk) if name not in {"keep", "auto"}]
        return Walk(
            self.journal,
            self.places,
            fingerprints=self.journal_parts().fingerprints,
            watched=self.layout.watched,
            targets=targets,
            since=self.since,
        )

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        planned, self.faults.planned = self.faults.planned, None
        closed, self.server.closed = self.server.closed, {}
        try:
            yield
        finally:
            self.faults.planned, self.server.closed = planned, closed

    # -- handlers

    def _attempt_of(self) -> Callable[[Message, Collection[str]], Outcome]:
        names = ("archive", "notify", "quarantine")
        handlers = {name: Handler(name, self._handler(name)) for name in names}
        junk = {"quarantine": handlers.pop("quarantine")}
        attempt = Try(
            Routes(),
            {MailPath.CLEAN: handlers, MailPath.JUNK: junk},
            self.clock,
            gates=self.gates,
            route_observer=self.turns,
        )

        def try_or_die(message: Message, already_done: Collection[str]) -> Outcome:
            self.begun(message)
            if self.poison(message):
                raise Killed("in a handler")
            return attempt(message, already_done)

        return try_or_die

    def _gate(self, name: str) -> Gate:
        return Gate(
            name,
            circuit=CircuitRules(self.pause_after, self.pauses),
            concurrency=None,
            time_limit=None,
            stopwatch=Stopwatch(self.clock.monotonic),
            monotonic=self.clock.monotonic,
            late=self.late.get(name),
        )

    def _handler(self, name: str) -> Callable[[Message], None]:
        def handle(message: Message) -> None:
            call = Call(name, message.key, message.path, message.folder, message.raw, message.redelivery)
            self.calls.append(call)
            if self.recorded.get(call.key) in (State.HANDLED, State.FAILED):
                self.repeated.append(call)
            wanted, mark = kind(message.raw), f"{name} {message.key}"
            if self.down and name == "archive":
                raise ConnectionRefusedError
            if name == "archive" and wanted in self.hostile:
                error = self.hostile[wanted]()
                raise error
            if name == "notify" or message.path is MailPath.JUNK:
                self._fail(wanted, mark)
            self.finished.append(call)

        return handle

    def _fail(self, wanted: str, mark: str) -> None:
        self.failures[mark] += 1
        if wanted == "reject":
            raise Reject("never")
        if wanted == "always" or (wanted == "twice" and self.failures[mark] <= 2):
            raise ValueError("not now")
        if wanted == "away" and self.failures[mark] <= 2:
            raise ConnectionRefusedError
        if wanted == "retry" and self.failures[mark] <= 2:
            raise Retry(after=timedelta(minutes=10))

    def reopened(self, row: int, verdict: Verdict | None) -> None:
        """A message that a person has reopened may be handed over again."""
        if verdict is None or verdict.evidence[-1:] != (MOVED_OUT,):
            self.recorded.pop(next(record.key for record in self.rows() if record.id == row), None)

    def redelivered(self, record: Record, only: str | None) -> None:
        """A message that was handled is to be handled again, with the next count."""
        count = record.redelivery + 1
        assert (record.key, count) not in self.counts, "a count was used twice"
        self.counts[record.key, count] = only
        self.recorded.pop(record.key, None)

    def note(self, results: list[Result]) -> None:
        final = {result.id: result.state for result in results if result.state is not State.PENDING}
        with self.database.read() as connection:
            for row, state in final.items():
                key = connection.execute(select(message.c.key).where(message.c.id == row)).scalar_one()
                self.recorded[key] = state


class _Deletion:
    """Deletes handled mail for as long as the world's settings say so."""

    def __init__(self, world: World, deletion: Callable[[timedelta], Chore]) -> None:
        self._world = world
        self._deletion = deletion

    def do(self, session: Session) -> None:
        if self._world.delete_handled_after is not None:
            self._deletion(self._world.delete_handled_after).do(session)


def classify(headers: Headers, in_junk_folder: bool, keywords: frozenset[str]) -> Verdict:
    """Junk is what lies in the junk folder, or says so itself."""
    if in_junk_folder or headers.get("X-Is-Junk"):
        return Verdict(MailPath.JUNK, (Evidence("placement", None, "junk", "it lies there", True),))
    return Verdict(MailPath.CLEAN)
