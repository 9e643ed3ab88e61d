"""A world in simulated time for the guard: a mail server that counts, journals that fail, processes that are killed."""

import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

from worker.journal.attempts import (
    CONNECTION,
    DOUBT,
    RESET,
    SUCCEEDED,
    AttemptLedger,
    History,
    KnownCredential,
    Overtaken,
    Record,
)
from worker.journal.database import JournalUnavailable
from worker.login.backoff import Lockout
from worker.login.credential import Auth, Credential, PasswordSource, Token
from worker.login.guard import Guard
from worker.login.history import Rules
from worker.login.mutex import AttemptInProgress, AttemptMutex
from worker.login.witness import Testimony, Untrusted, Witness
from worker.mailbox.errors import ConnectionLost, LoginFailed, NotConnected, ServerUnavailable, Throttled
from worker.mailbox.login_failures import FailureClass, Kind, Phase, failure

ACCOUNT = "pathology.results@nhs.net"
LIMIT = 12
START = 1_800_000_000.0


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
    """The ledger's interface over a `Store`; held against the real one in `test_ledger`."""

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
            moved=self.store.facts.get("database", self.store.place) != self.store.place,
        )

    def head(self) -> int:
        return cast("int", self._process.step(lambda: self._history().head))

    def credentials(self) -> Sequence[KnownCredential]:
        return cast(
            "Sequence[KnownCredential]",
            self._process.step(lambda: sorted(self.store.known.values(), key=lambda one: -(one.accepted or 0))),
        )

    def warned(self) -> str | None:
        return self.store.facts.get("warned")

    def warn(self, mark: str) -> None:
        self.store.facts["warned"] = mark

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


@dataclass
class Server:
    """A mail server that locks an account at its twelfth wrong password.

    maybe: attempts that may have counted since the last success or unlocking. by_credential: sent, and not known not to
    count.
    """

    password: str
    locked: bool = False
    maybe: int = 0
    worst: int = 0
    by_credential: dict[str, int] = field(default_factory=dict)
    sent: int = 0

    def unlock(self) -> None:
        self.locked = False
        self.forget()

    def forget(self) -> None:
        self.maybe = 0
        self.by_credential.clear()

    def receive(self, password: str) -> None:
        """A password has left the process."""
        self.sent += 1
        self.maybe += 1
        self.by_credential[password] = self.by_credential.get(password, 0) + 1
        self.worst = max(self.worst, self.maybe)
        self.locked = self.locked or self.maybe >= LIMIT

    def excuse(self, password: str) -> None:
        """It is known that the password wasn't counted."""
        self.maybe -= 1
        self.by_credential[password] -= 1


PASSING = ("throttled", "throttled for nothing", "unavailable", "no server", "lost before", "throttled first")
COUNTING = ("rejected", "lost after", "kept silent", "not connected", "ambiguous", "odd", "left", "lost first")
HALTS = ("locked", "disabled", "expired", "configuration", "protocol")
ANSWERS = ("honest", *PASSING, *COUNTING, *HALTS)
TOKEN_COUNTING = ("token_rejected", "ambiguous", "not connected", "odd answer")
TOKEN_HALTS = ("locked", "disabled", "expired", "configuration", "protocol", "sign_in_again")
TOKEN_PASSING = ("throttled", "unavailable", "token_expired", "lost after", "kept silent", "no server", "left silent")
TOKEN_ANSWERS = ("honest", *TOKEN_COUNTING, *TOKEN_HALTS, *TOKEN_PASSING)


@dataclass
class TokenCandidate:
    """A token that would be sent, kept from before or fresh."""

    identity: str
    kept: bool
    kind: Kind = "token"
    password: str | None = None

    def obtain(self, *, refresh: bool) -> Credential:
        self.kept = self.kept and not refresh
        return Token(ACCOUNT, "token", kept=self.kept)


@dataclass
class ProcessSource:
    """Where a process's guard gets its credentials: from whatever is its source at that moment."""

    process: Process

    @property
    def needs_restart(self) -> bool:
        return bool(self.process.source.needs_restart)

    @property
    def auth(self) -> Auth:
        return cast("Auth", self.process.source.auth)

    @property
    def way(self) -> str:
        return str(self.process.source.way)

    def candidate(self) -> Any:
        return self.process.source.candidate()


