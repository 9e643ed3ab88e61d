"""Whether the work may go on."""

import threading
from typing import Any

import pytest

from tests.unit.loop.world import Parts
from worker.loop.go_ahead import GoAhead
from worker.loop.pause import ASKED_EVERY, Pause
from worker.pipeline.stop import Stop


def may_go_on(parts: Parts) -> bool:
    try:
        parts.go_ahead.go_on()
    except Stop:
        return False
    return True


def test_it_goes_on_with_the_lease_until_it_is_to_end() -> None:
    parts = Parts()
    assert may_go_on(parts)
    parts.go_ahead.stop()
    assert not may_go_on(parts)
    assert parts.go_ahead.may_begin()  # what is taken back then, the pool asks itself
    parts.go_ahead.let_finish()
    assert may_go_on(parts)
    parts.held = False
    assert not may_go_on(parts)
    assert not parts.go_ahead.may_begin()


def test_a_pause_holds_within_a_second() -> None:
    parts = Parts()
    assert may_go_on(parts)
    parts.is_paused = True
    assert may_go_on(parts)
    assert not parts.go_ahead.was_paused()
    parts.now += ASKED_EVERY
    assert not may_go_on(parts)
    assert parts.go_ahead.was_paused()
    parts.is_paused = False
    assert not parts.go_ahead.is_paused()
    assert may_go_on(parts)


def test_a_stop_ends_a_wait() -> None:
    parts: Any = Parts()
    go_ahead = GoAhead(parts, Pause(parts, lambda: 0.0), parts.told)
    go_ahead.wait(0.0)
    threading.Timer(0.05, go_ahead.stop).start()
    with pytest.raises(Stop):
        go_ahead.wait(60.0)
