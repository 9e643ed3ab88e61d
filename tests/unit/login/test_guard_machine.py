"""The promise that the account is never locked, against everything that may happen to the worker."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.unit.login.endpoint import BODIES, PLAIN, STATUSES, is_free
from tests.unit.login.memory import Killed, Store
from tests.unit.login.world import (
    ANSWERS,
    HALTS,
    LIMIT,
    PASSING,
    TOKEN_ANSWERS,
    TOKEN_COUNTING,
    TOKEN_HALTS,
    TokenCandidate,
    World,
)
from worker.journal.attempts import SUCCEEDED
from worker.journal.database import JournalUnavailable
from worker.login.endpoint_answers import classify_token_failure, read_refusal
from worker.login.endpoint_errors import NAMED, NUMBERED, Row
from worker.login.login_status import POLICY
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, CredentialRefused, Halted, NoAttempt, ResetNeedsAgain
from worker.login.standing import Reason, State
from worker.mailbox.errors import LoginFailed, MailboxError

PASSWORDS = tuple(f"Right-Password-{number}" for number in range(5))
APPLICATION = "application"
REPLICAS = st.integers(0, 1)
OVER = (NoAttempt, MailboxError, JournalUnavailable, AttemptInProgress, RuntimeError)
"""How an attempt may end, all of them in order."""


@dataclass(frozen=True)
class Copy:
    """A copy of the journal, and what its rows know. See the machine for these."""

    store: Store
    halting: set[tuple[str, str]]
    tokens_refused: int


class GuardMachine(RuleBasedStateMachine):
    """Two replicas, one journal, one server that locks at twelve."""

    shared = False
    """On two hosts, with a database between them."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(shared=self.shared)
        self.halting: set[tuple[str, str]] = set()
        """Credentials and the halting class that each was answered with, since the last success or reset."""
        self.tokens_refused = 0
        """Tokens that the server refused since the last success or reset, and that may count."""
        self.copies: list[Copy] = [Copy(self.world.snapshot(), set(), 0)]

    # -- what happens --------------------------------------------------------------------------------------------------

    @rule(which=REPLICAS, answer=st.sampled_from(ANSWERS))
    def log_in(self, which: int, answer: str) -> None:
        self._try(which, answer)

    @rule(which=REPLICAS, answer=st.sampled_from(ANSWERS), times=st.integers(2, 12))
    def log_in_whenever_allowed(self, which: int, answer: str, times: int) -> None:
        for _ in range(times):
            self._try(which, answer)
            self._pass_the_wait(which)

    @rule(which=REPLICAS, answer=st.sampled_from(ANSWERS), steps=st.integers(0, 30), times=st.integers(1, 12))
    def die_while_logging_in(self, which: int, answer: str, steps: int, times: int) -> None:
        for _ in range(times):
            self.world.processes[which][0].kill_at = steps
            with suppress(Killed):
                self._try(which, answer)
            if answer in HALTS:
                self._halts(answer)  # whether or not the answer was written down
            self._restart(which)
            self._pass_the_wait(which)

    @rule(
        which=REPLICAS,
        answer=st.sampled_from(ANSWERS),
        steps=st.integers(0, 15),
        after=st.booleans(),
        healed=st.booleans(),
    )
    def lose_the_journal_while_logging_in(
        self, which: int, answer: str, steps: int, *, after: bool, healed: bool
    ) -> None:
        process = self.world.processes[which][0]
        process.fail_at, process.fail_after = steps, after
        self._try(which, answer)
        if healed:
            process.fail_at = None

    @rule(which=REPLICAS)
    def restart(self, which: int) -> None:
        self._restart(which)

    @rule(which=REPLICAS, answer=st.sampled_from(ANSWERS), other=st.sampled_from(ANSWERS), broken=st.booleans())
    def log_in_at_once(self, which: int, answer: str, other: str, *, broken: bool) -> None:
        self.world.mutex.broken = broken

        def meanwhile() -> None:
            sent = self.world.server.sent
            self._try(1 - which, other)
            assert broken or self.world.server.sent == sent

        with suppress(*OVER):
            self.world.login(which, answer, meanwhile)
        self._note(answer)
        self.world.mutex.broken = False

    @rule(password=st.sampled_from(PASSWORDS))
    def deploy_password(self, password: str) -> None:
        self.world.configured = password

    @rule(password=st.sampled_from(PASSWORDS))
    def change_password_at_the_server(self, password: str) -> None:
        self.world.server.password = password

    @rule(seconds=st.sampled_from([1.0, 61.0, 700.0, 4_000.0, 16_000.0, 50_000.0, 100_000.0, 1e9]))
    def time_goes_forward(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(seconds=st.sampled_from([1.0, 700.0, 100_000.0, 1e9]))
    def clock_goes_back(self, seconds: float) -> None:
        self.world.now -= seconds

    @rule()
    def copy_the_journal(self) -> None:
        self.copies.append(Copy(self.world.snapshot(), set(self.halting), self.tokens_refused))

    @rule(choice=st.integers(0, 50))
    def restore_the_journal(self, choice: int) -> None:
        self._restore(self.copies[choice % len(self.copies)])

    @precondition(lambda self: self.shared)
    @rule(choice=st.integers(0, 50), lost=st.booleans())
    def restore_into_another_database(self, choice: int, *, lost: bool) -> None:
        """Found out also where no host has its witness any more, as long as the copy isn't empty."""
        copy = self.copies[choice % len(self.copies)]
        if not copy.store.records:
            return
        if lost:
            for which in (0, 1):
                self._lose_the_witness(which)
        self._remember(copy)
        self.world.put_elsewhere(copy.store)

    @rule(choice=st.integers(0, 50), which=REPLICAS)
    def restore_the_folder(self, choice: int, which: int) -> None:
        beside = self.world.beside_of(which)
        if beside.testimony is not None:
            beside.copied = True
            self.restore_the_journal(choice)

    @rule()
    def rebuild_the_journal(self) -> None:
        self._restore(Copy(Store(), set(), 0))

    @precondition(lambda self: self.world.store.records)
    @rule(which=REPLICAS)
    def lose_the_witness(self, which: int) -> None:
        self._lose_the_witness(which)
        self._look()

    @rule(which=REPLICAS, answer=st.sampled_from(TOKEN_ANSWERS), kept=st.booleans(), dies=st.integers(0, 60))
    def log_in_with_a_token(self, which: int, answer: str, *, kept: bool, dies: int) -> None:
        """No token is an attempt at the password, whatever comes of it; it has halts and a limit of its own."""
        process = self.world.processes[which][0]
        token = TokenCandidate(APPLICATION, kept)
        sent, counted = self.world.server.sent, self._counted()
        is_due = process.unrecorded  # what a password came to, which couldn't be written then, may be now
        process.kill_at = dies if dies < 20 else None
        try:
            self.world.login_by_token(which, answer, token)
            self._note("honest")
        except Halted as halted:
            self._token_may_be_halted(halted.reason)
        except (Killed, *OVER) as error:
            if answer in TOKEN_COUNTING and not (answer == "token_rejected" and token.kept):
                self.tokens_refused += 1  # whether or not that was written down
            if isinstance(error, Killed):
                self._restart(which)
        process.kill_at = None
        if answer in TOKEN_HALTS:
            self.halting.add((APPLICATION, answer))
        assert self.world.server.sent == sent
        assert self._counted() == counted or (is_due and self._counted() < counted)

    @rule(
        which=REPLICAS,
        body=st.one_of(PLAIN, BODIES),
        status=STATUSES,
        times=st.integers(1, 12),
        dies=st.one_of(st.none(), st.integers(0, 30)),
    )
    def sign_in_with_the_password(self, which: int, body: Any, status: int, times: int, dies: int | None) -> None:
        """The password goes to the token endpoint, which answers whatever it likes, as often as it is asked."""
        refusal = classify_token_failure(read_refusal(body), kind="password", status=status)
        for _ in range(times):
            sent = self.world.server.sent
            self.world.processes[which][0].kill_at = dies
            with suppress(Killed, *OVER):
                self.world.sign_in(which, refusal, is_free=is_free(body, status))
            if refusal.halts and self.world.server.sent > sent:
                self._halts(refusal.cls)  # whether or not the answer was written down
            if dies is not None:
                self._restart(which)
            self._pass_the_wait(which)

    @rule(which=REPLICAS)
    def sign_in_where_the_endpoint_looks_at_the_password(self, which: int) -> None:
        with suppress(*OVER):
            self.world.sign_in(which, None)
        self._note("honest")

    def _counted(self) -> int:
        rows = self.world.rows()
        return sum(row.kind == "password" and row.counts for row in rows)

    @rule(which=REPLICAS, steps=st.one_of(st.none(), st.integers(0, 10)))
    def unlock_and_reset(self, which: int, steps: int | None) -> None:
        process, guard = self.world.processes[which]
        self.world.server.unlock()
        process.kill_at = steps
        with suppress(Killed, JournalUnavailable):
            guard.reset("unlocked", actor="person", again=True)
            self._settled()
        if steps is not None:
            self._restart(which)

    # -- what holds ----------------------------------------------------------------------------------------------------

    @invariant()
    def the_budget_is_kept(self) -> None:
        assert self.world.server.worst <= self.world.lockout.budget < LIMIT
        assert not self.world.server.locked

    @invariant()
    def each_credential_keeps_to_its_limit(self) -> None:
        assert max(self.world.server.by_credential.values(), default=0) <= self.world.lockout.per_credential

    @rule(which=REPLICAS)
    def a_right_password_gets_in(self, which: int) -> None:
        world = self.world
        process, guard = world.processes[which]
        process.fail_at = None
        world.server.password = world.configured
        begun, latest = world.now, world.lockout.longest_wait + world.lockout.pause_after(99, 1.0)
        while True:
            until = self._until(which)
            if until is None:
                break
            assert begun < until <= begun + latest
            world.now = until
        standing = guard.status().standing
        if standing.state is State.HALTED:
            assert self._may_be_halted(which) or standing.reason == POLICY
            return
        self._note("honest")
        assert (standing.state, standing.failures, standing.remaining) == (State.READY, 0, world.lockout.budget)

    @rule(which=REPLICAS, answers=st.lists(st.sampled_from(PASSING), min_size=1, max_size=30))
    def passing_trouble_never_halts(self, which: int, answers: list[str]) -> None:
        self.world.processes[which][0].fail_at = None
        try:
            self.world.login(which, answers[0])
        except (Halted, *OVER):
            if self.world.processes[which][1].status().standing.state is State.HALTED:
                return  # it was before
        failures = self.world.processes[which][1].status().standing.failures
        for answer in answers:
            self._try(which, answer)
            standing = self.world.processes[which][1].status().standing
            assert standing.state is not State.HALTED
            assert standing.failures == failures
            self._pass_the_wait(which)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _restart(self, which: int) -> None:
        self.world.processes[which] = self.world.start(which)

    def _restore(self, copy: Copy) -> None:
        """Journal and witness gone together is what a first start looks like: nobody can tell them apart."""
        besides = [self.world.beside_of(which) for which in (0, 1)]
        if copy.store.records or any(one.testimony is not None or one.copied for one in besides):
            self._look()  # they run, and look every few seconds
            self._remember(copy)
            self.world.put_back(copy.store)

    def _remember(self, copy: Copy) -> None:
        """What the copy's rows say again, besides what may be known otherwise."""
        self.halting |= copy.halting
        self.tokens_refused = max(self.tokens_refused, copy.tokens_refused)

    def _look(self) -> None:
        for process, guard in self.world.processes:
            process.fail_at = None
            guard.keep_watch()

    def _lose_the_witness(self, which: int) -> None:
        beside = self.world.beside_of(which)
        beside.testimony, beside.copied = None, False

    def _settled(self, kind: str = "password") -> None:
        """A reset, or a success: one of a token is about tokens alone."""
        self.halting = {one for one in self.halting if kind == "token" and one[0] != APPLICATION}
        self.tokens_refused = 0

    def _halts(self, answer: str) -> None:
        self.halting.add((self.world.configured, answer))

    def _try(self, which: int, answer: str) -> None:
        try:
            self.world.login(which, answer)
        except LoginFailed:
            self._note(answer)
        except OVER:
            pass
        else:
            self._note("honest")

    def _until(self, which: int) -> float | None:
        """Log in; None: that is done, or a person must act; otherwise until when to wait."""
        try:
            self.world.login(which)
        except Cooling as cooling:
            return cooling.until
        except Halted:
            assert self._may_be_halted(which)
        except CredentialRefused:
            status = self.world.processes[which][1].status()
            assert status.detail is not None
            assert status.detail.startswith("it is one of the four previous passwords")
        return None

    def _note(self, answer: str) -> None:
        if answer in HALTS:
            self._halts(answer)
            return
        last = self.world.store.records[-1] if self.world.store.records else None
        if last is not None and last.outcome == SUCCEEDED:  # and it is written down
            self._settled(last.kind)

    def _pass_the_wait(self, which: int) -> None:
        self.world.processes[which][0].kill_at = None
        standing = self.world.processes[which][1].status().standing if self._readable(which) else None
        if standing is not None and standing.next_at is not None:
            self.world.now = max(self.world.now, standing.next_at)

    def _readable(self, which: int) -> bool:
        return self.world.processes[which][0].fail_at is None

    def _token_may_be_halted(self, reason: str) -> None:
        limit = self.tokens_refused >= self.world.lockout.token_attempts
        assert limit or (APPLICATION, reason) in self.halting

    def _may_be_halted(self, which: int) -> bool:
        """Whether a limit is reached, or a person must act: then a right credential needs one."""
        standing = self.world.processes[which][1].status().standing
        limits = standing.remaining == 0 or standing.remaining_for_credential == 0
        return limits or standing.reason == Reason.JOURNAL or (self.world.configured, standing.reason) in self.halting


QUICK = settings(
    max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


class SharedMachine(GuardMachine):
    """The same between two hosts, each with a witness of its own."""

    shared = True


@pytest.mark.parametrize("machine", [GuardMachine, SharedMachine])
def test_the_account_is_never_locked(machine: type[GuardMachine]) -> None:
    run_state_machine_as_test(machine, settings=QUICK)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("machine", [GuardMachine, SharedMachine])
def test_the_account_is_never_locked_at_length(machine: type[GuardMachine]) -> None:
    at_length = settings(QUICK, max_examples=400, stateful_step_count=50)
    run_state_machine_as_test(machine, settings=at_length)


@pytest.mark.parametrize("row", [*NUMBERED, *NAMED], ids=lambda row: str(row.number or row.error))
def test_no_answer_to_the_password_is_asked_for_a_ninth_time(row: Row) -> None:
    """Ever new passwords, each tried as often as the guard allows, and the same answer to all."""
    world = World()
    body = {"error": row.error, "error_codes": [] if row.number is None else [row.number]}
    refusal = classify_token_failure(read_refusal(body), kind="password", status=400)
    for number in range(12):
        world.configured = f"Right-Password-{number}"
        for _ in range(8):
            with suppress(*OVER):
                world.sign_in(0, refusal, is_free=not row.counts)
            world.now = max(world.now, world.processes[0][1].status().standing.next_at or 0.0)
    assert world.server.worst == (8 if row.counts else 1)
    assert world.server.sent >= 8
    assert (world.server.sent == 8) is row.counts


REPEATED = st.tuples(st.one_of(PLAIN, BODIES), STATUSES, st.integers(0, 4), st.integers(1, 12))


@given(answers=st.lists(REPEATED, min_size=1, max_size=10))
@settings(max_examples=80, deadline=None)
def test_whatever_the_endpoint_answers_to_passwords_the_budget_is_kept(
    answers: list[tuple[Any, int, int, int]],
) -> None:
    """Each failure that the server may have counted is counted, and no other."""
    world = World()
    for body, status, password, times in answers:
        world.configured = PASSWORDS[password]
        refusal = classify_token_failure(read_refusal(body), kind="password", status=status)
        for _ in range(times):
            with suppress(*OVER):
                world.sign_in(0, refusal, is_free=is_free(body, status))
            standing = world.processes[0][1].status().standing
            world.now = max(world.now, standing.next_at or 0.0)
        assert world.server.worst <= world.lockout.budget
        assert max(world.server.by_credential.values(), default=0) <= world.lockout.per_credential
        assert world.processes[0][1].status().standing.failures == world.server.maybe


def test_a_second_reset_must_be_meant() -> None:
    world = World()
    guard = world.processes[0][1]
    guard.reset("unlocked", actor="person")
    with pytest.raises(ResetNeedsAgain, match="--again"):
        guard.reset("unlocked", actor="person")
    guard.reset("unlocked", actor="person", again=True)
    world.login(0)
    guard.reset("unlocked", actor="person")
