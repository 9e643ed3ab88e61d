"""The circuit: when a handler isn't called, and when it is tried again."""

from typing import Any

import pytest

from worker.handling.circuit import MOST_REMEMBERED, SLOW_TRIAL, TRIAL_WAIT, Circuit, CircuitRules


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


def state(circuit: Circuit) -> tuple[float | None, bool, float | None]:
    return circuit.wait, circuit.in_doubt, circuit.open_for


def fail(circuit: Circuit, *keys: str) -> None:
    for key in keys:
        if circuit.wait == 0:
            circuit.nominate(key)
        assert circuit.admit(key) is None
        circuit.failed(key)


def open_by(circuit: Circuit, *keys: str) -> None:
    fail(circuit, *keys)
    circuit.no_witness()


def test_so_many_messages_in_a_row_put_it_in_doubt(circuit: Circuit, told: list[Any]) -> None:
    fail(circuit, "a", "b")
    circuit.succeeded()
    fail(circuit, "a", "b")
    assert state(circuit) == (None, False, None)
    fail(circuit, "c")
    assert state(circuit) == (0.0, True, None)
    assert told == []
    assert circuit.admit("d") == TRIAL_WAIT
    assert circuit.failed_keys == {"a", "b", "c"}


def test_in_doubt_it_opens_if_there_is_no_witness(circuit: Circuit, told: list[Any]) -> None:
    circuit.no_witness()
    assert state(circuit) == (None, False, None)
    open_by(circuit, "a", "b", "c")
    assert state(circuit) == (30.0, False, 0.0)
    assert told == [30.0]
    assert circuit.admit("d") == 30.0
    circuit.no_witness()
    assert told == [30.0]


def test_in_doubt_it_opens_after_two_witnesses_and_not_after_one(circuit: Circuit, told: list[Any]) -> None:
    fail(circuit, "a", "b", "c", "d")
    assert (circuit.wait, circuit.in_doubt, told) == (0.0, True, [])
    fail(circuit, "e")
    assert (circuit.wait, circuit.in_doubt, told) == (30.0, False, [30.0])


def test_a_witness_that_succeeds_keeps_it_closed(circuit: Circuit, told: list[Any]) -> None:
    fail(circuit, "a", "b", "c")
    circuit.nominate("d")
    assert circuit.admit("d") is None
    assert circuit.admit("e") == TRIAL_WAIT
    circuit.succeeded()
    assert (circuit.wait, circuit.in_doubt, circuit.failed_keys, told) == (None, False, frozenset(), [])


def test_in_doubt_nobody_opens_it_while_a_witness_is_heard(circuit: Circuit, told: list[Any]) -> None:
    fail(circuit, "a", "b", "c")
    circuit.nominate("d")
    assert circuit.admit("d") is None
    circuit.no_witness()
    circuit.failed("late")  # its call started before
    assert (circuit.in_doubt, told) == (True, [])
    circuit.inconclusive("d")
    circuit.no_witness()
    assert told == [30.0]


def test_one_bad_message_never_opens_it(circuit: Circuit) -> None:
    fail(circuit, *["a"] * 20, "b")
    assert circuit.wait is None


def test_after_the_pause_the_message_that_is_nominated_is_tried(
    circuit: Circuit, clock: Clock, told: list[Any]
) -> None:
    open_by(circuit, "a", "b", "c")
    circuit.nominate("d")  # too early
    clock.now += 29
    assert circuit.admit("d") == 1.0
    clock.now += 1
    assert circuit.wait == 0
    assert circuit.admit("d") == TRIAL_WAIT
    circuit.nominate("d")
    assert circuit.admit("e") == TRIAL_WAIT
    assert circuit.admit("d") is None
    assert circuit.wait == TRIAL_WAIT
    circuit.succeeded()
    assert told == [30.0, "closed"]
    assert circuit.admit("e") is None
    open_by(circuit, "a", "b", "c")
    assert told[2:] == [30.0]  # the pauses start from the first again


def test_a_trial_that_hangs_leaves_the_turn_to_another(circuit: Circuit, clock: Clock, told: list[Any]) -> None:
    open_by(circuit, "a", "b", "c")
    clock.now += 30
    circuit.nominate("d")
    assert circuit.admit("d") is None
    clock.now += SLOW_TRIAL
    assert circuit.wait == 0
    circuit.nominate("e")
    assert circuit.admit("e") is None
    circuit.failed("d")
    circuit.failed("e")  # the same outage
    assert told == [30.0, 60.0]


def test_the_pauses_grow_and_the_last_repeats(circuit: Circuit, clock: Clock, told: list[Any]) -> None:
    open_by(circuit, "a", "b", "c")
    for key, pause in (("d", 30), ("e", 60), ("f", 60)):
        clock.now += pause
        fail(circuit, key)
    assert told == [30.0, 60.0, 60.0, 60.0]
    assert circuit.open_for == 150.0


def test_of_a_long_outage_not_everything_is_remembered(circuit: Circuit, clock: Clock) -> None:
    open_by(circuit, "a", "b", "c")
    for number in range(3 * MOST_REMEMBERED):
        clock.now += 60
        fail(circuit, str(number))
    assert len(circuit.failed_keys) == MOST_REMEMBERED
    assert str(3 * MOST_REMEMBERED - 1) in circuit.failed_keys


def test_stragglers_lengthen_no_pause(circuit: Circuit, clock: Clock, told: list[Any]) -> None:
    assert circuit.admit("late") is None
    open_by(circuit, "a", "b", "c")
    circuit.failed("late")
    assert told == [30.0]
    clock.now += 30
    circuit.nominate("trial")
    assert circuit.admit("trial") is None
    circuit.failed("late")
    assert told == [30.0]


def test_a_straggler_that_succeeds_closes_it(circuit: Circuit, told: list[Any]) -> None:
    open_by(circuit, "a", "b", "c")
    circuit.succeeded()
    assert told == [30.0, "closed"]
    assert circuit.wait is None


def test_a_trial_that_says_nothing_leaves_the_turn_to_another(circuit: Circuit, clock: Clock) -> None:
    open_by(circuit, "a", "b", "c")
    clock.now += 30
    circuit.nominate("d")
    assert circuit.admit("d") is None
    circuit.inconclusive("other")
    assert circuit.wait == TRIAL_WAIT
    circuit.inconclusive("d")
    assert circuit.wait == 0


def test_it_can_be_turned_off(clock: Clock, told: list[Any]) -> None:
    circuit = Circuit(CircuitRules(after=0, pauses=(30.0,)), clock, Told(told))
    fail(circuit, *"abcdefghijklmnop")
    circuit.no_witness()
    assert (circuit.wait, told) == (None, [])
