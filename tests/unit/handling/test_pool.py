"""The pool: which messages are in hand, and which outcomes are collected."""

import threading
import time
from collections.abc import Collection, Iterator

import pytest

from tests.unit.handling.world import WAIT, Permission, all_finished, message, record
from worker.handling.pool import Pool
from worker.message.message import Message
from worker.message.outcome import Outcome, State


class Work:
    """Finishes messages once `go` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self, message: Message, already_done: Collection[str]) -> Outcome:
        self.begun.release()
        assert self.go.wait(WAIT)
        return Outcome(State.HANDLED, done=tuple(already_done))


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def pool(work: Work) -> Iterator[Pool]:
    pool = Pool(work, 2)
    yield pool
    work.go.set()
    pool.close()


def test_what_is_taken_is_in_hand_until_it_is_given_back(pool: Pool, work: Work) -> None:
    for row in (1, 2, 3):
        pool.take(record(row), message(), {"archive"})
    assert len(pool) == 3
    assert 2 in pool
    assert 9 not in pool
    assert pool.size == 3 * message().size
    assert pool.finished(0) == []
    assert pool.finished(0.01) == []
    work.go.set()
    assert all_finished(pool) == [1, 2, 3]
    assert pool.size == 0
    assert pool.finished(WAIT) == []  # nothing is in hand, so nothing is waited for


def test_what_is_finished_takes_no_room_any_more(pool: Pool, work: Work) -> None:
    """Its content is dropped at once, and its outcome may be collected much later."""
    for row in (1, 2, 3):
        pool.take(record(row), message(), set())
    work.go.set()
    until = time.monotonic() + WAIT
    while pool.size and time.monotonic() < until:
        time.sleep(0.001)
    assert (pool.size, len(pool)) == (0, 3)
    assert all_finished(pool) == [1, 2, 3]


class Waiter:
    """Counts how often it was woken."""

    def __init__(self) -> None:
        self.woken = threading.Semaphore(0)

    def wake(self) -> None:
        self.woken.release()


def test_its_owner_can_be_told_that_something_is_given_back(work: Work) -> None:
    waiter = Waiter()
    pool = Pool(work, 1, waiter=waiter)
    pool.take(record(1), message(), ())
    assert not waiter.woken.acquire(timeout=0.05)
    work.go.set()
    assert waiter.woken.acquire(timeout=WAIT)
    assert all_finished(pool) == [1]
    pool.close()


def test_what_no_thread_has_begun_can_be_taken_back(pool: Pool, work: Work) -> None:
    for row in (1, 2, 3, 4):
        pool.take(record(row), message(), ())
    assert work.begun.acquire(timeout=WAIT)
    assert work.begun.acquire(timeout=WAIT)
    assert pool.drop_waiting() == [3, 4]
    assert pool.drop_waiting() == []
    work.go.set()
    assert all_finished(pool) == [1, 2]


def test_what_was_forgotten_does_not_come_back(pool: Pool, work: Work) -> None:
    pool.take(record(1), message(), ())
    assert work.begun.acquire(timeout=WAIT)
    pool.forget()
    assert len(pool) == 0
    pool.take(record(1), message(), ("archive",))
    work.go.set()
    (back,) = pool.finished(WAIT) or pool.finished(WAIT)
    assert back.outcome.done == ("archive",)


def test_what_needs_no_handler_comes_back_with_its_outcome_among_the_others(pool: Pool, work: Work) -> None:
    refused = Outcome(State.FAILED, reason="oversize")
    pool.take(record(1), message(), ())
    assert work.begun.acquire(timeout=WAIT)
    pool.finish(record(2), refused)
    assert (pool.rows(), len(pool), 2 in pool, pool.size) == ([1, 2], 2, True, message().size)
    assert pool.drop_waiting() == []
    (back,) = pool.finished(0)
    assert (back.record.id, back.outcome) == (2, refused)
    assert (pool.rows(), 2 in pool) == ([1], False)
    work.go.set()
    assert all_finished(pool) == [1]


def test_what_needs_no_handler_ends_a_wait(pool: Pool) -> None:
    pool.take(record(1), message(), ())
    pool.finish(record(2), Outcome(State.FAILED, reason="oversize"))
    assert [item.record.id for item in pool.finished(WAIT)] == [2]


def test_what_needs_no_handler_and_was_forgotten_does_not_come_back(pool: Pool) -> None:
    pool.finish(record(1), Outcome(State.FAILED, reason="oversize"))
    pool.forget()
    assert (len(pool), pool.finished(0)) == (0, [])


def test_what_needs_no_handler_is_begun_by_no_thread(pool: Pool, work: Work) -> None:
    pool.finish(record(1), Outcome(State.PENDING, reason="not-ready"))
    assert all_finished(pool) == [1]
    assert not work.begun.acquire(timeout=0.1)


def test_a_wait_can_be_ended(pool: Pool) -> None:
    pool.take(record(1), message(), ())
    threading.Timer(0.05, pool.interrupt).start()
    assert pool.finished(WAIT) == []
    assert len(pool) == 1


def test_nothing_is_begun_while_it_may_not_be(work: Work) -> None:
    may = Permission()
    work.go.set()
    pool = Pool(work, 1, permission=may)
    pool.take(record(1), message(), ())
    assert not work.begun.acquire(timeout=0.5)
    may.set()
    assert all_finished(pool) == [1]
    pool.close()


def test_what_was_forgotten_while_it_waited_is_never_begun(work: Work) -> None:
    may = Permission()
    work.go.set()
    pool = Pool(work, 1, permission=may)
    pool.take(record(1), message(), ())
    pool.take(record(2), message(), ())
    pool.forget()
    may.set()
    pool.take(record(3), message(), ())
    assert all_finished(pool) == [3]
    assert work.begun.acquire(timeout=1)
    assert not work.begun.acquire(timeout=0.5)
    pool.close()


def test_what_a_thread_has_and_may_not_begin_can_be_taken_back(work: Work) -> None:
    may = Permission()
    work.go.set()
    pool = Pool(work, 1, permission=may)
    pool.take(record(1), message(), ())
    pool.take(record(2), message(), ())
    assert not work.begun.acquire(timeout=0.5)
    assert sorted(pool.drop_waiting()) == [1, 2]
    assert len(pool) == 0
    pool.take(record(1), message(), ("archive",))
    may.set()
    (back,) = pool.finished(WAIT)
    assert back.outcome.done == ("archive",)
    assert work.begun.acquire(timeout=1)
    assert not work.begun.acquire(timeout=0.5)
    pool.close()


def test_whatever_a_try_raises_its_message_comes_back_and_its_thread_stays() -> None:
    def attempt(_message: Message, _done: Collection[str]) -> Outcome:
        raise MemoryError

    pool = Pool(attempt, 1)
    for row in (1, 2):
        pool.take(record(row), message(), ())
        (finished,) = pool.finished(WAIT)
        assert finished.record.id == row
        assert finished.outcome == Outcome(State.PENDING, reason="fault:MemoryError")
    pool.close()


def test_what_comes_back_and_was_forgotten_ends_no_wait() -> None:
    old, new, begun = threading.Event(), threading.Event(), threading.Event()
    waits = iter((old, new))

    def attempt(_message: Message, _done: Collection[str]) -> Outcome:
        wait = next(waits)
        begun.set()
        assert wait.wait(WAIT)
        return Outcome(State.HANDLED)

    pool = Pool(attempt, 2)
    pool.take(record(1), message(), ())
    assert begun.wait(WAIT)
    pool.forget()
    pool.take(record(1), message(), ())
    threading.Timer(0.1, old.set).start()
    threading.Timer(0.5, new.set).start()
    assert len(pool.finished(WAIT)) == 1
    pool.close()
