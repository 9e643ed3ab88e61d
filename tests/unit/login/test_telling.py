"""What the guard tells: which events, with which fields and how often, and what a person is advised."""

import pytest

from tests.unit.login.world import ACCOUNT, Tokens, World, fail, names, rejected_after, send, token_world, unavailable
from worker.login.advice import moment
from worker.login.backoff import Lockout
from worker.login.refusals import (
    Cooling,
    CredentialRefused,
    Halted,
    NoAttempt,
)
from worker.mailbox.errors import (
    ConnectionLost,
    LoginFailed,
)
from worker.mailbox.login_failures import FailureClass, failure

F = FailureClass


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
    assert "The next attempt is at" in str(cooling["advice"])
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


def test_a_reset_ends_what_was_told() -> None:
    world = World()
    for _ in range(2):
        fail(world, "locked")
        world.processes[0][1].reset("unlocked", actor="person", again=True)
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


# -- a password that isn't fit -----------------------------------------------------------------------------------------


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
    assert "without a restart" in str(fields["advice"])
    assert fields["remaining"] == 8
    assert world.processes[1][1].advice() == fields["advice"]
    world.needs_restart = True
    assert "environment" in world.processes[1][1].advice()
    faults = "; ".join(refused.value.faults)
    assert world.store.facts["refused"] == f'{faults} (policy "nhsmail"; only "off" would pass it)'


def test_a_password_that_isnt_fit_leaves_no_more_attempts_than_there_are() -> None:
    world = World(lockout=Lockout(per_credential=8))
    fail(world, times=8)
    world.configured = "short"
    with pytest.raises(CredentialRefused):
        world.login(0)
    assert (world.events[-1][1]["failures"], world.events[-1][1]["remaining"]) == (8, 0)
    assert "login reset" in world.processes[0][1].advice()  # a lack of attempts comes first


# -- advice ------------------------------------------------------------------------------------------------------------


def test_advice_says_all_of_it() -> None:
    world = World(Lockout(jitter=0.0))
    begun = world.now
    with pytest.raises(LoginFailed):
        world.login(0, "rejected")
    text = world.processes[0][1].advice()
    for part in (
        "The server rejected the user name or password.",
        f"No mail of {ACCOUNT} is read meanwhile. It is safe in the mailbox.",
        "Failed attempts that count: 1. Left for the worker: 7, with this credential 4. ",
        f"The account locks at 12, and the worker leaves 4 for people. The next attempt is at {moment(begun + 60)}.",
        "Put the right password in the password file. It is tried at once",
        "ask your Local Administrator whether the account is unlocked",
    ):
        assert part in text
    world.needs_restart = True
    assert "environment" in world.processes[0][1].advice()


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
    assert "No password was sent" in world.processes[1][1].advice()


def test_a_refusal_says_what_to_do() -> None:
    world = World()
    fail(world)
    world.now -= 1
    with pytest.raises(Cooling) as cooling:
        world.login(0)
    assert "next attempt is at" in cooling.value.advice
    world.now += 1
    fail(world, times=4)
    with pytest.raises(Halted) as halted:
        world.login(0)
    assert "login reset" in halted.value.advice
    assert ACCOUNT in halted.value.advice
