"""A world in simulated time for the guard: a mail server that counts, and processes on one journal before it."""

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.unit.login.memory import Beside, MemoryLedger, MemoryMutex, MemoryWitness, Process, Store
from worker.journal.attempts import (
    AttemptLedger,
    Record,
)
from worker.journal.database import JournalUnavailable
from worker.login.backoff import Lockout
from worker.login.credential import Auth, Credential, PasswordSource, Token
from worker.login.guard import Guard
from worker.login.history import Rules
from worker.login.mutex import AttemptMutex
from worker.login.standing import Standing
from worker.login.witness import Witness
from worker.mailbox.errors import ConnectionLost, LoginFailed, NotConnected, ServerUnavailable, Throttled
from worker.mailbox.login_failures import FailureClass, Kind, LoginFailure, Phase, failure

ACCOUNT = "pathology.results@nhs.net"
LIMIT = 12
START = 1_800_000_000.0


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
class SignInCandidate:
    """The account's password, which would be sent to the token endpoint."""

    secret: str
    send: Callable[[str], None]
    kind: Kind = "password"

    @property
    def identity(self) -> str:
        return self.secret

    @property
    def password(self) -> str | None:
        return self.secret

    def obtain(self, *, refresh: bool) -> Credential:
        self.send(self.secret)
        return Token(ACCOUNT, "token")


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

    token: TokenCandidate | SignInCandidate | None = None
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

    def sign_in(self, which: int, refusal: LoginFailure | None, *, is_free: bool = False) -> None:
        """One login with a token that the password is exchanged for. Raises what the guard raises.

        refusal: what the token endpoint's answer means; None: the endpoint looks at the password. is_free: it is known
        not to have counted.
        """
        process, guard = self.processes[which]

        def answer(secret: str) -> None:
            self.server.receive(secret)
            if refusal is not None:
                if is_free:
                    self.server.excuse(secret)
                raise LoginFailed(refusal)
            if secret != self.server.password:
                raise LoginFailed(failure(FailureClass.REJECTED, "password", said="invalid_grant AADSTS50126"))
            self.server.forget()

        self.token = SignInCandidate(
            self.configured, lambda secret: process.step(lambda: answer(secret), journal=False)
        )
        try:
            with guard.attempt() as attempt:
                attempt.credential()
                attempt.logged_in()
                process.step(lambda: None, journal=False)
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
        rows = [one for one in self.rows() if one.number == number]
        assert len(rows) == 1
        assert rows[0].outcome is None
        assert rows[0].counts
        assert beside.testimony is not None
        assert beside.testimony.number == number
        assert beside.testimony.failures == sum(one.counts for one in self.rows() if one.kind == "password")

    def rows(self) -> Sequence[Record]:
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


# -- what tests say of a world -----------------------------------------------------------------------------------------


def fail(world: World, answer: str = "rejected", times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises((LoginFailed, ConnectionLost)):
            world.login(0, answer)
        until = world.processes[0][1].status().standing.next_at
        world.now = until or world.now


def send(world: World, error: BaseException | None = None, *, later: BaseException | None = None) -> None:
    """One attempt: with an error in place of the server's answer, or after all is well."""
    with world.processes[0][1].attempt() as attempt:
        attempt.credential()
        if error is not None:
            raise error
        attempt.logged_in()
        attempt.first_command_ok()
        if later is not None:
            raise later


def standing(world: World) -> Standing:
    return world.processes[0][1].status().standing


def standing_of(world: World, which: int) -> Standing:
    return world.processes[which][1].status().standing


def names(world: World) -> list[str]:
    return [name for name, _ in world.events]


@dataclass
class Tokens:
    """A source of tokens, and of a password behind them where the flow sends one."""

    kind: Kind = "token"
    identity: str = "application"
    password: str | None = None
    refreshed: list[bool] = field(default_factory=list)
    keeps: bool = False
    """Tokens are kept, and handed out again unless a fresh one is asked for."""
    kept: bool = False
    """There is one from before."""
    fails: Callable[[], None] = lambda: None
    needs_restart = False
    auth: Auth = "oauth2-client"
    way: str = "oauth2-client application"

    def candidate(self) -> Any:
        return self

    def obtain(self, *, refresh: bool) -> Credential:
        self.refreshed.append(refresh)
        self.fails()
        kept, self.kept = self.kept and not refresh, self.keeps
        return Token(ACCOUNT, "token", kept=kept)


def token_world(**given: Any) -> tuple[World, Tokens]:
    world, tokens = World(Lockout(jitter=0.0)), Tokens(**given)
    for process, _ in world.processes:
        process.source = tokens
    return world, tokens


def rejected() -> LoginFailed:
    return LoginFailed(failure(FailureClass.TOKEN_REJECTED, "token"))


def rejected_after(world: World, meanwhile: Callable[[], None]) -> None:
    """An attempt that is rejected, and what happens while its answer is awaited."""
    with world.processes[0][1].attempt() as attempt:
        attempt.credential()
        meanwhile()
        raise LoginFailed(failure(FailureClass.REJECTED, "password", said="authentication failed"))


def unavailable(*_given: Any, **_named: Any) -> None:
    raise JournalUnavailable("disk full")
