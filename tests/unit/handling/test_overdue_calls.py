"""Calls that exceed their limit are reported, once each."""

import threading
from collections.abc import Callable
from typing import Any

from tests.unit.handling.world import WAIT, attempt, gate, message
from worker.handling.overdue_calls import Stopwatch


def test_a_call_in_time_is_not_told(stopwatch: Stopwatch, logged: Callable[[], list[dict[str, Any]]]) -> None:
    kept = gate("one", stopwatch, time_limit=1.0)  # ample, for a thread that gets no processor for a while
    attempt(lambda _message: None, kept)(message(), ())
    late = threading.Event()
    with stopwatch.watch(1.1, late.set):
        assert late.wait(WAIT)
    assert logged() == []


def test_the_shorter_of_two_limits_is_told_first(stopwatch: Stopwatch) -> None:
    told: list[str] = []
    both = threading.Event()

    def long() -> None:
        told.append("long")
        both.set()

    with stopwatch.watch(1.5, long), stopwatch.watch(0.05, lambda: told.append("short")):
        assert both.wait(WAIT)
    assert told == ["short", "long"]
