"""What the loop works with, as far as its tests need it: every login ends as `ends` says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from worker.loop.cycle import Cycle
from worker.loop.drain import MailboxDrain
from worker.loop.go_ahead import GoAhead
from worker.loop.hold import Hold
from worker.loop.housekeeping import ExpiryLook
from worker.loop.idle import NoWatcher
from worker.loop.journal_outage import JournalOutage
from worker.loop.pause import Pause
from worker.loop.pause_watch import PauseWatch
from worker.loop.poll_notes import PollNotes
from worker.pipeline.observer import Observer
from worker.pipeline.report import Report


class Told(Observer):
    """What those who listen were told of the lease, and of how each run ended."""

    def __init__(self) -> None:
        self.leases: list[bool] = []
        self.runs: list[str] = []

    def lease(self, *, held: bool) -> None:
        self.leases.append(held)

    def polled(self, outcome: str, seconds: float) -> None:
        self.runs.append(outcome)


class SimulatedWaits(GoAhead):
    """Waits in simulated time."""

    def __init__(self, parts: "Parts") -> None:
        given = cast("Any", parts)
        super().__init__(given, Pause(given, lambda: parts.now), parts.told)
        self._parts = parts

    def wait(self, seconds: float) -> None:
        self._parts.waits.append(seconds)
        self._parts.now += seconds
        self.go_on()


@dataclass
class Parts:
    """Lease, connector, facts, guard and pipeline in one."""

    ends: list[Exception] = field(default_factory=list)
    now: float = 0.0
    held: bool = True
    is_paused: bool = False
    looks: int = 0
    look_fails: Exception | None = None
    term: int = 1
    done: list[str] = field(default_factory=list)
    """What was done to connection, lease and pipeline, in order."""
    fails: dict[str, Exception] = field(default_factory=dict)
    """What a call raises, once, by its name."""
    open: Any = None
    """The session that there is."""
    noted: list[Any] = field(default_factory=list)
    told: Told = field(default_factory=Told)
    reconnect: Sequence[float] = (5.0, 20.0)
    idle: bool = False
    logins: int = 0
    failures: int = 0
    """How many failed logins count."""
    waits: list[float] = field(default_factory=list)
    """How long a drain waited (s) each time."""
    taken: Report = field(default_factory=lambda: Report(new=1))
    """What the pipeline had done until it is asked."""

    def __post_init__(self) -> None:
        given = cast("Any", self)
        self.go_ahead = SimulatedWaits(self)
        self.outage = JournalOutage(lambda: self.now)
        self.hold = Hold(
            lease=given,
            connector=given,
            pipeline=given,
            pool=given,
            go_ahead=self.go_ahead,
            guard=given,
            observer=self.told,
            outage=self.outage,
            monotonic=lambda: self.now,
        )

    def pending(self) -> int:
        return 0

    def cycle(self) -> Cycle:
        given = cast("Any", self)
        return Cycle(
            hold=self.hold,
            go_ahead=self.go_ahead,
            pipeline=given,
            tries=given,
            notes=PollNotes(given, lambda: self.now, self.outage),
            pause=PauseWatch(
                given, given, every=60.0, remind_after=3600.0, clock=lambda: self.now, monotonic=lambda: self.now
            ),
            expiries=self.expiries(),
            chores=(),
            watcher=NoWatcher(),
            observer=self.told,
            outage=self.outage,
            reconnect=self.reconnect,
            idle=self.idle,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
        )

    def drain(self) -> MailboxDrain:
        given = cast("Any", self)
        return MailboxDrain(
            hold=self.hold,
            go_ahead=self.go_ahead,
            pipeline=given,
            messages=given,
            notes=PollNotes(given, lambda: self.now, self.outage),
            expiries=self.expiries(),
            reconnect=self.reconnect,
            clock=lambda: self.now,
        )

    def expiries(self) -> ExpiryLook:
        return ExpiryLook(cast("Any", self), self.outage, lambda: self.now)

    def _do(self, name: str) -> None:
        self.done.append(name)
        if name in self.fails:
            raise self.fails.pop(name)

    # the connector
    def session(self) -> Any:
        raise self.ends.pop(0)

    def current(self) -> Any:
        return self.open

    def token_expired(self) -> None:
        self._do("token_expired")

    def close(self) -> None:
        self._do("close")

    # the lease
    def acquire(self) -> bool:
        if "acquire" in self.fails:
            raise self.fails.pop("acquire")
        return self.held

    def is_held(self) -> bool:
        return self.held

    def renew(self) -> None:
        self._do("renew")

    def release(self) -> None:
        self._do("release")

    # the facts
    def paused(self) -> str | None:
        return "by a person" if self.is_paused else None

    def last_poll(self) -> None:
        return None

    def polled(self, poll: Any) -> None:
        self.noted.append(poll)

    # the pipeline
    def begin(self) -> None:
        self._do("begin")

    def abandon(self) -> None:
        self._do("abandon")

    def record_finished(self) -> None:
        self._do("record_finished")

    # the pool
    def interrupt(self) -> None:
        self._do("interrupt")

    def rows(self) -> list[int]:
        return []

    def stop(self, grace: float, monotonic: Any, session: Any) -> None:
        self._do("stop" if session is None else "stop and settle")

    def take_report(self) -> Report:
        return self.taken

    # what expires
    def look(self) -> None:
        self.looks += 1
        if self.look_fails is not None:
            raise self.look_fails

    # the guard
    def status(self) -> Any:
        return SimpleNamespace(standing=SimpleNamespace(failures=self.failures))

    def keep_watch(self) -> None:
        self._do("keep_watch")
