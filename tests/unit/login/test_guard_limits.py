"""How often the guard lets an attempt through: waits, halts and limits."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.login.world import World, fail, names, send, standing, token_world
from worker.login.backoff import Lockout
from worker.login.refusals import (
    Cooling,
    Halted,
)
from worker.login.standing import Reason, Standing, State
from worker.mailbox.errors import (
    LoginFailed,
)
from worker.mailbox.login_failures import HALTING, FailureClass, Kind, failure

F = FailureClass


# -- halts -------------------------------------------------------------------------------------------------------------


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


def test_another_password_neednt_wait_for_what_halted_the_former() -> None:
    world = World()
    with pytest.raises(LoginFailed):
        world.login(0, "configuration")
    world.configured = world.server.password = "Right-Password-1"
    world.login(0)


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


# -- limits ------------------------------------------------------------------------------------------------------------


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


# -- waits -------------------------------------------------------------------------------------------------------------


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


def test_a_pause_isnt_lost_on_another_password() -> None:
    world = World()
    fail(world, "throttled")
    world.now -= 200
    world.configured = "Right-Password-1"
    with pytest.raises(Cooling):
        world.login(0)


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


def test_after_the_wait_it_is_ready_and_says_why_it_waited() -> None:
    world = World()
    fail(world)
    assert (standing(world).state, standing(world).reason, standing(world).next_at) == (State.READY, F.REJECTED, None)


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
