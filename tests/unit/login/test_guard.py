"""What the guard offers the worker and its commands; what holds over any sequence is in `test_guard_machine`."""

from contextlib import suppress

import pytest

from tests.unit.login.memory import Store
from tests.unit.login.world import START, Tokens, World, fail, names, rejected, send, standing, standing_of, token_world
from worker.login.backoff import Lockout
from worker.login.password_policy import DAY, Age, policy_named
from worker.login.refusals import (
    CredentialRefused,
    LastAttempt,
    ReasonMissing,
    ResetNeedsAgain,
)
from worker.login.standing import Standing, State
from worker.mailbox.errors import (
    LoginFailed,
)
from worker.mailbox.login_failures import FailureClass, failure

F = FailureClass


# -- the last attempt --------------------------------------------------------------------------------------------------


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


# -- resets ------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("reason", ["", "   ", "\t\n", "\u2003"])
def test_a_reset_without_a_reason_isnt_made(reason: str) -> None:
    world = World()
    fail(world, "locked")
    with pytest.raises(ReasonMissing, match=r'^A reset needs a reason.* Repeat the command with --reason "'):
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


def test_the_policy_is_about_the_password_behind_a_token_too() -> None:
    world, _ = token_world(password="short", identity="short")
    with pytest.raises(CredentialRefused):
        send(world)


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


# -- the password's age ------------------------------------------------------------------------------------------------


def test_a_passwords_age_runs_from_when_it_was_first_seen() -> None:
    world = World()
    guard, begun = world.processes[0][1], world.now
    assert guard.status().age is None
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


# -- the status --------------------------------------------------------------------------------------------------------


def test_status_has_the_contracts_fields() -> None:
    world = World(Lockout(jitter=0.0))
    begun = world.now
    with pytest.raises(LoginFailed):
        world.login(0, "rejected")
    found = world.processes[1][1].status()
    assert found.standing == Standing(State.COOLING, 1, 7, 4, begun + 60, F.REJECTED)
    assert (found.rules.threshold, found.rules.reserve) == (12, 4)
    assert World().processes[0][1].status().standing == Standing(State.READY, 0, 8, 5)


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
