"""The pool lays messages aside whose handler has no free slot, so that they hold no thread."""

import threading
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.handling.world import WAIT, Permission, Rules, all_finished, gate, message, record
from worker.handling.call import Try
from worker.handling.gate import Busy, Slots
from worker.handling.handler import Handler
from worker.handling.overdue_calls import Stopwatch
from worker.handling.pool import Pool
from worker.message.message import Message
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath


def test_a_handler_that_is_full_holds_no_thread_of_the_pool(stopwatch: Stopwatch) -> None:
    go, at_once, most = threading.Event(), [0], [0]
    lock = threading.Lock()
    done_first: list[str] = []

    def slow(_message: Message) -> None:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        assert go.wait(WAIT)
        with lock:
            at_once[0] -= 1

    def handlers_for(found: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (("all", ("first", "slow") if str(found.key).startswith("s") else ("quick",)),)

    routes: Any = type("Rules", (), {"handlers_for": staticmethod(handlers_for)})()
    handlers = {
        "first": Handler("first", lambda found: done_first.append(str(found.key))),
        "slow": Handler("slow", slow),
        "quick": Handler("quick", lambda _message: None),
    }
    kept = {"slow": gate("slow", stopwatch, concurrency=1)}
    pool = Pool(Try(routes, {MailPath.CLEAN: handlers}, time.monotonic, gates=kept), 2)
    for row in range(1, 6):
        pool.take(record(row), message("s" * 25 + str(row)), ())
    pool.take(record(6), message("q" * 26), ())
    assert [item.record.id for item in pool.finished(WAIT)] == [6]
    go.set()
    finished: dict[int, Outcome] = {}
    while pool:
        finished |= {item.record.id: item.outcome for item in pool.finished(WAIT)}
    assert {outcome.done for outcome in finished.values()} == {("first", "slow")}
    assert most == [1]
    assert len(done_first) == 5  # no handler is called again for a message that was laid aside
    pool.close()


def test_what_is_laid_aside_at_a_stop_is_taken_back_or_kept_half_done(
    stopwatch: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun = threading.Event(), threading.Event()

    def slow(_message: Message) -> None:
        begun.set()
        assert go.wait(WAIT)

    aside = threading.Semaphore(0)

    def when_free(slots: Slots, call: Callable[[], bool]) -> None:
        ask(slots, call)
        aside.release()

    ask = Slots.when_free
    monkeypatch.setattr(Slots, "when_free", when_free)

    handlers = {"first": Handler("first", lambda _message: None), "slow": Handler("slow", slow)}
    kept = {"slow": gate("slow", stopwatch, concurrency=1)}
    pool = Pool(Try(Rules("first", "slow"), {MailPath.CLEAN: handlers}, time.monotonic, gates=kept), 2)
    pool.take(record(1), message(), ())
    assert begun.wait(WAIT)
    pool.take(record(2), message(), {"first"})
    pool.take(record(3), message(), ())
    assert aside.acquire(timeout=WAIT)
    assert aside.acquire(timeout=WAIT)
    assert pool.drop_waiting() == [2]
    (half,) = pool.finished(WAIT)
    assert half.record.id == 3
    assert half.outcome == Outcome(State.PENDING, ("first",), "interrupted", after=timedelta(0), held=True)
    go.set()
    assert all_finished(pool) == [1]
    pool.close()


def test_what_was_half_done_and_waits_for_a_thread_again_keeps_what_is_done() -> None:
    """The message was laid aside, its slot became free, and then the permission was withdrawn."""
    may, room, tries = Permission(), Slots(1), threading.Semaphore(0)
    may.set()
    assert room.take()

    def attempt(_message: Message, already_done: Collection[str]) -> Outcome:
        tries.release()
        if "archive" in already_done:
            return Outcome(State.HANDLED)
        may.clear()
        raise Busy(("archive",), room)

    pool = Pool(attempt, 1, permission=may)
    pool.take(record(1), message(), ())
    assert tries.acquire(timeout=WAIT)
    room.release()
    assert not tries.acquire(timeout=0.5)
    assert pool.drop_waiting() == []
    (back,) = pool.finished(WAIT)
    assert (back.outcome.state, back.outcome.done, back.outcome.held) == (State.PENDING, ("archive",), True)
    pool.close()
