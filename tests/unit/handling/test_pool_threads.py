"""The pool's threads: what they log with, and when one that was replaced ends."""

import threading
from collections.abc import Collection

import structlog
from structlog.testing import capture_logs

from tests.rig.worker import eventually
from tests.unit.handling.world import WAIT, all_finished, message, record
from worker.handling.pool import Pool
from worker.message.message import Message
from worker.message.outcome import Outcome, State


def test_what_a_handler_logs_has_the_key_of_its_message() -> None:
    found: dict[str, object] = {}

    def attempt(message: Message, _already_done: Collection[str]) -> Outcome:
        found[str(message.key)] = structlog.contextvars.get_contextvars().get("key")
        return Outcome(State.HANDLED)

    pool = Pool(attempt, 1)
    for row in (1, 2):
        pool.take(record(row), message(f"{row}" * 26), ())
    assert sorted(all_finished(pool)) == [1, 2]
    pool.close()
    assert found == {"1" * 26: "key-1", "2" * 26: "key-2"}


def test_a_thread_that_was_replaced_ends_when_its_call_returns() -> None:
    """Else the pool has one thread more after each call that hung."""
    go = threading.Event()
    threads: list[int] = []

    def attempt(_message: Message, _already_done: Collection[str]) -> Outcome:
        threads.append(threading.get_ident())
        assert go.wait(WAIT)
        return Outcome(State.HANDLED)

    pool = Pool(attempt, 1)
    pool.take(record(1), message(), ())
    eventually(lambda: len(threads) == 1)
    (hung,) = threads
    pool.overdue(hung)
    pool.take(record(2), message(), ())
    eventually(lambda: len(threads) == 2)
    go.set()
    assert sorted(all_finished(pool)) == [1, 2]
    eventually(lambda: hung not in {thread.ident for thread in threading.enumerate()})
    assert threads[1] in {thread.ident for thread in threading.enumerate()}
    pool.close()


def test_a_fault_of_ours_is_told_of_with_its_error() -> None:
    fault = RuntimeError("a fault of ours")

    def attempt(_message: Message, _already_done: Collection[str]) -> Outcome:
        raise fault

    pool = Pool(attempt, 1)
    with capture_logs() as lines:
        pool.take(record(1), message(), ())
        assert all_finished(pool) == [1]
    pool.close()
    assert [line.get("exc_info") for line in lines if line["event"] == "worker.fault"] == [fault]
