"""The circuit: when a handler isn't called, and when it is tried again."""

from typing import Any

import pytest

from worker.handling.circuit import TRIAL_WAIT, Circuit, CircuitRules


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Told:
    def __init__(self, told: list[Any]) -> None:
        self._told = told

    def opened(self, pause: float) -> None:
        self._told.append(pause)

    def closed(self) -> None:
        self._told.append("closed")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def circuit(clock: Clock, told: list[Any]) -> Circuit:
    rules = CircuitRules(after=3, pauses=(30.0, 60.0))
    return Circuit(rules, clock, Told(told))


def fail(circuit: Circuit, *keys: str) -> None:
    for key in keys:
        assert circuit.admit(key) is None
        circuit.failed(key)


def test_it_opens_after_so_many_messages_in_a_row(circuit: Circuit, told: list[Any]) -> None:
    fail(circuit, "a", "b")
    circuit.succeeded()
    fail(circuit, "a", "b")
    assert (circuit.wait, circuit.open_for, told) == (None, None, [])
    fail(circuit, "c")
    assert (circuit.wait, circuit.open_for, told) == (30.0, 0.0, [30.0])
    assert circuit.admit("d") == 30.0


def test_one_bad_message_never_opens_it(circuit: Circuit) -> None:
    fail(circuit, *["a"] * 20, "b")
    assert circuit.wait is None


def test_after_the_pause_one_message_is_tried(circuit: Circuit, clock: Clock, told: list[Any]) -> None:
    fail(circuit, "a", "b", "c")
    clock.now += 29
    assert circuit.admit("d") == 1.0
    clock.now += 1
    assert circuit.wait == 0
    assert circuit.admit("d") is None
    assert circuit.admit("e") == TRIAL_WAIT
    circuit.succeeded()
    assert told == [30.0, "closed"]
    assert circuit.admit("e") is None
    fail(circuit, "a", "b", "c")
    assert told[2:] == [30.0]  # the pauses start from the first again


def test_the_pauses_grow_and_the_last_repeats(circuit: Circuit, clock: Clock, told: list[Any]) -> None:
    fail(circuit, "a", "b", "c")
    for key, pause in (("d", 30), ("e", 60), ("f", 60)):
        clock.now += pause
        fail(circuit, key)
    assert told == [30.0, 60.0, 60.0, 60.0]
    assert circuit.open_for == 150.0


def test_stragglers_lengthen_no_pause(circuit: Circuit, clock: Clock, told: list[Any]) -> None:
    assert circuit.admit("late") is None
    fail(circuit, "a", "b", "c")
    circuit.failed("late")
    assert told == [30.0]
    clock.now += 30
    assert circuit.admit("trial") is None
    circuit.failed("late")
    assert told == [30.0]


def test_a_straggler_that_succeeds_closes_it(circuit: Circuit, told: list[Any]) -> None:
    fail(circuit, "a", "b", "c")
    circuit.succeeded()
    assert told == [30.0, "closed"]
    assert circuit.wait is None


def test_a_trial_that_says_nothing_leaves_the_turn_to_another(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, "a", "b", "c")
    clock.now += 30
    assert circuit.admit("d") is None
    circuit.inconclusive("other")
    assert circuit.admit("e") == TRIAL_WAIT
    circuit.inconclusive("d")
    assert circuit.admit("e") is None


def test_it_can_be_turned_off(clock: Clock, told: list[Any]) -> None:
    circuit = Circuit(CircuitRules(after=0, pauses=(30.0,)), clock, Told(told))
    fail(circuit, *"abcdefghijklmnop")
    assert (circuit.wait, told) == (None, [])
