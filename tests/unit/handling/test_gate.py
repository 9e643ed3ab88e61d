"""The gate in front of a handler: free slots, the time limit, and pauses."""

import errno
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from gzip import BadGzipFile
from socket import gaierror
from typing import Any

import pytest

from tests.unit.handling.world import WAIT, Rules, attempt, gate, message, raising
from worker.handling.call import Try
from worker.handling.circuit import CircuitRules
from worker.handling.failure import CallFailure, RemoteFailure
from worker.handling.gate import Slots
from worker.handling.handler import Handler
from worker.handling.handler_observer import Unobserved
from worker.handling.outage import About
from worker.handling.overdue_calls import Stopwatch
from worker.message.message import Message
from worker.message.mime.limits import MessageOverLimit
from worker.message.outcome import Reject, Retry, State
from worker.message.verdict import MailPath


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
    kept.circuit.no_witness()
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
    kept.circuit.nominate("c" * 26)
    assert given(message("c" * 26), ()).state is State.HANDLED
    told = [line for line in logged() if line["event"] != "handler.failed"]
    assert [(line["event"], line["handler"]) for line in told] == [
        ("handler.paused", "one"),
        ("handler.resumed", "one"),
    ]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionError(), ("paused:one", timedelta(minutes=5), True)),
        (Retry(), ("paused:one", timedelta(minutes=5), True)),
        (Retry(after=timedelta(minutes=1)), ("one:Retry", timedelta(minutes=5), True)),
        (Retry(after=timedelta(hours=1)), ("one:Retry", timedelta(hours=1), True)),  # the wait that it asks for holds
        (Retry(this_message=True), ("one:Retry", None, False)),
        (ValueError(), ("one:ValueError", None, False)),
    ],
)
def test_a_trial_that_fails_because_the_target_is_down_is_no_try(
    stopwatch: Stopwatch, error: Exception, expected: tuple[str, timedelta | None, bool]
) -> None:
    errors: list[Exception] = [ConnectionError(), error]

    def call(_message: Message) -> None:
        raise errors.pop(0)

    now = [1000.0]
    kept = gate("one", stopwatch, circuit=CircuitRules(1, (30.0, 300.0)), monotonic=lambda: now[0])
    given = attempt(call, kept)
    given(message("a" * 26), ())
    kept.circuit.no_witness()
    now[0] += 30
    kept.circuit.nominate("b" * 26)

    outcome = given(message("b" * 26), ())

    assert (outcome.reason, outcome.after, outcome.held) == expected
    assert (outcome.state, outcome.failed_handler, outcome.route) == (State.PENDING, "one", "all")
    assert outcome.was_called is outcome.held


def test_trials_that_hang_and_fail_one_after_another_are_no_tries(stopwatch: Stopwatch) -> None:
    """As where no packet comes back: each connection fails after minutes, and another is tried after half of one."""
    now = [1000.0]
    kept = gate("one", stopwatch, circuit=CircuitRules(1, (30.0, 300.0)), monotonic=lambda: now[0])
    down = CallFailure("error", "ConnectionError", about=About.TARGET)
    assert kept.pause_of("a" * 26) is None
    assert kept.pause_of("b" * 26) is None
    assert kept.call_ended("a" * 26, down) is None  # it is in doubt
    kept.circuit.no_witness()
    assert kept.call_ended("b" * 26, down) == timedelta(seconds=30)  # it began before that
    now[0] += 30
    for key in ("c" * 26, "d" * 26):
        kept.circuit.nominate(key)
        assert kept.pause_of(key) is None
        now[0] += 40
    assert kept.call_ended("c" * 26, down) == timedelta(minutes=5)
    now[0] += 40
    assert kept.call_ended("d" * 26, down) == timedelta(minutes=5, seconds=-40)
    now[0] += 500
    assert kept.call_ended("e" * 26, down) == timedelta(0)


def cut_off(kind: str) -> RemoteFailure:
    return RemoteFailure(CallFailure("error", kind, about=About.NOTHING))


OWN = [
    Reject("never"),
    MessageOverLimit("parts"),
    ValueError("x"),
    BadGzipFile("x"),
    OSError(errno.ENAMETOOLONG, "x"),
    MemoryError(),
    Retry("unscannable", this_message=True),
    cut_off("TimedOut"),
    cut_off("Died"),
]
"""What says something of one message, or nothing."""


@pytest.mark.parametrize("error", OWN, ids=repr)
def test_what_is_one_messages_own_says_nothing_against_the_handler(stopwatch: Stopwatch, error: Exception) -> None:
    kept = gate("one", stopwatch, circuit=CircuitRules(1, (30.0,)))
    for key in "abc":
        attempt(raising(error), kept)(message(key * 26), ())
    assert kept.circuit.wait is None


@pytest.mark.parametrize("error", [ConnectionError("x"), Retry(), OSError(errno.ENOSPC, "x"), gaierror(-2, "x")])
def test_what_is_about_the_target_puts_it_in_doubt(stopwatch: Stopwatch, error: Exception) -> None:
    kept = gate("one", stopwatch, circuit=CircuitRules(3, (30.0,)))
    for key in "abc":
        assert not kept.circuit.in_doubt
        attempt(raising(error), kept)(message(key * 26), ())
    assert kept.circuit.in_doubt


def test_what_a_handler_declares_as_an_outage_is_one(stopwatch: Stopwatch) -> None:
    class Away(Exception): ...

    kept = gate("one", stopwatch, circuit=CircuitRules(1, (30.0,)))
    handler = Handler("one", raising(Away()), outages=(Away,))
    Try(Rules("one"), {MailPath.CLEAN: {"one": handler}}, time.monotonic, gates={"one": kept})(message(), ())
    assert kept.circuit.in_doubt


def test_calls_that_take_too_long_pause_no_handler(stopwatch: Stopwatch) -> None:
    told = threading.Event()

    class Told(Unobserved):
        def overdue(self, handler: str) -> None:
            told.set()

    kept = gate("one", stopwatch, circuit=CircuitRules(1, (30.0,)), time_limit=0.05, observer=Told())
    found: list[float | None] = []

    def hang(_message: Message) -> None:
        assert told.wait(WAIT)
        found.append(kept.circuit.wait)
        raise ValueError

    attempt(hang, kept)(message(), ())
    assert found == [None]
    assert kept.circuit.wait is None


def test_a_trial_that_takes_too_long_leaves_the_turn_to_another(stopwatch: Stopwatch) -> None:
    kept = gate("one", stopwatch, circuit=CircuitRules(1, (0.0,)), time_limit=0.05)
    attempt(raising(ConnectionError()), kept)(message("b" * 26), ())
    kept.circuit.no_witness()
    kept.circuit.nominate("a" * 26)
    found: list[float | None] = []

    def hang(_message: Message) -> None:
        until = time.monotonic() + WAIT
        while kept.circuit.wait != 0 and time.monotonic() < until:
            time.sleep(0.005)
        found.append(kept.circuit.wait)

    attempt(hang, kept)(message(), ())
    assert found == [0.0]
    assert kept.circuit.wait is None
