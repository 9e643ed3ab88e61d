"""The guard's words and deeds one by one; what holds over any sequence of them is in `test_machine`."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.login.world import ACCOUNT, LIMIT, START, Beside, Killed, MemoryLedger, Process, Store, World
from worker.journal.database import JournalUnavailable
from worker.login.advice import Help, advise, moment, what_happened
from worker.login.backoff import Lockout
from worker.login.credential import Auth, Credential, Password, Token
from worker.login.password_policy import DAY, Age, policy_named
from worker.login.refusals import (
    Cooling,
    CredentialRefused,
    Halted,
    LastAttempt,
    NoAttempt,
    ReasonMissing,
    ResetNeedsAgain,
)
from worker.login.standing import Reason, Standing, State
from worker.login.witness import Testimony as Seen  # a name that pytest doesn't take for a test
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    LoginFailed,
    NotConnected,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.login_failures import HALTING, FailureClass, Kind, Phase, failure

F = FailureClass


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


def names(world: World) -> list[str]:
    return [name for name, _ in world.events]


# -- how it is used ----------------------------------------------------------------------------------------------------


def test_a_success_takes_both_answers() -> None:
    world = World()
    fail(world)
    with world.processes[0][1].attempt() as attempt:
        with pytest.raises(RuntimeError, match="no credential"):
            attempt.logged_in()
        assert attempt.credential() == Password(ACCOUNT, "Right-Password-0")
        with pytest.raises(RuntimeError, match="no OK"):
            attempt.first_command_ok()
        with pytest.raises(RuntimeError, match="once"):
            attempt.credential()
        assert standing(world).failures == 2
        attempt.logged_in()
        assert standing(world).failures == 2
        attempt.first_command_ok()
        assert standing(world).failures == 0
        with pytest.raises(RuntimeError):
            attempt.first_command_ok()
    assert standing(world) == Standing(State.READY, 0, 8, 5)


def test_what_goes_wrong_after_a_success_is_no_failed_login() -> None:
    world = World()
    with pytest.raises(ConnectionLost):
        send(world, later=ConnectionLost("later"))
    assert standing(world).failures == 0


def test_an_attempt_that_nobody_called_a_success_counts() -> None:
    world = World()
    with world.processes[0][1].attempt() as attempt:
        attempt.credential()
        attempt.logged_in()
    assert standing(world).failures == 1
    assert standing(world).reason == F.AMBIGUOUS


def test_a_block_that_sends_nothing_spends_nothing() -> None:
    world = World()
    with world.processes[0][1].attempt() as attempt:
        assert attempt.kind == "password"
    assert world.store.records == []
    assert standing(world) == Standing(State.READY, 0, 8, 5)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), ValueError("x"), TlsRefused("x"), ConnectionLost("x")]
)
def test_any_other_end_after_the_credential_counts(error: BaseException) -> None:
    world = World()
    with pytest.raises(type(error)):
        send(world, error)
    assert (standing(world).failures, standing(world).reason) == (1, F.LOST_AFTER_SENDING)


@pytest.mark.parametrize("error", [ValueError("x"), ConnectionLost("x"), TlsRefused("x"), ServerUnavailable("x")])
def test_any_end_before_the_credential_is_free_and_leaves_no_wait(error: BaseException) -> None:
    world = World()
    with pytest.raises(type(error)), world.processes[0][1].attempt():
        raise error
    assert standing(world) == Standing(State.READY, 0, 8, 5)


@pytest.mark.parametrize(
    "error", [Throttled("x", after=timedelta(seconds=90)), ServerUnavailable("x", after=timedelta(seconds=90))]
)
def test_a_pause_before_the_credential_is_kept_by_every_replica(error: Exception) -> None:
    world = World()
    with pytest.raises(type(error)), world.processes[0][1].attempt():
        raise error
    begun = world.now
    with pytest.raises(Cooling) as caught:
        world.login(1)
    assert caught.value.until == begun + 90
    world.now = begun + 89.9
    with pytest.raises(Cooling):
        world.login(1)
    world.now = begun + 90
    world.login(1)


def test_a_pause_is_a_row_of_its_own() -> None:
    world = World()
    for number in (1, 2):
        with pytest.raises(Throttled), world.processes[0][1].attempt():
            raise Throttled("x", after=timedelta(seconds=90))
        row = world.store.records[-1]
        assert (row.number, row.kind, row.outcome, row.actor, row.counts) == (
            number,
            "connection",
            F.THROTTLED,
            "replica",
            False,
        )
        assert (row.at, row.retry_after, row.credential, row.said) == (world.now, 90.0, None, "")
        assert 0 < row.jitter < 1
        assert world.beside.testimony == Seen(world.store.facts["epoch"], 0, 0)
        world.now += 90


def test_a_pause_that_cant_be_written_is_still_told() -> None:
    world = World()
    process, guard = world.processes[0]
    with pytest.raises(Throttled), guard.attempt():
        raise _then_fail(process, Throttled("x", after=timedelta(seconds=90)))
    assert world.store.records == []


def _then_fail(process: Process, error: Exception) -> Exception:
    process.fail_at = 0
    return error


@pytest.mark.parametrize(
    ("error", "password", "token"),
    [
        (ProtocolFault("x", by_server=True), (F.PROTOCOL, False), (F.PROTOCOL, False)),
        (ProtocolFault("x"), (F.AMBIGUOUS, True), (F.AMBIGUOUS, True)),
        (NotConnected("x"), (F.AMBIGUOUS, True), (F.AMBIGUOUS, True)),
        (CommandRefused("x"), (F.AMBIGUOUS, True), (F.AMBIGUOUS, True)),
        (TokenExpired("x"), (F.AMBIGUOUS, True), (F.TOKEN_EXPIRED, False)),
        (ServerUnavailable("x"), (F.UNAVAILABLE, False), (F.UNAVAILABLE, False)),
        (Throttled("x", after=timedelta(1)), (F.THROTTLED, False), (F.THROTTLED, False)),
        (ConnectionLost("x"), (F.LOST_AFTER_SENDING, True), (F.LOST_AFTER_SENDING, False)),
    ],
)
def test_what_each_error_comes_to(error: Exception, password: Any, token: Any) -> None:
    for world, expected in ((World(), password), (token_world()[0], token)):
        with pytest.raises(type(error)):
            send(world, error)
        assert (world.store.records[-1].outcome, world.store.records[-1].counts) == expected


def test_a_token_login_that_was_killed_waits_a_moment() -> None:
    world, tokens = token_world()
    process = world.processes[0][0]

    def die() -> None:
        process.kill_at = 0
        process.step(lambda: None)

    tokens.fails = die
    with pytest.raises(Killed):
        send(world)
    standing = standing_of(world, 1)
    assert (standing.state, standing.reason, standing.next_at) == (State.COOLING, Reason.UNANSWERED, world.now + 2)
    assert standing.failures == 0


def test_a_pause_isnt_lost_on_another_password() -> None:
    world = World()
    fail(world, "throttled")
    world.now -= 200
    world.configured = "Right-Password-1"
    with pytest.raises(Cooling):
        world.login(0)


# -- what is counted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", sorted(HALTING))
def test_some_answers_halt_at_once_until_another_credential_or_a_reset(cls: F) -> None:
    world = World()
    with pytest.raises(LoginFailed):
        send(world, LoginFailed(failure(cls, "password")))
    world.now += 1e9
    with pytest.raises(Halted) as caught:
        world.login(1)
    assert caught.value.reason == cls
    world.server.password = world.configured = "Right-Password-1"
    world.login(1)
    world.configured = "Right-Password-0"


def test_a_halt_stands_while_other_credentials_fail() -> None:
    world = World()
    fail(world, "locked")
    world.configured = "Right-Password-1"
    fail(world)
    world.configured = "Right-Password-0"
    world.now += 1e9
    with pytest.raises(Halted) as caught:
        world.login(0)
    assert caught.value.reason == F.LOCKED


def test_a_reset_ends_a_halt() -> None:
    world = World()
    fail(world, "locked")
    world.processes[1][1].reset("unlocked by the administrator", actor="person")
    world.login(0)
    assert names(world)[-3:] == ["login.reset", "login.attempt", "login.succeeded"]


def test_a_credential_that_failed_waits_for_the_accounts_last_failure() -> None:
    world = World(Lockout(jitter=0.0))
    fail(world, times=2)
    world.configured = "Right-Password-1"
    world.now -= 500
    fail_at = world.now
    with pytest.raises(LoginFailed):
        world.login(0, "rejected")
    world.configured = "Right-Password-0"
    with pytest.raises(Cooling) as caught:
        world.login(0)
    assert caught.value.until == fail_at + 3600


def test_after_the_limits_of_each_credential_comes_that_of_the_account() -> None:
    world = World()
    fail(world, times=5)
    with pytest.raises(Halted) as caught:
        world.login(0)
    assert caught.value.reason == Reason.CREDENTIAL
    world.configured = "Right-Password-1"
    fail(world, times=3)
    for password in ("Right-Password-1", "Right-Password-2"):
        world.configured = password
        with pytest.raises(Halted) as caught:
            world.login(0)
        assert caught.value.reason == Reason.BUDGET
    assert standing(world) == Standing(State.HALTED, 8, 0, 0, None, Reason.BUDGET)
    assert world.server.sent == 8


def test_passing_troubles_wait_longer_and_longer_but_never_count() -> None:
    world = World(Lockout(jitter=0.0))
    waits = []
    for _ in range(7):
        begun = world.now
        fail(world, "unavailable")
        waits.append(world.now - begun)
    assert waits == [2, 10, 30, 60, 300, 300, 300]
    assert standing(world).failures == 0
    fail(world, "rejected")
    begun = world.now
    fail(world, "unavailable")
    assert world.now - begun == 2


def test_a_server_that_asks_for_no_pause_sets_no_pace() -> None:
    world = World(Lockout(jitter=0.0))
    waits = []
    for after in (0.0, 0.0, 31.0, 0.0, 0.0, 7.0, 400.0):
        begun = world.now
        with pytest.raises(LoginFailed):
            send(world, LoginFailed(failure(F.THROTTLED, "password", retry_after=timedelta(seconds=after))))
        world.now = standing(world).next_at or 0
        waits.append(world.now - begun)
    assert waits == [2, 10, 31, 60, 300, 300, 400]


def test_a_wait_is_as_short_as_the_settings_say() -> None:
    world = World(Lockout(waits=(0.25,), jitter=0.0))
    with pytest.raises(LoginFailed):
        world.login(0, "rejected")
    assert standing(world).next_at == world.now + 0.25


def test_a_failure_that_counts_waits_as_long_as_the_server_asked_too() -> None:
    world = World(Lockout(jitter=0.0))
    lost = failure(F.LOST_AFTER_SENDING, "password", retry_after=timedelta(seconds=300))
    with pytest.raises(LoginFailed):
        send(world, LoginFailed(lost))
    assert standing(world).next_at == world.now + 300


FREE = [F.THROTTLED, F.UNAVAILABLE, F.LOST_BEFORE_SENDING]
ANSWERS = st.one_of(
    st.tuples(st.just("password"), st.sampled_from(FREE)),
    st.tuples(
        st.just("token"), st.sampled_from([*FREE, F.SIGN_IN_AGAIN, F.CONFIGURATION, F.TOKEN_REJECTED, F.AMBIGUOUS])
    ),
)


@settings(max_examples=100, deadline=None)
@given(answers=st.lists(st.tuples(ANSWERS, st.sampled_from([None, 0.0, 1.0])), min_size=5, max_size=40))
def test_answers_that_dont_count_bring_no_more_passwords_than_the_schedule_of_reconnects(
    answers: list[tuple[tuple[Kind, F], float | None]],
) -> None:
    world, tokens = token_world(password="Right-Password-0", identity="Right-Password-0")
    sent, begun = [], world.now
    for number, ((kind, cls), after) in enumerate(answers):
        tokens.kind, tokens.identity = kind, f"{kind} {number}"  # each a sign-in of its own
        wait = None if after is None else timedelta(seconds=after)
        if kind == "password":
            tokens.identity = "Right-Password-0"
        try:
            send(world, LoginFailed(failure(cls, kind, retry_after=wait)))
        except LoginFailed:
            sent += [world.now - begun] if kind == "password" else []
        except Cooling as cooling:
            world.now = cooling.until
    pauses = [2.0, 10.0, 30.0, 60.0, *[300.0] * len(sent)]
    assert all(at >= sum(pauses[:nth]) for nth, at in enumerate(sent))


def test_a_clock_that_goes_back_doesnt_cool_for_ever() -> None:
    world = World(Lockout(jitter=0.0))
    fail(world, times=4)
    world.now -= 1e8
    begun = world.now
    with pytest.raises(Cooling) as caught:
        world.login(0)
    assert caught.value.until == begun + 4 * 3600
    world.now = begun + 4 * 3600 - 1
    with pytest.raises(Cooling):
        world.login(1)
    world.now = begun + 4 * 3600
    world.login(1)


def test_a_result_that_couldnt_be_written_is_written_before_the_next_attempt() -> None:
    world = World()
    process, guard = world.processes[0]
    with guard.attempt() as attempt:
        attempt.credential()
        attempt.logged_in()
        process.fail_at = 0
        attempt.first_command_ok()
    assert standing_of(world, 1).failures == 1
    with pytest.raises(JournalUnavailable):
        world.login(0)
    process.fail_at = None
    world.now += 1
    world.login(0)
    assert [record.outcome for record in world.store.records] == ["succeeded", "succeeded"]


def standing_of(world: World, which: int) -> Standing:
    return world.processes[which][1].status().standing


# -- the last attempt, resets ------------------------------------------------------------------------------------------


def test_a_command_doesnt_get_the_last_attempt() -> None:
    world = World()
    guard = world.processes[0][1]
    fail(world, times=3)
    with pytest.raises(ValueError, match="granted"), guard.attempt(keep_last=True):
        raise ValueError("granted")
    fail(world)
    with pytest.raises(LastAttempt, match="Only 1 attempt"), guard.attempt(keep_last=True):
        pytest.fail("granted")
    world.login(0)


def test_where_the_settings_give_one_attempt_a_command_may_use_it_until_something_fails() -> None:
    world = World(lockout=Lockout(per_credential=1))
    guard = world.processes[0][1]
    with pytest.raises(ValueError, match="granted"), guard.attempt(keep_last=True):
        raise ValueError("granted")
    fail(world)
    world.configured = "Another-Harbour-5"
    with pytest.raises(LastAttempt), guard.attempt(keep_last=True):
        pytest.fail("granted")


def test_what_a_command_would_spend_is_foreseen_without_a_trace() -> None:
    world = World()
    guard = world.processes[0][1]
    before = (world.snapshot(), world.beside.testimony)
    assert guard.foresee() == Standing(State.READY, 0, 8, 5)
    assert (world.store, world.beside.testimony, world.events) == (*before, [])
    fail(world, times=3)
    assert guard.foresee() == Standing(State.READY, 3, 5, 2, None, F.REJECTED)
    fail(world)
    assert guard.foresee() is None  # the last one is the worker's
    fail(world)
    assert guard.foresee() is None
    world.configured = "Right-Password-1"
    assert guard.foresee() == Standing(State.READY, 5, 3, 3)


@pytest.mark.parametrize("why", ["cooling", "policy", "previous", "doubt"])
def test_where_a_command_would_be_refused_nothing_is_foreseen(why: str) -> None:
    world = World()
    with suppress(LoginFailed):
        world.login(0, "rejected")
    world.now += 1e6 if why != "cooling" else 0
    world.configured = "short" if why == "policy" else world.configured
    if why == "previous":
        before = world.configured
        for password in (before, "Right-Password-1"):
            world.server.password = world.configured = password
            world.login(0)
        world.configured = before
    if why == "doubt":
        world.put_back(Store())
    assert world.processes[0][1].foresee() is None


def test_of_a_token_its_own_attempts_are_foreseen() -> None:
    world, _ = token_world()
    with pytest.raises(LoginFailed):
        send(world, rejected())
    world.now += 1e6
    found = world.processes[0][1].foresee()
    assert found is not None
    assert (found.kind, found.remaining_for_credential, found.remaining) == ("token", 2, 8)


def test_a_second_reset_must_be_meant() -> None:
    world = World()
    guard = world.processes[0][1]
    guard.reset("unlocked", actor="person")
    with pytest.raises(ResetNeedsAgain, match="--again"):
        guard.reset("unlocked", actor="person")
    guard.reset("unlocked", actor="person", again=True)
    world.login(0)
    guard.reset("unlocked", actor="person")
    first = world.store.records[0]
    assert (first.kind, first.actor, first.note, first.at) == ("reset", "person", "unlocked", world.now)
    assert first.outcome == "password"
    reset = [fields for name, fields in world.events if name == "login.reset"]
    assert reset[0] == {"actor": "person", "reason": "unlocked", "again": False, "failures": 0, "remaining": 8}
    assert [fields["again"] for fields in reset] == [False, True, False]


@pytest.mark.parametrize("what", ["append", "begin"])
def test_a_first_row_that_cant_be_written_leaves_a_witness_that_has_a_name(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    world = World()

    def write() -> None:
        if what == "append":
            world.processes[0][1].reset("unlocked", actor="person")
        else:
            world.login(0)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryLedger, what, unavailable)
        with pytest.raises(JournalUnavailable):
            write()
    assert world.beside.testimony is not None
    begun = world.beside.testimony.epoch
    write()
    assert begun == world.store.facts["epoch"] == world.beside.testimony.epoch
    assert len(begun) == 32


@pytest.mark.parametrize("reason", ["", "   ", "\t\n", "\u2003"])
def test_a_reset_without_a_reason_isnt_made(reason: str) -> None:
    world = World()
    fail(world, "locked")
    with pytest.raises(ReasonMissing, match=r'^A reset needs a reason.* repeat the command with --reason "'):
        world.processes[0][1].reset(reason, actor="person", again=True)
    assert "login.reset" not in names(world)
    assert (standing(world).state, standing(world).said) == (State.HALTED, "")


def test_a_tokens_success_doesnt_prove_a_reset_that_was_about_the_password() -> None:
    world = World()
    process, guard = world.processes[0]
    fail(world, "locked")
    guard.reset("unlocked", actor="person")
    process.source = Tokens()
    send(world)
    process.source = world
    with pytest.raises(LoginFailed):
        world.login(0, "rejected")
    with pytest.raises(ResetNeedsAgain):
        guard.reset("unlocked", actor="person")
    world.now += 1000
    world.login(0)
    guard.reset("unlocked", actor="person")


def test_a_tokens_success_proves_a_reset_that_was_about_tokens() -> None:
    world, _ = token_world()
    guard = world.processes[0][1]
    for _ in range(2):
        with pytest.raises(LoginFailed):
            send(world, LoginFailed(failure(F.LOCKED, "token")))
        guard.reset("unlocked", actor="person")
        with pytest.raises(ResetNeedsAgain):
            guard.reset("unlocked", actor="person")
        send(world)


def test_a_reset_that_forgets_a_password_is_about_it_whatever_is_sent_now() -> None:
    world, tokens = token_world()
    process, guard = world.processes[0]
    process.source = world
    fail(world)
    process.source = tokens
    send(world)
    guard.reset("unlocked", actor="person")
    assert world.store.records[-1].outcome == "password"
    send(world)
    with pytest.raises(ResetNeedsAgain):
        guard.reset("unlocked", actor="person")


def test_a_reset_is_known_to_the_witness() -> None:
    world = World()
    world.processes[0][1].reset("unlocked", actor="person")
    epoch = world.store.facts["epoch"]
    assert world.beside.testimony == Seen(epoch, 1, 0)
    fail(world, times=2)
    assert world.beside.testimony == Seen(epoch, 3, 2)
    world.processes[0][1].reset("unlocked", actor="person", again=True)
    assert world.beside.testimony == Seen(epoch, 4, 0)
    world.put_back(Store())
    world.processes[0][1].reset("unlocked", actor="person")
    assert world.store.records[0].number == 5  # numbers never go back
    assert world.beside.testimony == Seen(epoch, 5, 0)


def test_the_witness_knows_how_an_attempt_ended() -> None:
    world = World()
    fail(world)
    fail(world, "throttled")
    epoch = world.store.facts["epoch"]
    assert world.beside.testimony == Seen(epoch, 2, 1)
    world.login(0)
    assert world.beside.testimony == Seen(epoch, 3, 0)
    assert not world.store.records[-1].counts


def test_a_reset_ends_what_was_told() -> None:
    world = World()
    for _ in range(2):
        fail(world, "locked")
        world.processes[0][1].reset("unlocked", actor="person", again=True)
    assert names(world).count("login.halted") == 2


def test_a_reset_makes_good_for_a_restored_journal() -> None:
    world = World()
    kept = world.snapshot()
    fail(world, times=2)
    world.put_back(kept)
    with pytest.raises(Halted) as caught:
        world.login(0)
    assert caught.value.reason == Reason.JOURNAL
    assert standing_of(world, 1).reason == Reason.JOURNAL
    world.processes[0][1].reset("unlocked", actor="person")
    world.login(0)
    world.put_back(kept)
    world.login(0)  # nothing had failed since the success


# -- the policy --------------------------------------------------------------------------------------------------------


def test_a_password_that_breaks_the_policy_isnt_sent() -> None:
    world = World()
    world.configured = "short"
    for _ in range(3):
        with pytest.raises(CredentialRefused) as caught:
            world.login(0)
    assert world.server.sent == 0
    assert caught.value.faults == [
        "it is shorter than 8 characters",
        "it has fewer than three of the four kinds: upper case, lower case, digits, symbols",
    ]
    assert names(world) == ["login.refused"]
    status = world.processes[1][1].status()
    assert (status.standing.state, status.standing.reason) == (State.HALTED, "policy")
    assert "shorter" in str(status.detail)
    world.configured = "Right-Password-0"
    world.login(0)
    assert world.processes[1][1].status().standing.state is State.READY


def test_only_passwords_that_were_accepted_are_history() -> None:
    world = World()
    for number in range(6):
        world.server.password = world.configured = f"Right-Password-{number}"
        world.login(0)
    world.configured = "Wrong-Password-1"
    fail(world)
    world.configured = "Right-Password-5"  # the last accepted is never 'previous'
    world.login(0)
    for number in (4, 3, 2, 1):
        world.configured = f"Right-Password-{number}"
        with pytest.raises(CredentialRefused, match="four previous"):
            world.login(0)
    for password in ("Wrong-Password-1", "Right-Password-0"):
        world.configured = password
        with pytest.raises(LoginFailed):
            world.login(0)


def test_without_a_policy_anything_is_sent() -> None:
    world = World(policy=policy_named("off"))
    for number in range(3):
        world.server.password = world.configured = f"pw {number}"
        world.login(0)
    world.server.password = world.configured = "pw 0"
    world.login(0)


# -- the password's age ------------------------------------------------------------------------------------------------


def test_a_passwords_age_runs_from_when_it_was_first_seen() -> None:
    world = World()
    guard, begun = world.processes[0][1], world.now
    assert guard.status().age is None
    guard.check_age()
    world.login(0)
    world.now += 10 * DAY
    world.login(0)
    assert guard.status().age == Age(begun, begun + 90 * DAY, 80)
    world.server.password = world.configured = "Right-Password-1"
    world.login(0)
    assert guard.status().age == Age(world.now, world.now + 90 * DAY, 90)


def test_a_passwords_age_may_be_set() -> None:
    world = World(changed=START - 5 * DAY, max_age=30 * DAY)
    guard = world.processes[0][1]
    assert guard.status().age == Age(world.now - 5 * DAY, world.now + 25 * DAY, 25)
    world.now += 20 * DAY
    guard.check_age()
    assert world.events == [("password.expiring", {"days_left": 5, "expires_at": moment(world.now + 5 * DAY)})]


def test_each_warning_comes_once_over_restarts_and_replicas() -> None:
    world = World()
    world.login(0)
    world.now += 75 * DAY
    for hour in range(18 * 24):
        world.processes[hour % 2][1].check_age()
        if hour % 50 == 0:
            world.processes = [world.start(), world.start()]
        world.now += DAY / 24
    warned = [fields["days_left"] for name, fields in world.events if name == "password.expiring"]
    assert warned == [14, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2, -3]


# -- what it says ------------------------------------------------------------------------------------------------------


def test_what_is_told() -> None:
    world = World(Lockout(jitter=0.0))
    begun = world.now
    fail(world)
    assert names(world) == ["login.attempt", "login.rejected", "login.cooling"]
    attempt, rejected, cooling = (fields for _, fields in world.events)
    assert attempt == {"kind": "password", "actor": "replica", "remaining": 8}
    assert rejected == {
        "kind": "password",
        "actor": "replica",
        "outcome": "rejected",
        "counts": True,
        "said": "",
        "remaining": 7,
        "failures": 1,
    }
    assert cooling["next_attempt_at"] == moment(begun + 60)
    assert cooling["failures"] == 1
    assert "The next attempt comes at" in str(cooling["advice"])
    assert (cooling["remaining"], cooling["remaining_for_credential"], cooling["reason"]) == (7, 4, "rejected")
    world.now = begun
    for _ in range(3):
        with pytest.raises(Cooling):
            world.login(0)
    assert len(world.events) == 3  # said once
    world.now = begun + 60
    world.login(0)
    assert names(world)[3:] == ["login.attempt", "login.succeeded"]
    assert world.events[-1][1] == {
        "kind": "password",
        "actor": "replica",
        "outcome": "succeeded",
        "failures_before": 1,
        "failures": 0,
        "remaining": 8,
    }


def test_a_halt_is_told_once_and_again_by_a_new_process() -> None:
    world = World()
    fail(world, "locked")
    for _ in range(2):
        with pytest.raises(Halted):
            world.login(0)
    assert names(world).count("login.halted") == 1
    world.processes[0] = world.start()
    with pytest.raises(Halted):
        world.login(0)
    assert names(world).count("login.halted") == 2


def test_a_halt_after_another_process_has_reset_is_told_again() -> None:
    world = World()
    for _ in range(2):
        fail(world, "expired")
        for _ in range(2):
            with pytest.raises(Halted):
                world.login(0)
        world.processes[1][1].reset("a new password was set", actor="person", again=True)
    assert names(world).count("login.halted") == 2


def test_whoever_acts_is_told_of_every_event() -> None:
    world = World()
    fail(world, "locked")
    world.configured = "short"
    with pytest.raises(CredentialRefused):
        world.login(0)
    assert {fields["actor"] for _, fields in world.events} == {"replica"}
    fields = dict(world.events)["login.refused"]
    assert (fields["failures"], fields["remaining"]) == (1, 7)


def test_a_success_and_a_reset_say_how_many_are_left() -> None:
    world = World()
    fail(world, times=2)
    world.processes[0][0].source = Tokens()
    send(world)
    told = world.events[-1][1]
    assert (told["failures"], told["remaining"]) == (2, 6)  # a token that gets in says nothing of the password
    world.processes[0][0].source = world
    world.processes[0][1].reset("unlocked", actor="person")
    told = world.events[-1][1]
    assert (told["failures"], told["remaining"]) == (2, 8)
    world.login(0)
    told = world.events[-1][1]
    assert (told["failures"], told["remaining"], told["failures_before"]) == (0, 8, 0)


def test_no_secret_and_no_fingerprint_is_told_or_kept() -> None:
    world = World()
    for password in ("Right-Password-0", "Right-Password-1", "Wrong-Password-1", "short"):
        world.configured = password
        with pytest.raises((LoginFailed, CredentialRefused, NoAttempt)):
            world.login(0, "rejected")
    said = repr(world.events) + repr(world.processes[0][1].status())
    kept = repr(world.store) + repr(world.beside)
    for password in ("Right-Password", "Wrong-Password", "'short'"):
        assert password not in said
        assert password not in kept
    for fingerprint in world.store.known:
        assert fingerprint.removeprefix("password:") not in said


def test_status_has_the_contracts_fields() -> None:
    world = World(Lockout(jitter=0.0))
    begun = world.now
    with pytest.raises(LoginFailed):
        world.login(0, "rejected")
    found = world.processes[1][1].status()
    assert found.standing == Standing(State.COOLING, 1, 7, 4, begun + 60, F.REJECTED)
    assert (found.rules.threshold, found.rules.reserve) == (12, 4)
    assert World().processes[0][1].status().standing == Standing(State.READY, 0, 8, 5)


REASONS = [*Reason, *F]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_its_sentence(reason: str) -> None:
    assert what_happened(reason) != what_happened(None) == "The login hasn't succeeded yet."


def test_advice_says_all_of_it() -> None:
    world = World(Lockout(jitter=0.0))
    begun = world.now
    with pytest.raises(LoginFailed):
        world.login(0, "rejected")
    text = world.processes[0][1].advice()
    for part in (
        "The server rejected the user name or password.",
        f"No mail of {ACCOUNT} is read meanwhile; it is safe in the mailbox.",
        "Failed attempts that count: 1; left for the worker: 7, with this credential 4 (the account locks at 12, 4 are",
        f"12, 4 are kept in reserve). The next attempt comes at {moment(begun + 60)}.",
        "Put the right password in the password file; it is tried at once",
        "ask your Local Administrator whether the account is unlocked",
    ):
        assert part in text
    world.needs_restart = True
    assert "environment" in world.processes[0][1].advice()


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        (Reason.BUDGET, "login reset"),
        (Reason.JOURNAL, "login reset"),
        (Reason.CREDENTIAL, "Put the right password"),
        (Reason.UNANSWERED, "Put the right password"),
        (F.AMBIGUOUS, "Put the right password"),
        (F.LOCKED, "Ask the LA on 1234 to unlock"),
        (F.DISABLED, "Ask the LA on 1234 to unlock or enable"),
        (F.EXPIRED, "Change the password."),
        (F.CONFIGURATION, "NHSmail's mailboxes need OAuth 2.0"),
        (F.PROTOCOL, "ring 5678|5678 answers questions about the connection"),
        (F.LOST_AFTER_SENDING, "ring 5678 about the connection"),
        (Reason.TOKEN, "may read this mailbox"),
        (F.TOKEN_REJECTED, "may read this mailbox"),
        (F.SIGN_IN_AGAIN, "login authorise"),
    ],
)
def test_each_halt_says_whom_to_ask(reason: str, part: str) -> None:
    halted = Standing(State.HALTED, 0, 8, 5, None, reason)
    text = advise(halted, Lockout(), Help("the LA on 1234", "5678"), account=ACCOUNT)
    assert any(one in text for one in part.split("|"))
    assert "No further attempt is made by itself." in text
    assert "Failed attempts" not in text


RESET = "login reset"
RUN = "run `nhsmail-worker login reset --reason …`."
AUTHORISE = "login authorise"
NO_COUNT = "no password was sent"
HALT = "No further attempt is made by itself."
ASK = "5678 answers questions about the connection."
ADVICE: list[tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = [
    # of the standing and the way to log in, what is said, and what isn't
    ({"reason": F.EXPIRED}, ("the LA on 1234", "Change the password.", "password file"), (RESET, AUTHORISE)),
    ({"reason": F.EXPIRED, "auth": "oauth2-device"}, ("the LA on 1234", AUTHORISE), (RESET, "password file")),
    ({"reason": F.EXPIRED, "auth": "oauth2-client"}, ("the LA on 1234", RESET), (AUTHORISE, "password file")),
    ({"reason": F.EXPIRED, "auth": "oauth2-password"}, ("the LA on 1234", "password file"), (RESET, AUTHORISE)),
    (
        {"reason": F.CONFIGURATION, "said": "AADSTS7000222", "auth": "oauth2-client"},
        (
            "client secret has expired",
            "the LA on 1234",
            "new one. Put it into the file that `client_secret_file` names",
        ),
        (RESET, "way of logging in"),
    ),
    (
        {"reason": F.CONFIGURATION, "said": "AADSTS7000222", "auth": "oauth2-client", "needs_restart": True},
        ("client secret has expired", "new one. Put it into the worker's environment and restart it"),
        (RESET, "client_secret_file"),
    ),
    (
        {"reason": F.CONFIGURATION, "said": "AADSTS7000215", "auth": "oauth2-client"},
        ("client secret isn't the right one", "client_secret_file"),
        (RESET,),
    ),
    (
        {"reason": F.CONFIGURATION},
        (f"{HALT} Set `auth`", "OAuth 2.0 today, and restart", "tried at once", "The LA on 1234 knows", ASK),
        (RESET,),
    ),
    (
        {"reason": F.CONFIGURATION, "said": "tenant", "auth": "oauth2-device"},
        (f"{HALT} Check `auth` under `[account]`, and the application's tenant", "[account.oauth]", "tried at once"),
        (RESET, "need OAuth"),
    ),
    *(
        ({"reason": F.CONFIGURATION, "said": said, "auth": "oauth2-password"}, (said, "the LA on 1234", RESET), ())
        for said in ("AADSTS50076", "AADSTS50079", "AADSTS53003", "AADSTS65001")
    ),
    ({"reason": F.PROTOCOL}, (f"{HALT} Check `host`", "version of the worker; 5678", RESET), ("OAuth 2.0",)),
    ({"reason": F.SIGN_IN_AGAIN, "auth": "oauth2-device"}, (AUTHORISE,), (RESET,)),
    ({"reason": F.SIGN_IN_AGAIN, "auth": "oauth2-client"}, ("still registered", RESET), (AUTHORISE,)),
    (
        {"reason": F.SIGN_IN_AGAIN, "auth": "oauth2-password"},
        (f"Sign in as {ACCOUNT} with a browser", "password", RESET),
        (AUTHORISE,),
    ),
    *(
        ({"reason": reason, "kind": "token"}, (NO_COUNT, "ring 5678"), ("counts as failed", "password file", RESET))
        for reason in (F.LOST_AFTER_SENDING, Reason.UNANSWERED)
    ),
    *(
        ({"reason": reason, "kind": "token", "auth": "oauth2-client"}, ("may read this mailbox", f"then {RUN}"), ())
        for reason in (Reason.TOKEN, F.TOKEN_REJECTED)
    ),
    ({"reason": F.AMBIGUOUS, "kind": "token"}, (NO_COUNT, "may read", RESET), ("counts as failed", "password file")),
    ({"reason": F.LOST_AFTER_SENDING}, ("counts as failed",), (NO_COUNT,)),
    ({"reason": Reason.UNANSWERED}, ("counts as failed", "password file"), (NO_COUNT,)),
]


@pytest.mark.parametrize(("given_", "said", "unsaid"), ADVICE)
def test_advice_fits_the_way_of_logging_in(
    given_: dict[str, Any], said: tuple[str, ...], unsaid: tuple[str, ...]
) -> None:
    of_standing = {name: given_[name] for name in given_ if name in {"reason", "kind", "said"}}
    rest = {name: given_[name] for name in given_ if name not in of_standing}
    halted = Standing(State.HALTED, 0, 8, 5, **of_standing)
    text = advise(halted, Lockout(), Help("the LA on 1234", "5678"), account=ACCOUNT, **rest)
    assert [part for part in said if part not in text] == []
    assert [part for part in unsaid if part in text] == []


def test_a_token_that_may_mean_anything_asks_for_no_reset_while_it_cools() -> None:
    cooling = Standing(State.COOLING, 0, 8, 2, 1.0, F.AMBIGUOUS, kind="token")
    assert RESET not in advise(cooling, Lockout(), Help(), account=ACCOUNT, auth="oauth2-client")


def test_the_guards_advice_speaks_of_what_was_said() -> None:
    world, _ = token_world()
    with pytest.raises(LoginFailed):
        send(world, LoginFailed(failure(F.CONFIGURATION, "token", said="AADSTS7000222")))
    assert "client secret has expired" in world.processes[1][1].advice()
    [halted] = [fields for name, fields in world.events if name == "login.halted"]
    assert "client secret has expired" in str(halted["advice"])
    world.processes[0][1].reset("a new secret", actor="person")
    with pytest.raises(ConnectionLost):
        send(world, ConnectionLost("x"))
    assert NO_COUNT in world.processes[1][1].advice()


@pytest.mark.parametrize("reason", [F.THROTTLED, F.UNAVAILABLE, F.LOST_BEFORE_SENDING])
def test_passing_troubles_ask_nothing_of_a_person(reason: str) -> None:
    cooling = Standing(State.COOLING, 0, 8, 5, 1.0, reason)
    assert advise(cooling, Lockout(), Help(), account=ACCOUNT) == (
        f"{what_happened(reason)} No mail of {ACCOUNT} is read meanwhile; it is safe in the mailbox. "
        "The next attempt comes at 1970-01-01T00:00:01Z."
    )


# -- tokens ------------------------------------------------------------------------------------------------------------


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
    return LoginFailed(failure(F.TOKEN_REJECTED, "token"))


@pytest.mark.parametrize(
    ("kept", "refreshed", "counted", "at"),
    [
        (True, [False, True, True, True], [False, True, True, True], [0, 2, 62, 662]),
        (False, [False, True, True], [True, True, True], [0, 60, 660]),
    ],
)
def test_a_rejected_token_is_refreshed_once_and_then_counted(
    kept: bool, refreshed: list[bool], counted: list[bool], at: list[int]
) -> None:
    world, tokens = token_world(keeps=True, kept=kept)
    begun = world.now
    times = []
    for _ in range(100):
        try:
            send(world, rejected())
        except LoginFailed:
            times.append(world.now - begun)
        except Cooling as cooling:
            world.now = cooling.until
        except Halted as halted:
            reason = halted.reason
            break
    assert reason == Reason.TOKEN
    assert tokens.refreshed == refreshed
    assert [fields["counts"] for name, fields in world.events if name == "login.rejected"] == counted
    assert times == at
    assert standing(world).failures == 0
    assert standing(world).remaining == 8
    tokens.identity = "another"
    send(world)
    tokens.identity = "application"
    send(world)


def test_tokens_never_spend_the_budget() -> None:
    world, _ = token_world()
    for error in (rejected(), ConnectionLost("x"), KeyboardInterrupt(), LoginFailed(failure(F.LOCKED, "token"))):
        with pytest.raises(type(error)):
            send(world, error)
        world.now += 1000
        assert standing(world).failures == 0
        assert standing(world).remaining == 8


def test_losses_with_a_token_only_wait() -> None:
    world, _ = token_world()
    for _ in range(20):
        with pytest.raises(ConnectionLost):
            send(world, ConnectionLost("x"))
        assert standing(world).state is State.COOLING
        world.now = standing(world).next_at or 0
    send(world)


def test_a_reset_before_any_attempt_names_the_journal() -> None:
    world = World()
    world.processes[0][1].reset("unlocked", actor="person")
    assert world.beside.testimony is not None
    assert world.beside.testimony.epoch == world.store.facts["epoch"]
    assert world.store.facts["epoch"]
    world.login(1)
    assert standing(world).failures == 0


def test_a_pause_before_any_attempt_names_the_journal() -> None:
    world = World()
    with pytest.raises(Throttled):
        world.login(0, "throttled first")
    assert world.beside.testimony is not None
    assert world.beside.testimony.epoch == world.store.facts["epoch"]
    assert world.store.facts["epoch"]


def test_a_pause_on_a_restored_journal_is_numbered_after_what_was() -> None:
    world = World()
    copy = world.snapshot()
    world.login(0)
    world.login(0)
    world.put_back(copy)  # nothing failed since, so nothing can have been forgotten that matters
    with pytest.raises(Throttled):
        world.login(0, "throttled first")
    assert world.store.records[-1].number == 3
    assert world.beside.testimony is not None
    assert world.store.facts["epoch"] == world.beside.testimony.epoch


def test_a_token_that_ran_out_in_a_session_is_refreshed_until_a_fresh_one_was_had() -> None:
    world, tokens = token_world()
    world.processes[0][1].token_expired()
    tokens.fails = lambda: (_ for _ in ()).throw(LoginFailed(failure(F.UNAVAILABLE, "token")))
    with pytest.raises(LoginFailed):
        send(world)
    world.now += 1_000
    tokens.fails = lambda: None
    send(world)
    send(world)
    assert tokens.refreshed == [True, True, False]


def test_an_expired_token_is_refreshed() -> None:
    world, tokens = token_world()
    with pytest.raises(TokenExpired):
        send(world, TokenExpired("x"))
    world.now += 2
    send(world)
    assert tokens.refreshed == [False, True]
    send(world)
    assert tokens.refreshed == [False, True, False]


def test_a_tokens_success_doesnt_forget_the_passwords_failures() -> None:
    world = World()
    fail(world, times=3)
    world.processes[0][0].source = Tokens()
    send(world)
    world.processes[0][0].source = world
    with pytest.raises(LoginFailed):
        world.login(0, "rejected")
    assert standing(world).failures == 4


def test_a_doubted_journal_doesnt_keep_tokens_out() -> None:
    world, tokens = token_world()
    world.processes[1][0].source = world
    with pytest.raises(LoginFailed):
        world.login(1, "rejected")
    world.store.records.clear()
    world.store.facts.clear()
    send(world)
    with pytest.raises(Halted) as caught:
        world.login(1)
    assert caught.value.reason == Reason.JOURNAL
    assert world.processes[0][0].source is tokens


@pytest.mark.parametrize("again", [False, True])
def test_a_token_on_a_doubted_journal_doesnt_end_the_doubt(*, again: bool) -> None:
    world, tokens = token_world()
    world.processes[0][0].source = world
    fail(world, times=5)
    world.put_back(Store())
    process = world.processes[0][0]
    with pytest.raises(Halted):
        world.login(0)
    process.source = tokens
    send(world)
    process.source = world
    if again:  # forgotten once more: the witness mustn't have learnt that there is nothing to forget
        world.put_back(Store())
    with pytest.raises(Halted) as caught:
        world.login(0)
    assert caught.value.reason == Reason.JOURNAL
    assert world.server.sent == 5


def test_a_password_for_the_token_endpoint_is_an_attempt_at_the_password() -> None:
    world, tokens = token_world(kind="password", identity="Right-Password-0", password="Right-Password-0")

    def refuse() -> None:
        raise LoginFailed(failure(F.REJECTED, "password"))

    tokens.fails = refuse
    with pytest.raises(LoginFailed):
        send(world)
    assert standing(world).failures == 1
    with pytest.raises(Cooling):
        send(world)


def test_a_password_that_the_token_endpoint_took_isnt_blamed_for_the_token() -> None:
    world, _ = token_world(kind="password", identity="Right-Password-0", password="Right-Password-0")
    for _ in range(3):
        with pytest.raises(LoginFailed):
            send(world, rejected())
        assert standing(world).failures == 0
        world.now += 1000
    with pytest.raises(Halted) as caught:
        send(world)
    assert caught.value.reason == Reason.TOKEN


def die(process: Process) -> None:
    process.dead = True
    raise Killed


def behind(tokens: Tokens) -> None:
    """The password has led to a token, which is kept: the next attempts send that."""
    tokens.kind, tokens.fails = "token", lambda: None


def test_a_kill_after_the_token_endpoint_took_the_password_spends_nothing() -> None:
    world, tokens = token_world(kind="password", identity="Right-Password-0", password="Right-Password-0")
    process, guard = world.processes[0]
    with suppress(Killed), guard.attempt() as attempt:
        attempt.credential()
        die(process)
    assert standing_of(world, 1).failures == 0
    assert world.store.records[-1].outcome == F.LOST_AFTER_SENDING
    behind(tokens)
    world.now += 10
    for _ in range(3):
        with world.processes[1][1].attempt() as attempt:
            attempt.credential()
            attempt.logged_in()
            attempt.first_command_ok()
        assert standing_of(world, 1) == Standing(State.READY, 0, 8, 3)


def test_a_kill_before_the_token_endpoint_answered_counts_until_the_password_gets_in() -> None:
    world, tokens = token_world(kind="password", identity="Right-Password-0", password="Right-Password-0")
    process, guard = world.processes[0]
    tokens.fails = lambda: die(process)
    with suppress(Killed), guard.attempt() as attempt:
        attempt.credential()
    assert standing_of(world, 1).failures == 1
    behind(tokens)  # of another host's sign-in: it says nothing about this attempt
    world.now += 100
    with world.processes[1][1].attempt() as attempt:
        attempt.credential()
        attempt.logged_in()
        attempt.first_command_ok()
    assert standing_of(world, 1).failures == 1


@pytest.mark.parametrize("error", [ConnectionLost("x"), NotConnected("x"), TokenExpired("x"), ValueError("x")])
def test_what_goes_wrong_after_the_token_endpoint_took_the_password_is_about_the_token(error: Exception) -> None:
    world, _ = token_world(kind="password", identity="Right-Password-0", password="Right-Password-0")
    with pytest.raises(type(error)):
        send(world, error)
    assert standing(world).failures == 0


def test_a_password_that_was_taken_is_written_down_later_where_the_journal_fails() -> None:
    world, _ = token_world(kind="password", identity="Right-Password-0", password="Right-Password-0")
    process, guard = world.processes[0]
    with guard.attempt() as attempt:
        process.fail_at = 3  # the row, and its witness, are written
        assert attempt.credential() == Token(ACCOUNT, "token")
        assert standing_of(world, 1).failures == 1
        process.fail_at = None
        attempt.logged_in()
        attempt.first_command_ok()
    assert standing(world).failures == 0


def over() -> LoginFailed:
    return LoginFailed(failure(F.SIGN_IN_AGAIN, "token", said="AADSTS700082"))


def test_a_sign_in_that_is_over_is_made_anew_by_the_password_behind_it_again_and_again() -> None:
    world, tokens = token_world(identity="Right-Password-0", password="Right-Password-0")
    for _ in range(3):
        tokens.kind = "token"
        with pytest.raises(LoginFailed):
            send(world, over())
        assert (standing(world).state, standing(world).reason) == (State.COOLING, F.TOKEN_EXPIRED)
        assert standing(world).said == "AADSTS700082"
        assert "authorise" not in world.processes[0][1].advice()
        assert [standing_of(world, which).next_at for which in (0, 1)] == [world.now + 2] * 2
        world.now += 2
        tokens.kind = "password"
        send(world)
        assert standing(world) == Standing(State.READY, 0, 8, 5)
        tokens.kind = "token"
        send(world)
        assert standing(world) == Standing(State.READY, 0, 8, 3)
    assert "login.halted" not in names(world)


def test_a_sign_in_without_a_password_behind_it_halts_and_says_how_to_sign_in() -> None:
    world, tokens = token_world()
    tokens.auth = "oauth2-device"
    with pytest.raises(LoginFailed):
        send(world, over())
    assert (standing(world).state, standing(world).reason) == (State.HALTED, F.SIGN_IN_AGAIN)
    assert "login authorise" in world.processes[0][1].advice()
    tokens.auth = "oauth2-client"
    assert "still registered" in world.processes[0][1].advice()


@pytest.mark.parametrize("cls", [F.SIGN_IN_AGAIN, F.LOCKED, F.TOKEN_REJECTED])
def test_a_password_that_gets_in_ends_what_its_former_token_came_to(cls: F) -> None:
    world, tokens = token_world(identity="Right-Password-0", password="Right-Password-0")
    for _ in range(6):
        with suppress(LoginFailed, NoAttempt), world.processes[0][1].attempt() as attempt:
            attempt.credential()
            raise LoginFailed(failure(cls, "token"))
        world.now += 1e6
    tokens.kind = "password"
    send(world)
    tokens.kind = "token"
    send(world)


def test_status_is_about_what_would_be_sent() -> None:
    world, tokens = token_world(identity="Right-Password-0", password="Right-Password-0")
    with pytest.raises(LoginFailed):
        send(world, LoginFailed(failure(F.DISABLED, "token")))
    for guard in (world.processes[0][1], world.start()[1]):
        found = guard.status()
        assert (found.standing.state, found.standing.reason) == (State.HALTED, F.DISABLED)
        assert found.age is not None
        assert found.age.days_left == 90
    tokens.password = None
    tokens.identity = "application"
    send(world)
    assert world.processes[0][1].status().age is None


def test_another_way_of_logging_in_ends_a_halt_that_was_about_the_former() -> None:
    for cls, ended in ((F.CONFIGURATION, True), (F.PROTOCOL, True), (F.LOCKED, False), (F.EXPIRED, False)):
        world = World()
        fail(world, str(cls))
        with pytest.raises(Halted):
            world.login(0)
        world.way = "oauth2-password there"
        if ended:
            world.login(0)
            continue
        with pytest.raises(Halted):
            world.login(0)


def test_each_way_keeps_its_own_halt() -> None:
    world = World()
    for way in ("one", "two", "one", "two"):
        world.way = way
        with pytest.raises((LoginFailed, Halted)):
            world.login(0, "configuration")
        assert standing(world).state is State.HALTED
    assert world.server.sent == 2


def test_status_goes_by_the_way_that_was_last_read() -> None:
    world = World()
    fail(world, "configuration")
    world.way = "another"
    fail(world, "throttled")
    assert (standing_of(world, 1).state, standing_of(world, 1).reason) == (State.READY, F.THROTTLED)


def test_status_goes_by_the_way_of_a_token_too() -> None:
    world, tokens = token_world()
    for tokens.way, cls in (("one", F.CONFIGURATION), ("another", F.THROTTLED)):
        with pytest.raises(LoginFailed):
            send(world, LoginFailed(failure(cls, "token")))
    assert (standing_of(world, 1).state, standing_of(world, 1).reason) == (State.COOLING, F.THROTTLED)


def test_the_policy_is_about_the_password_behind_a_token_too() -> None:
    world, _ = token_world(password="short", identity="short")
    with pytest.raises(CredentialRefused):
        send(world)


def test_nothing_sent_nothing_counted() -> None:
    world = World()
    with pytest.raises(LoginFailed):
        send(world, LoginFailed(failure(F.LOST_BEFORE_SENDING, "password", phase=Phase.CONNECT)))
    assert standing(world).failures == 0
    assert standing(world).state is State.COOLING


# -- what must hold when a step fails ----------------------------------------------------------------------------------


def test_a_journal_rebuilt_under_an_attempt_in_flight_refills_nothing() -> None:
    world = World()
    for _ in range(LIMIT):
        with suppress(Killed, NoAttempt), world.processes[0][1].attempt() as attempt:
            world.server.receive(attempt.credential().secret)
            world.processes[0][0].dead = True
            raise Killed
        world.put_back(Store())
    assert world.server.worst == 1
    with pytest.raises(Halted):
        world.login(0)
    assert standing(world).reason == Reason.JOURNAL


def test_an_attempt_that_the_witness_cant_hear_of_isnt_made_and_spends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.login(0)
    with monkeypatch.context() as patch:
        patch.setattr(world.processes[0][0].witness, "write", unavailable)
        for _ in range(LIMIT):
            with pytest.raises(JournalUnavailable), world.processes[0][1].attempt() as attempt:
                attempt.credential()
            assert (standing(world).failures, standing(world).reason) == (0, F.LOST_BEFORE_SENDING)
            world.now += 1_000
    assert world.server.sent == 1
    world.login(0)


def rejected_after(world: World, meanwhile: Callable[[], None]) -> None:
    """An attempt that is rejected, and what happens while its answer is awaited."""
    with world.processes[0][1].attempt() as attempt:
        attempt.credential()
        meanwhile()
        raise LoginFailed(failure(F.REJECTED, "password", said="authentication failed"))


def unavailable(*_given: Any, **_named: Any) -> None:
    raise JournalUnavailable("disk full")


def test_a_witness_that_cant_hear_of_the_end_goes_on_saying_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    with world.processes[0][1].attempt() as attempt:
        attempt.credential()
        attempt.logged_in()
        monkeypatch.setattr(world.processes[0][0].witness, "write", unavailable)
        attempt.first_command_ok()
    assert world.beside.testimony is not None
    assert world.beside.testimony.failures == 1
    assert standing(world).failures == 0


def test_a_later_testimony_is_left_alone() -> None:
    world = World()
    later = Seen("another", 99, 5)
    with pytest.raises(LoginFailed):
        rejected_after(world, lambda: setattr(world.beside, "testimony", later))
    assert world.beside.testimony == later


def test_a_rejection_is_told_though_the_journal_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    with pytest.raises(LoginFailed):
        rejected_after(world, lambda: monkeypatch.setattr(world.processes[0][0].ledger, "history", unavailable))
    [told] = [fields for name, fields in world.events if name == "login.rejected"]
    assert told == {
        "kind": "password",
        "actor": "replica",
        "outcome": "rejected",
        "counts": True,
        "said": "authentication failed",
    }


def test_a_pause_that_the_server_asked_for_after_the_password_is_kept() -> None:
    world = World()
    with pytest.raises(LoginFailed):
        world.login(0, "throttled")
    assert (standing(world).next_at, standing(world).failures) == (world.now + 300, 0)


def test_another_password_neednt_wait_for_what_halted_the_former() -> None:
    world = World()
    with pytest.raises(LoginFailed):
        world.login(0, "configuration")
    world.configured = world.server.password = "Right-Password-1"
    world.login(0)


def test_a_row_says_who_and_what_was_said() -> None:
    world = World()
    with pytest.raises(LoginFailed):
        send(world, LoginFailed(failure(F.REJECTED, "password", said="authentication failed")))
    assert [(row.actor, row.said) for row in world.store.records] == [("replica", "authentication failed")]


def test_a_restored_journal_goes_on_where_its_witness_stopped() -> None:
    world = World()
    world.login(0)
    name, copy = world.store.facts["epoch"], world.snapshot()
    world.login(0)
    world.put_back(copy)
    world.login(0)
    assert world.store.records[-1].number == 3
    world.put_back(Store())
    world.login(0)
    assert (world.store.records[-1].number, world.store.facts["epoch"]) == (4, name)


def test_a_refusal_says_what_to_do() -> None:
    world = World()
    fail(world)
    world.now -= 1
    with pytest.raises(Cooling) as cooling:
        world.login(0)
    assert "next attempt comes at" in cooling.value.advice
    world.now += 1
    fail(world, times=4)
    with pytest.raises(Halted) as halted:
        world.login(0)
    assert "login reset" in halted.value.advice
    assert ACCOUNT in halted.value.advice


def test_after_the_wait_it_is_ready_and_says_why_it_waited() -> None:
    world = World()
    fail(world)
    assert (standing(world).state, standing(world).reason, standing(world).next_at) == (State.READY, F.REJECTED, None)


def test_a_doubt_is_a_row_that_says_why_and_its_witness_knows() -> None:
    world = World()
    fail(world)
    name = world.store.facts["epoch"]
    world.put_back(Store())
    with pytest.raises(Halted):
        world.login(0)
    [row] = world.store.records
    assert (row.kind, row.number, row.actor, row.counts) == ("doubt", 2, "replica", False)
    assert row.note == "the journal is older than the last attempt, or another one: emptied, restored or rebuilt"
    assert world.store.facts["epoch"] == name
    assert world.beside.testimony == Seen(name, 2, world.lockout.budget)


def test_a_host_without_a_witness_joins_a_shared_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryLedger, "shared", True)
    world = World()
    fail(world)
    name, own = world.store.facts["epoch"], world.beside
    world.beside = Beside()  # the other host's
    other = world.start()[1]
    with other.attempt() as attempt:
        attempt.credential()
        attempt.logged_in()
        attempt.first_command_ok()
    assert world.store.facts["epoch"] == name
    assert (world.beside.testimony, own.testimony) == (Seen(name, 2, 0), Seen(name, 1, 1))
    world.processes[0] = world.start()
    world.login(0)


def test_what_was_read_is_known_by_its_kind() -> None:
    world, _ = token_world()
    send(world)
    assert world.store.facts["current"].startswith("token:")
    assert world.store.known == {}
    world, _ = token_world(password="Right-Password-0")  # a token that a password has led to
    send(world)
    assert world.store.facts["current"].startswith("token:")
    assert world.store.facts["password"].startswith("password:")
    assert [one.first_seen_at for one in world.store.known.values()] == [world.now]
    [row] = world.store.records
    assert (row.kind, str(row.credential).partition(":")[0]) == ("token", "token")
    world, tokens = token_world(password="Right-Password-0")
    send(world)
    tokens.identity = "another"
    send(world)
    assert len({row.credential for row in world.store.records}) == 2


def test_a_password_that_isnt_fit_is_told_once_with_what_to_do() -> None:
    world = World()
    world.configured = "short, and bad"
    for _ in range(3):
        with pytest.raises(CredentialRefused) as refused:
            world.login(0)
    [(name, fields)] = world.events
    assert (name, fields["faults"]) == ("login.refused", len(refused.value.faults))
    assert fields["advice"] == refused.value.advice
    assert ACCOUNT in str(fields["advice"])
    assert "no restart is needed" in str(fields["advice"])
    assert fields["remaining"] == 8
    assert world.processes[1][1].advice() == fields["advice"]
    world.needs_restart = True
    assert "environment" in world.processes[1][1].advice()
    assert world.store.facts["refused"] == "; ".join(refused.value.faults)


def test_a_password_that_isnt_fit_leaves_no_more_attempts_than_there_are() -> None:
    world = World(lockout=Lockout(per_credential=8))
    fail(world, times=8)
    world.configured = "short"
    with pytest.raises(CredentialRefused):
        world.login(0)
    assert (world.events[-1][1]["failures"], world.events[-1][1]["remaining"]) == (8, 0)
    assert "login reset" in world.processes[0][1].advice()  # a lack of attempts comes first


@pytest.mark.parametrize("late", [False, True])
def test_a_result_is_recorded_whole_at_once_or_later(monkeypatch: pytest.MonkeyPatch, *, late: bool) -> None:
    world = World()
    pause = failure(F.THROTTLED, "password", retry_after=timedelta(seconds=90), said="request is throttled")
    with monkeypatch.context() as patch:
        if late:
            patch.setattr(MemoryLedger, "finish", unavailable)
        with pytest.raises(LoginFailed):
            send(world, LoginFailed(pause))
    world.now += 100
    world.login(0)
    row = world.store.records[0]
    assert (row.outcome, row.counts, row.retry_after, row.said) == (F.THROTTLED, False, 90.0, "request is throttled")
    assert row.finished_at == world.now - (0 if late else 100)
    world.login(0)
    assert world.store.records[0] == row


def test_a_token_in_flight_is_no_failure_to_the_witness() -> None:
    world, _ = token_world()
    with suppress(Killed), world.processes[0][1].attempt() as attempt:
        attempt.credential()
        assert world.beside.testimony == Seen(world.store.facts["epoch"], 1, 0)
        world.processes[0][0].dead = True
        raise Killed


def test_times_are_told_in_utc_wherever_the_host_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert moment(1_800_000_000.0) == "2027-01-15T08:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()
