"""One run after another: what the cycle says of a login that isn't made, and when it looks at what expires."""

import pytest

from tests.fakes.checks import Logged
from tests.unit.loop.world import Parts
from worker.journal.database import JournalUnavailable
from worker.login.refusals import Cooling, Halted
from worker.login.standing import Standing, State
from worker.loop.cycle import STANDBY
from worker.loop.housekeeping import LOOK_EVERY
from worker.mailbox.errors import ConnectionLost, FolderRefused, LoginFailed, TokenExpired
from worker.mailbox.folders import NoSuchFolder
from worker.mailbox.login_failures import FailureClass, failure

HALTED = Halted("change the password", Standing(State.HALTED, 1, 7, 4, None, FailureClass.EXPIRED))
COOLING = Cooling("wait", Standing(State.COOLING, 1, 7, 4, 100.0, FailureClass.REJECTED))
REFUSED = LoginFailed(failure(FailureClass.EXPIRED, "password"))


def test_a_halt_is_said_once_and_again_after_another_attempt(logged: Logged) -> None:
    cycle = Parts([REFUSED, HALTED, HALTED, REFUSED, HALTED, HALTED]).cycle()
    for told in (0, 1, 1, 1, 2, 2):
        cycle()
        assert len(logged("worker.not_ready")) == told


def test_the_age_is_looked_at_once_an_hour_whatever_keeps_the_worker_from_its_mail() -> None:
    for held in (True, False):
        parts = Parts([COOLING] * 100, held=held)
        cycle = parts.cycle()
        for _ in range(10):
            cycle()
            parts.now += LOOK_EVERY / 4
        assert parts.looks == 3


@pytest.mark.parametrize("problem", [JournalUnavailable("disk full"), RuntimeError("a fault of ours")])
def test_a_look_at_the_age_stops_nothing(problem: Exception) -> None:
    parts = Parts([HALTED], look_fails=problem)
    assert parts.cycle()() is None
    assert (parts.looks, parts.ends) == (1, [])


@pytest.mark.parametrize(
    ("error", "wait", "trouble"),
    [
        (REFUSED, 0.0, "login"),
        (HALTED, None, "halted"),
        (COOLING, 100.0, "cooling"),
        (ConnectionLost("reset"), 5.0, "unreachable"),
        (NoSuchFolder("correct poll.folders"), 5.0, "mailbox"),
        (FolderRefused("Results"), 5.0, "mailbox"),
        (JournalUnavailable("disk full"), STANDBY, "journal"),
        (RuntimeError("a fault of ours"), 5.0, "fault"),
    ],
)
def test_each_trouble_is_told_and_says_when_the_next_run_is_due(
    error: Exception, wait: float | None, trouble: str
) -> None:
    parts = Parts([error])
    cycle = parts.cycle()
    assert cycle() == wait
    assert (cycle.trouble, parts.told.runs) == (trouble, [trouble])
    remembered = [poll.trouble for poll in parts.noted]
    assert remembered == ([] if error is REFUSED else [trouble])  # the guard has written it down itself


def test_after_a_lost_connection_nobody_connects_before_the_wait_is_over() -> None:
    parts = Parts([ConnectionLost("reset")] * 3)
    cycle = parts.cycle()
    assert cycle() == 5.0
    parts.now += 2.0
    assert cycle() == 3.0
    assert len(parts.ends) == 2
    parts.now += 3.0
    assert [cycle(), len(parts.ends)] == [20.0, 1]
    parts.now += 20.0
    assert cycle() == 20.0


def test_an_expired_token_is_told_to_the_guard_and_the_outcomes_are_kept(logged: Logged) -> None:
    parts = Parts([TokenExpired("expired")])
    parts.cycle()()
    assert parts.done == ["begin", "token_expired", "close", "record_finished"]
    assert len(logged("connection.lost")) == 1


def test_a_folder_that_is_missing_is_said_once(logged: Logged) -> None:
    parts = Parts([NoSuchFolder("correct poll.folders")] * 2)
    cycle = parts.cycle()
    for _ in range(2):
        parts.now += cycle() or 0.0
    assert (len(logged("worker.not_ready")), len(logged("connection.lost"))) == (1, 0)
