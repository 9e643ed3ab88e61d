"""The pool replaces threads whose calls hang."""

import threading
import time
from collections.abc import Collection

from tests.rig.worker import eventually
from tests.unit.handling.world import WAIT, all_finished, attempt, gate, message, record
from worker.handling.overdue_calls import Stopwatch
from worker.handling.pool import Pool
from worker.message.message import Message
from worker.message.outcome import Outcome, State
from worker.observe.health import Health


def test_calls_that_hang_leave_their_threads_places_to_others(stopwatch: Stopwatch) -> None:
    go = threading.Event()

    def hang(found: Message) -> None:
        if str(found.key).startswith("h"):
            assert go.wait(WAIT)

    pool = Pool(attempt(hang, gate("one", stopwatch, time_limit=0.05)), 2, stopwatch=stopwatch)
    for row in (1, 2):
        pool.take(record(row), message("h" * 26), ())
    for row in (3, 4, 5):
        pool.take(record(row), message(), ())
    finished: list[int] = []
    while len(finished) < 3:
        finished += [item.record.id for item in pool.finished(WAIT)]
    assert sorted(finished) == [3, 4, 5]
    assert pool.rows() == [1, 2]
    until = time.monotonic() + WAIT
    while pool.size and time.monotonic() < until:
        time.sleep(0.005)
    assert pool.size == 0  # calls that hang take no memory from the batch
    go.set()
    assert all_finished(pool) == [1, 2]
    pool.take(record(6), message(), ())
    assert all_finished(pool) == [6]
    pool.close()


def test_no_more_threads_are_replaced_than_the_pool_has(stopwatch: Stopwatch) -> None:
    go = threading.Event()
    kept = gate("one", stopwatch, time_limit=0.02)
    pool = Pool(attempt(lambda _message: go.wait(WAIT), kept), 1, stopwatch=stopwatch)
    before = threading.active_count()
    for row in range(1, 9):
        pool.take(record(row, f"sender {row}"), message(str(row) * 26), ())
    eventually(lambda: pool.replaced() == 1)
    time.sleep(0.3)
    assert pool.replaced() == 1
    assert threading.active_count() <= before + 2  # the replacement of the first one, and the stopwatch's
    assert len(pool) == 8
    go.set()
    assert all_finished(pool) == list(range(1, 9))
    eventually(lambda: pool.replaced() == 0)
    pool.close()


HANGS = "h" * 26


def test_threads_that_hang_and_were_replaced_do_not_make_the_worker_ask_for_a_restart() -> None:
    health = Health(pool=2, stuck_after=0.1)
    hang = threading.Event()
    hung: list[int] = []

    def attempt(message: Message, _already_done: Collection[str]) -> Outcome:
        with health.working():
            if message.key == HANGS:
                hung.append(threading.get_ident())
                hang.wait(WAIT)
            return Outcome(State.HANDLED, done=())

    pool = Pool(attempt, 2)
    health.count_replaced(pool.replaced)
    for row in (1, 2):
        pool.take(record(row), message(HANGS), ())
    eventually(lambda: health.live().reasons == ("pool-stuck",))
    for thread in hung:
        pool.overdue(thread)
    assert pool.replaced() == 2
    assert health.live().ok
    pool.take(record(3), message(), ())
    assert [item.record.id for item in pool.finished(WAIT)] == [3]
    assert health.live().ok
    hang.set()
    assert all_finished(pool) == [1, 2]
    eventually(lambda: pool.replaced() == 0)
    pool.close()
