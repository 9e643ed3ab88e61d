"""Probes: live unless a restart would help, ready only when at work."""

from dataclasses import replace

import pytest

from tests.unit.observe import views
from worker.handling.output import OutputCapture
from worker.observe.health import Answer, Health, StuckCall
from worker.observe.view import LoginState, LoginView, StatusView


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(pool=2, stuck_after=100, stalled_after=1000, clock=clock)


def test_a_worker_that_gets_on_is_live(health: Health, clock: Clock) -> None:
    for _ in range(10):
        clock.now += 999
        health.beat()
        assert health.live() == Answer(ok=True)


def test_a_dead_scheduler_is_not_live(health: Health) -> None:
    health.watch(lambda: False)
    assert health.live() == Answer(ok=False, reasons=("scheduler-dead",))
    assert "scheduler-dead" in health.ready(views.WORKING).reasons


def test_a_stalled_scheduler_is_not_live_unless_it_waits_for_handlers(health: Health, clock: Clock) -> None:
    clock.now = 990
    with health.working():  # not yet stuck itself
        clock.now = 1001
        assert health.live().ok
    assert health.live() == Answer(ok=False, reasons=("scheduler-stalled",))


def test_only_a_pool_that_is_stuck_as_a_whole_is_not_live(health: Health, clock: Clock) -> None:
    with health.working():
        clock.now += 101
        assert health.stuck() == 1
        assert health.live().ok
        with health.working():
            clock.now += 100
            assert health.live().ok
            clock.now += 1
            assert health.live() == Answer(ok=False, reasons=("pool-stuck",))
        assert health.live().ok
    assert health.stuck() == 0


def test_calls_whose_threads_were_replaced_leave_the_pool_whole(health: Health, clock: Clock) -> None:
    health.count_replaced(lambda: 2)
    with health.working(), health.working():
        clock.now += 200
        health.beat()
        assert health.stuck() == 2
        assert health.live().ok
        with health.working(), health.working():
            clock.now += 200
            assert health.live() == Answer(ok=False, reasons=("pool-stuck",))


def test_a_call_that_hangs_does_not_hide_a_stalled_scheduler(health: Health, clock: Clock) -> None:
    with health.working():
        clock.now = 1001
        assert health.live() == Answer(ok=False, reasons=("scheduler-stalled",))
        with health.working():
            assert health.live().ok  # it may be waiting for this one


def test_a_handlers_failure_gives_its_place_in_the_pool_back(health: Health, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), health.working():
            raise ValueError("broken")
    clock.now += 500
    assert health.stuck() == 0


def test_a_worker_that_ends_in_order_is_live_and_not_ready(health: Health) -> None:
    health.watch(lambda: False)
    health.stopping()
    assert health.live().ok
    assert health.ready(views.WORKING) == Answer(ok=False, reasons=("stopping",))


@pytest.mark.parametrize("state", [LoginState.COOLING, LoginState.HALTED])
@pytest.mark.parametrize("reason", ["rejected", "locked", "disabled", "expired", "token_rejected", None])
def test_no_state_of_the_login_ever_asks_for_a_restart(health: Health, state: LoginState, reason: str | None) -> None:
    view = replace(views.WORKING, login=LoginView(state=state, failures=12, remaining=0, reason=reason))
    assert health.live().ok
    assert health.ready(view) == Answer(ok=False, reasons=(f"login-{state}",))


@pytest.mark.parametrize(
    ("view", "reasons"),
    [
        (views.WORKING, ()),
        (views.BACKLOG, ()),
        (views.PAUSED, ()),
        (replace(views.OVERDUE, paused=True), ()),
        (views.FORGOTTEN, ()),
        (views.PAUSED_AND_CUT_OFF, ("poll-overdue",)),
        (views.FRESH, ("not-polled",)),
        (views.STANDING_BY, ("standing-by",)),
        (views.OVERDUE, ("poll-overdue",)),
        (views.NO_JOURNAL, ("journal-unavailable",)),
        (views.HALTED, ("login-halted", "poll-overdue")),
    ],
)
def test_ready_is_who_is_at_work(health: Health, view: StatusView, reasons: tuple[str, ...]) -> None:
    assert health.ready(view) == Answer(not reasons, reasons)
    assert health.live().ok


def test_a_stuck_call_is_named_by_its_message_and_its_handler() -> None:
    now = 0.0
    health = Health(pool=2, stuck_after=10, clock=lambda: now)
    output = OutputCapture()
    with health.working("a" * 26), output.running("archive"):
        now = 11.0
        assert health.stuck_calls() == (StuckCall(1, "a" * 26, "archive"),)
        with output.running("inner"):
            assert health.stuck_calls()[0].handler == "inner"
        assert health.stuck_calls()[0].handler == "archive"
    with health.working("b" * 26):
        now = 22.0
        assert health.stuck_calls() == (StuckCall(2, "b" * 26, None),)
