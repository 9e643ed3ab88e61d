"""The gate in front of a handler: free slots, the time limit, and pauses."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.handling.world import WAIT, attempt, gate, message, raising
from worker.handling.circuit import CircuitRules
from worker.handling.gate import Slots
from worker.handling.handler_observer import Unobserved
from worker.handling.overdue_calls import Stopwatch
from worker.message.message import Message
from worker.message.mime.limits import MessageOverLimit
from worker.message.outcome import Reject, State


def test_slots_are_given_in_order_of_asking() -> None:
    slots = Slots(1)
    called: list[str] = []

    def caller(name: str) -> Callable[[], bool]:
        def call() -> bool:
            called.append(name)
            return name != "gone"

        return call

    assert slots.take()
    assert not slots.take()
    for name in ("a", "gone", "b"):
        slots.when_free(caller(name))
    slots.release()
    assert called == ["a"]
    slots.release()
    assert called == ["a", "gone", "b"]  # a caller that no longer wants the slot passes it on
    slots.when_free(caller("at once"))
    assert called[-1] == "at once"


def test_a_call_that_takes_too_long_is_told_by_name_and_may_still_come_to_its_end(
    stopwatch: Stopwatch, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    told, told_of = threading.Event(), []

    class Told(Unobserved):
        def overdue(self, handler: str) -> None:
            told_of.append(handler)
            told.set()

    kept = gate("one", stopwatch, time_limit=0.05, observer=Told())
    outcome = attempt(lambda _message: told.wait(WAIT), kept)(message(), ())
    assert outcome.state is State.HANDLED
    assert told_of == ["one"]
    assert [(line["event"], line["handler"], line["key"]) for line in logged()] == [
        ("handler.overdue", "one", "a" * 26)
    ]


def test_a_paused_handler_is_not_called_and_that_is_no_try(
    stopwatch: Stopwatch, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    called: list[str] = []
    works = False

    def call(found: Message) -> None:
        called.append(str(found.key))
        if not works:
            raise ConnectionError("secret words")

    now = [1000.0]
    kept = gate("one", stopwatch, circuit=CircuitRules(2, (30.0,)), monotonic=lambda: now[0])
    given = attempt(call, kept)
    for key in ("a" * 26, "b" * 26):
        assert given(message(key), ()).reason == "one:ConnectionError"
    held = given(message("c" * 26), ())
    assert (held.held, held.reason, held.after, held.failed_handler) == (
        True,
        "paused:one",
        timedelta(seconds=30),
        None,
    )
    assert called == ["a" * 26, "b" * 26]
    works = True
    now[0] += 30
    assert given(message("c" * 26), ()).state is State.HANDLED
    told = [line for line in logged() if line["event"] != "handler.failed"]
    assert [(line["event"], line["handler"]) for line in told] == [
        ("handler.paused", "one"),
        ("handler.resumed", "one"),
    ]


@pytest.mark.parametrize("error", [Reject("never"), MessageOverLimit("parts")])
def test_a_word_on_one_message_says_nothing_against_the_handler(stopwatch: Stopwatch, error: Exception) -> None:
    kept = gate("one", stopwatch, circuit=CircuitRules(1, (30.0,)))
    for key in "abc":
        attempt(raising(error), kept)(message(key * 26), ())
    assert kept.circuit.wait is None


def test_calls_that_take_too_long_pause_the_handler(stopwatch: Stopwatch) -> None:
    kept = gate("one", stopwatch, circuit=CircuitRules(1, (30.0,)), time_limit=0.05)
    paused = threading.Event()

    def hang(_message: Message) -> None:
        while kept.circuit.wait is None:
            time.sleep(0.005)
        paused.set()
        raise ConnectionError

    attempt(hang, kept)(message(), ())
    assert paused.is_set()
    assert kept.circuit.wait is not None
