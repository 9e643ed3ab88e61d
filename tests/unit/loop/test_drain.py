"""`once`: whose turn it is, what is waited for, and what it leaves behind where it fails."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.loop.test_cycle import COOLING, HALTED
from tests.unit.loop.world import Parts
from worker.login.refusals import Cooling, Halted, NoWayIn
from worker.login.standing import Standing, State
from worker.loop.drain import Drained, LeaseHeld, Paused
from worker.mailbox.errors import (
    ConnectionLost,
    HandshakeFailed,
    MailboxError,
    NotConnected,
    Preauthenticated,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.pipeline.report import Report
from worker.pipeline.settle import CannotMove


def test_a_drain_looks_at_the_age_too_unless_it_isnt_its_turn() -> None:
    for parts, ending in (
        (Parts([HALTED]), Halted),
        (Parts(held=False), LeaseHeld),
        (Parts(is_paused=True), Paused),
    ):
        with pytest.raises(ending):
            parts.drain().run(Drained())
        assert parts.looks == 1


AT_ONCE = [
    HALTED,
    COOLING,
    NoWayIn("it offers AUTH=PLAIN"),
    TlsRefused("expired"),
    HandshakeFailed("WRONG_VERSION_NUMBER"),
    Preauthenticated("PREAUTH"),
    CannotMove("no MOVE"),
    Throttled("busy", after=timedelta(minutes=1)),
    RuntimeError("a fault of ours"),
]
PASSES: list[Exception] = [
    ConnectionLost("reset"),
    NotConnected("User is authenticated but not connected"),
    ServerUnavailable("refused"),
    TokenExpired("expired"),
    Throttled("busy", after=timedelta(seconds=12)),
    Cooling("wait", Standing(State.COOLING, 0, 8, 5, 11.0, None)),
]


@pytest.mark.parametrize("error", AT_ONCE, ids=lambda error: type(error).__name__)
def test_what_doesnt_pass_is_raised_at_once_and_noted(error: Exception) -> None:
    parts = Parts([error], taken=Report())
    with pytest.raises(type(error)):
        parts.drain().run(Drained(new=3))
    assert [(poll.ok, poll.new) for poll in parts.noted] == [(False, 3)]
    assert parts.waits == []


@pytest.mark.parametrize("error", PASSES, ids=lambda error: type(error).__name__)
def test_a_first_connection_that_is_refused_is_tried_anew_as_often_as_there_are_waits(error: Exception) -> None:
    parts = Parts([error] * 3, taken=Report())
    with pytest.raises(type(error)):
        parts.drain().run(Drained(new=3))
    asked = {Throttled: 12.0, Cooling: 11.0}.get(type(error), 0.0)
    assert parts.waits[0] == max(5.0, asked)
    assert (parts.waits[1], len(parts.waits), parts.ends) == (20.0, 2, [])
    assert [(poll.ok, poll.new) for poll in parts.noted] == [(False, 3)]


def test_while_failed_logins_count_a_first_connection_is_tried_once() -> None:
    parts = Parts([ConnectionLost("after the password was sent")], failures=1, taken=Report())
    with pytest.raises(ConnectionLost):
        parts.drain().run(Drained())
    assert parts.waits == []


@dataclass
class Mailbox(Parts):
    """A mailbox that is drained. Each step is a connection or a poll that fails, or does something."""

    steps: list[Exception | int] = field(default_factory=list)
    """An error ends a connection or keeps it from coming about; a number is a poll that found so many messages."""
    connections: int = 0

    def session(self) -> Any:
        if self.open is None:
            self.connections += 1
            if len(self.steps) % 2:  # otherwise the error comes with the poll
                self._strike()
            self.open = object()
            return self.open, True
        return self.open, False

    def close(self) -> None:
        self.open = None

    def look_anew(self, *, connected: bool) -> None:
        pass

    def poll(self, _session: object) -> Report:
        self._strike()
        return Report(new=int(cast("int", self.steps.pop(0)))) if self.steps else Report()

    def _strike(self) -> None:
        if self.steps and isinstance(self.steps[0], Exception):
            raise cast("Exception", self.steps.pop(0))

    def counts(self) -> Any:
        return SimpleNamespace(by_state=Counter())


@given(
    steps=st.lists(st.sampled_from(PASSES[:4]) | st.integers(0, 3), max_size=12),
    waits=st.lists(st.sampled_from([1.0, 5.0, 30.0]), min_size=1, max_size=4),
)
@settings(max_examples=300)
def test_it_goes_on_until_as_many_connections_in_a_row_did_nothing_as_there_are_waits(
    steps: list[Exception | int], waits: list[float]
) -> None:
    worked = [step for step in steps if isinstance(step, int)]
    parts = Mailbox(steps=list(steps), reconnect=waits, taken=Report())
    drained = Drained()
    in_a_row, most = 0, 0
    for step in steps:
        in_a_row = 0 if isinstance(step, int) else in_a_row + 1
        most = max(most, in_a_row)
    if most <= len(waits):
        parts.drain().run(drained)
        stopped = [number for number, step in enumerate(worked) if step == 0][:1]
        assert drained.new == sum(worked[: stopped[0]] if stopped else worked)
        assert [poll.ok for poll in parts.noted] == [True]
    else:
        with contextlib.suppress(MailboxError):  # unless a poll that found nothing came first
            parts.drain().run(drained)
    assert len(parts.waits) == parts.connections - 1
    assert all(wait >= min(waits) for wait in parts.waits)


def test_whoever_has_no_turn_notes_nothing() -> None:
    for parts in (Parts(held=False), Parts(is_paused=True)):
        with pytest.raises((LeaseHeld, Paused)):
            parts.drain().run(Drained())
        assert parts.noted == []
