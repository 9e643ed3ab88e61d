"""What an attempt hands out, and what comes of it in the journal: passwords."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.login.memory import MemoryLedger, Process
from tests.unit.login.world import ACCOUNT, World, fail, send, standing, standing_of, token_world, unavailable
from worker.journal.database import JournalUnavailable
from worker.login.credential import Password
from worker.login.refusals import (
    Cooling,
)
from worker.login.standing import Standing, State
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
from worker.mailbox.login_failures import FailureClass, Phase, failure

F = FailureClass


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


def test_nothing_sent_nothing_counted() -> None:
    world = World()
    with pytest.raises(LoginFailed):
        send(world, LoginFailed(failure(F.LOST_BEFORE_SENDING, "password", phase=Phase.CONNECT)))
    assert standing(world).failures == 0
    assert standing(world).state is State.COOLING


def test_a_pause_that_the_server_asked_for_after_the_password_is_kept() -> None:
    world = World()
    with pytest.raises(LoginFailed):
        world.login(0, "throttled")
    assert (standing(world).next_at, standing(world).failures) == (world.now + 300, 0)


def test_a_row_says_who_and_what_was_said() -> None:
    world = World()
    with pytest.raises(LoginFailed):
        send(world, LoginFailed(failure(F.REJECTED, "password", said="authentication failed")))
    assert [(row.actor, row.said) for row in world.store.records] == [("replica", "authentication failed")]


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
