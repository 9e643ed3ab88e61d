"""What the guard stands on, in memory: a journal that fails, its witness, the mutex, and processes that are killed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from worker.journal.attempts import (
    CONNECTION,
    DOUBT,
    RESET,
    SUCCEEDED,
    History,
    KnownCredential,
    Overtaken,
    Record,
    offered_instead,
)
from worker.journal.database import JournalUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.witness import Testimony, Untrusted


class Killed(BaseException):
    """The process is dead: nothing that it does from here on has any effect."""


@dataclass
class Process:
    """One process, which may be killed, or find its journal failing, at any step.

    ledger, witness, source: those of its guard. unrecorded: it couldn't write a result, and hasn't done so since.
    """

    kill_at: int | None = None
    fail_at: int | None = None
    fail_after: bool = False
    dead: bool = False
    ledger: Any = None
    witness: Any = None
    source: Any = None
    unrecorded: bool = False

    def step(self, effect: Callable[[], Any], *, journal: bool = True) -> Any:
        """One step with an effect outside the process; death may come before or after it."""
        self._tick()
        failing = journal and self._fails()
        if failing and not self.fail_after:
            raise JournalUnavailable("disk full")
        result = effect()
        if failing:
            raise JournalUnavailable("the answer to the commit was lost")
        self._tick()
        return result

    def _tick(self) -> None:
        if self.kill_at is not None:
            self.kill_at -= 1
            self.dead = self.dead or self.kill_at < 0
        if self.dead:
            raise Killed

    def _fails(self) -> bool:
        if self.fail_at is None:
            return False
        self.fail_at -= 1
        return self.fail_at < 0


@dataclass
class Store:
    """What an in-memory ledger holds: the same as the journal's tables."""

    records: list[Record] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    known: dict[str, KnownCredential] = field(default_factory=dict)
    place: str = "one"
    """The database that it lies in, which no copy of the rows brings along."""


class MemoryLedger:
    """The ledger's interface over a `Store`; held against the real one in `journal/test_attempts`."""

    shared = False

    def __init__(self, store: Store, process: Process | None = None) -> None:
        self.store = store
        self._process = process or Process()

    def history(self) -> History:
        return cast("History", self._process.step(self._history))

    def _history(self) -> History:
        records = self.store.records
        reset = max((r.number for r in records if r.kind == RESET), default=0)
        password = max([reset, *(r.number for r in records if r.kind == "password" and r.outcome == SUCCEEDED)])
        token = max([password, *(r.number for r in records if r.kind == "token" and r.outcome == SUCCEEDED)])
        ends = {"password": password, DOUBT: password, "token": token, CONNECTION: token, RESET: 1 << 60}
        about = next((r.outcome for r in records if r.number == reset), None)
        return History(
            epoch=self.store.facts.get("epoch"),
            head=max((r.number for r in records), default=0),
            records=tuple(r for r in records if r.number > ends[r.kind]),
            reset_unproven=0 < reset == (token if about == "token" else password),
            current=self.store.facts.get("current"),
            refused=self.store.facts.get("refused"),
            password=self.store.facts.get("password"),
            way=self.store.facts.get("way"),
            settled=token,
            offered=offered_instead(self.store.facts.get("offered"), self.store.facts.get("way")),
            moved=self.store.facts.get("database", self.store.place) != self.store.place,
        )

    def head(self) -> int:
        return cast("int", self._process.step(lambda: self._history().head))

    def credentials(self) -> Sequence[KnownCredential]:
        return cast(
            "Sequence[KnownCredential]",
            self._process.step(lambda: sorted(self.store.known.values(), key=lambda one: -(one.accepted or 0))),
        )

    def offers(self, offered: str | None, way: str) -> None:
        def effect() -> None:
            self.store.facts.pop("offered", None)
            if offered is not None:
                self.store.facts["offered"] = f"{offered}\n{way}"

        self._process.step(effect)

    def salt(self) -> bytes:
        return b"salt"

    def begin(self, *, kind: str, credential: str | None, **rest: Any) -> int:
        return self._append(kind=kind, credential=credential, counts=kind == "password", **rest)

    def append(self, *, at: float, jitter: float = 0.0, **rest: Any) -> int:
        return self._append(credential=None, counts=False, at=at, jitter=jitter, finished_at=at, **rest)

    def _append(self, *, after: int, floor: int, epoch: str, at: float, **values: Any) -> int:
        def effect() -> int:
            head = max((r.number for r in self.store.records), default=0)
            if head != after:
                raise Overtaken("overtaken")
            self.store.facts |= {"epoch": epoch, "database": self.store.place}
            row = {"outcome": None} | values
            self.store.records.append(Record(number=max(head, floor) + 1, at=at, cools_from=at, **row))
            return max(head, floor) + 1

        return cast("int", self._process.step(effect))

    def finish(
        self, number: int, *, outcome: str, counts: bool, at: float, retry_after: float | None, said: str
    ) -> None:
        def effect() -> None:
            for place, record in enumerate(self.store.records):
                if record.number == number:
                    self.store.records[place] = replace(
                        record, outcome=outcome, counts=counts, retry_after=retry_after, said=said, finished_at=at
                    )
                    one = self.store.known.get(record.credential or "")
                    if one and outcome == SUCCEEDED:
                        self.store.known[one.fingerprint] = replace(one, accepted=number)

        self._process.unrecorded = True
        self._process.step(effect)
        self._process.unrecorded = False

    def cool_from(self, numbers: Sequence[int], at: float) -> None:
        def effect() -> None:
            for place, record in enumerate(self.store.records):
                if record.number in numbers:
                    self.store.records[place] = replace(record, cools_from=at)

        self._process.step(effect)

    def saw(
        self,
        fingerprint: str,
        at: float,
        *,
        password: bool,
        refused: str | None = None,
        sends: str | None = None,
        way: str | None = None,
    ) -> None:
        def effect() -> None:
            facts = {"current": sends or fingerprint, "password": fingerprint if password else None}
            facts |= {"refused": refused, "way": way}
            for name, value in facts.items():
                self.store.facts.pop(name, None)
                if value is not None:
                    self.store.facts[name] = value
            if password:
                self.store.known.setdefault(fingerprint, KnownCredential(fingerprint, at, None))

        self._process.step(effect)


@dataclass
class Beside:
    """What lies beside the journal: the witness's file."""

    testimony: Testimony | None = None
    copied: bool = False


class MemoryWitness:
    """The witness's interface over `Beside`."""

    def __init__(self, beside: Beside, process: Process) -> None:
        self._beside = beside
        self._process = process

    def read(self) -> Testimony | None:
        def effect() -> Testimony | None:
            if self._beside.copied:
                raise Untrusted("copied")
            return self._beside.testimony

        return cast("Testimony | None", self._process.step(effect))

    def begin(self, epoch: str) -> None:
        def effect() -> None:
            if self._beside.testimony is None:
                self._beside.testimony = Testimony(epoch, number=0, failures=0)

        self._process.step(effect)

    def write(self, testimony: Testimony) -> None:
        def effect() -> None:
            self._beside.testimony, self._beside.copied = testimony, False

        self._process.step(effect)


@dataclass
class MemoryMutex:
    """A mutex that processes share. broken: it lets everybody in. waited: somebody found it held who would wait."""

    broken: bool = False
    held: bool = False
    waited: bool = False

    @contextmanager
    def hold(self, *, wait: bool = True) -> Iterator[None]:
        if self.held and not self.broken:
            self.waited = self.waited or wait
            raise AttemptInProgress
        before, self.held = self.held, True
        try:
            yield
        finally:
            self.held = before
