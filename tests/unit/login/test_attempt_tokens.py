"""Attempts with an OAuth token: they have a limit of their own, and never spend the password's budget."""

from contextlib import suppress

import pytest

from tests.unit.login.memory import Killed, Process
from tests.unit.login.world import (
    ACCOUNT,
    Tokens,
    World,
    fail,
    names,
    rejected,
    send,
    standing,
    standing_of,
    token_world,
)
from worker.login.credential import Token
from worker.login.refusals import (
    Cooling,
    Halted,
    NoAttempt,
)
from worker.login.standing import Reason, Standing, State
from worker.mailbox.errors import (
    ConnectionLost,
    LoginFailed,
    NotConnected,
    TokenExpired,
)
from worker.mailbox.login_failures import FailureClass, failure

F = FailureClass


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


# -- the password at the token endpoint --------------------------------------------------------------------------------


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


# -- a sign-in that is over --------------------------------------------------------------------------------------------


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
