"""One run after another: what the cycle says of a login that isn't made, and when it looks at the password's age."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from worker.journal.database import JournalUnavailable
from worker.login.refusals import Cooling, Halted
from worker.login.standing import Standing, State
from worker.loop.cycle import FULL_LOOK_EVERY, Cycle
from worker.loop.drain import LeaseHeld, Paused
from worker.loop.pause import Pause
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass, failure

HALTED = Halted("change the password", Standing(State.HALTED, 1, 7, 4, None, FailureClass.EXPIRED))
COOLING = Cooling("wait", Standing(State.COOLING, 1, 7, 4, 100.0, FailureClass.REJECTED))
REFUSED = LoginFailed(failure(FailureClass.EXPIRED, "password"))


@dataclass
class Parts:
    """What the cycle works with, as far as these tests need it: every login ends as `ends` says."""

    ends: list[Exception] = field(default_factory=list)
    now: float = 0.0
    held: bool = True
    is_paused: bool = False
    looks: int = 0
    look_fails: Exception | None = None
    term: int = 1

    # the connector
    def session(self) -> Any:
        raise self.ends.pop(0)

    def current(self) -> None:
        return None

    def close(self) -> None:
        """Nothing to close."""

    # the lease
    def acquire(self) -> bool:
        return self.held

    # the facts
    def paused(self) -> str | None:
        return "by a person" if self.is_paused else None

    def last_poll(self) -> None:
        return None

    def polled(self, poll: Any) -> None:
        """Nobody asks."""

    # the pipeline
    def begin(self) -> None:
        """Nothing to begin."""

    def abandon(self) -> None:
        """Nothing in hand."""

    def look(self) -> None:
        self.looks += 1
        if self.look_fails is not None:
            raise self.look_fails


def cycle_of(parts: Parts) -> Cycle:
    given = cast("Any", parts)
    cycle = Cycle(
        lease=given,
        connector=given,
        facts=given,
        pause=Pause(given, lambda: parts.now),
        messages=given,
        tries=given,
        idle=False,
        reconnect=(5.0,),
        check_age=parts.look,
        clock=lambda: parts.now,
        monotonic=lambda: parts.now,
    )
    cycle.pipeline = given
    return cycle


@pytest.fixture
def logged() -> Iterator[Callable[[str], int]]:
    with capture_logs() as lines:
        yield lambda event: sum(line["event"] == event for line in lines)


def test_a_halt_is_said_once_and_again_after_another_attempt(logged: Callable[[str], int]) -> None:
    cycle = cycle_of(Parts([REFUSED, HALTED, HALTED, REFUSED, HALTED, HALTED]))
    for told in (0, 1, 1, 1, 2, 2):
        cycle()
        assert logged("worker.not_ready") == told


def test_the_age_is_looked_at_once_an_hour_whatever_keeps_the_worker_from_its_mail() -> None:
    for held in (True, False):
        parts = Parts([COOLING] * 100, held=held)
        cycle = cycle_of(parts)
        for _ in range(10):
            cycle()
            parts.now += FULL_LOOK_EVERY / 4
        assert parts.looks == 3


@pytest.mark.parametrize("problem", [JournalUnavailable("disk full"), RuntimeError("a fault of ours")])
def test_a_look_at_the_age_stops_nothing(problem: Exception) -> None:
    parts = Parts([HALTED], look_fails=problem)
    assert cycle_of(parts)() is None
    assert (parts.looks, parts.ends) == (1, [])


def test_a_drain_looks_at_the_age_too_unless_it_isnt_its_turn() -> None:
    for parts, ending in (
        (Parts([HALTED]), Halted),
        (Parts(held=False), LeaseHeld),
        (Parts(is_paused=True), Paused),
    ):
        with pytest.raises(ending):
            cycle_of(parts).drain()
        assert parts.looks == 1