class World:
    """Processes on one journal, before one server, at one (jumping) time."""

    def __init__(
        self,
        lockout: Lockout | None = None,
        make_ledger: Callable[[Process], Any] | None = None,
        *,
        shared: bool = False,
        **rules: Any,
    ) -> None:
        """shared: the processes are on two hosts, each with a witness of its own. rules: the others of `Rules`."""
        self.now = START
        self.lockout = lockout or Lockout()
        self.rules = Rules(ACCOUNT, lockout=self.lockout, **rules)
        self.store = Store()
        self.beside = Beside()
        self.other = Beside()
        self.shared = shared
        self.mutex = MemoryMutex()
        self.server = Server(password="Right-Password-0")
        self.configured = "Right-Password-0"
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self.random = random.Random(7)
        self._make_ledger = make_ledger or (lambda process: MemoryLedger(self.store, process))
        self.processes: list[tuple[Process, Guard]] = [self.start(which) for which in (0, 1)]

    def beside_of(self, which: int) -> Beside:
        """What lies beside the journal where a process is."""
        return self.other if self.shared and which == 1 else self.beside

    def start(self, which: int = 0) -> tuple[Process, Guard]:
        """A process, new or restarted."""
        process = Process(source=self)
        process.ledger = self._make_ledger(process)
        process.ledger.shared = process.ledger.shared or self.shared
        process.witness = MemoryWitness(self.beside_of(which), process)
        guard = Guard(
            ledger=cast("AttemptLedger", process.ledger),
            witness=cast("Witness", process.witness),
            mutex=cast("AttemptMutex", self.mutex),
            source=ProcessSource(process),
            rules=self.rules,
            clock=lambda: self.now,
            random=self.random,
            actor="replica",
            notify=lambda name, fields: self.events.append((name, dict(fields))),
            cost=2,
        )
        return process, guard

    needs_restart = False
    auth: Auth = "password"
    way: str = "password"

    token: TokenCandidate | None = None
    """What is sent in place of the password, while there is one."""

    def candidate(self) -> Any:
        return self.token or PasswordSource(ACCOUNT, file=None, value=self.configured).candidate()

    def login(self, which: int, answer: str = "honest", within: Callable[[], None] = lambda: None) -> None:
        """One login by a process; `within` runs between the grant and the credential. Raises what the guard raises."""
        process, guard = self.processes[which]
        with guard.attempt() as attempt:
            if answer == "no server":
                raise ServerUnavailable("refused")
            if answer == "throttled first":
                raise Throttled("pause", after=timedelta(minutes=5))
            within()
            secret = attempt.credential().secret
            self.check_rows(attempt.number, self.beside_of(which))
            process.step(lambda: self._send(secret, answer), journal=False)
            attempt.logged_in()
            if answer == "not connected":
                raise NotConnected("not connected")
            if answer == "lost first":
                raise ConnectionLost("lost")
            process.step(lambda: None, journal=False)
            if answer != "left":
                process.step(self.server.forget, journal=False)
                attempt.first_command_ok()

    def login_by_token(self, which: int, answer: str, token: TokenCandidate) -> None:
        """One login with a token, which the server never counts. Raises what the guard raises."""
        process, guard = self.processes[which]
        self.token = token
        try:
            with guard.attempt() as attempt:
                if answer == "no server":
                    raise ServerUnavailable("refused")
                attempt.credential()
                process.step(lambda: self._answer_token(answer), journal=False)
                attempt.logged_in()
                if answer == "not connected":
                    raise NotConnected("not connected")
                attempt.first_command_ok()
        finally:
            self.token = None

    def _answer_token(self, answer: str) -> None:
        if answer in {"kept silent", "left silent"}:
            raise ConnectionLost("lost")
        named = {"lost after": "lost_after_sending", "odd answer": "ambiguous"}.get(answer, answer)
        if named in set(FailureClass):
            after = timedelta(minutes=5) if named == "throttled" else None
            raise LoginFailed(failure(FailureClass(named), "token", retry_after=after))

    def check_rows(self, number: int | None, beside: Beside) -> None:
        """No attempt without its row, and none ahead of its witness."""
        rows = [one for one in self._rows() if one.number == number]
        assert len(rows) == 1
        assert rows[0].outcome is None
        assert rows[0].counts
        assert beside.testimony is not None
        assert beside.testimony.number == number
        assert beside.testimony.failures == sum(one.counts for one in self._rows() if one.kind == "password")

    def _rows(self) -> Sequence[Record]:
        return self._make_ledger(Process()).history().records

    def _send(self, secret: str, answer: str) -> None:
        """The credential leaves; raises what the session raises for the answer."""
        if answer == "lost before":
            raise LoginFailed(failure(FailureClass.LOST_BEFORE_SENDING, "password", phase=Phase.CONNECT))
        self.server.receive(secret)
        free = {"throttled for nothing": "throttled"}.get(answer, answer)
        if free in {"throttled", "unavailable", "configuration", "protocol"}:
            self.server.excuse(secret)
            after = {"throttled": timedelta(minutes=5), "throttled for nothing": timedelta()}.get(answer)
            raise LoginFailed(failure(FailureClass(free), "password", retry_after=after))
        if answer == "kept silent":
            raise ConnectionLost("lost")
        if answer == "odd":
            raise RuntimeError("a fault of ours")
        named = {"lost after": "lost_after_sending"}.get(answer, answer)
        if named in set(FailureClass):
            raise LoginFailed(failure(FailureClass(named), "password"))
        if self.server.locked:
            raise LoginFailed(failure(FailureClass.LOCKED, "password"))
        if secret != self.server.password:
            raise LoginFailed(failure(FailureClass.REJECTED, "password"))

    def snapshot(self) -> Store:
        """A copy of the journal."""
        return copy.deepcopy(self.store)

    def put_back(self, store: Store) -> None:
        """A journal from a copy; processes are started anew on it."""
        place = self.store.place
        self.store = replace(copy.deepcopy(store), place=place)
        self.processes = [self.start(which) for which in (0, 1)]

    def put_elsewhere(self, store: Store) -> None:
        """A journal from a copy, in a new database."""
        self.store.place += "'"
        self.put_back(store)
