"""The pool: what is in hand, and what comes back."""

import threading
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import cast

import pytest

from tests.fakes.mailbox import mail
from tests.rig.worker import eventually
from worker.handling.gate import Busy
from worker.handling.pool import Hands
from worker.journal.records import Record
from worker.message.message import Message
from worker.message.outcome import Outcome, State
from worker.message.verdict import Path, Verdict
from worker.observe.health import Health

WAIT = 10.0


class Work:
    """Handles a message when it is let to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self, message: Message, already_done: Collection[str]) -> Outcome:
        self.begun.release()
        assert self.go.wait(WAIT)
        return Outcome(State.HANDLED, done=tuple(already_done))


def record(row: int) -> Record:
    return cast("Record", type("Row", (), {"id": row, "key": f"key-{row}"})())


def message(folder: str = "INBOX") -> Message:
    now = datetime.now(UTC)
    return Message(mail(), key="a" * 26, folder=folder, received_at=now, verdict=Verdict(Path.CLEAN))


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def hands(work: Work) -> Iterator[Hands]:
    hands = Hands(work, 2)
    yield hands
    work.go.set()
    hands.close()


def all_finished(hands: Hands) -> list[int]:
    rows: list[int] = []
    while hands:
        rows += [item.record.id for item in hands.finished(WAIT)]
    return sorted(rows)


def test_what_is_taken_is_in_hand_until_it_is_given_back(hands: Hands, work: Work) -> None:
    for row in (1, 2, 3):
        hands.take(record(row), message(), {"archive"})
    assert len(hands) == 3
    assert 2 in hands
    assert 9 not in hands
    assert hands.size == 3 * len(mail())
    assert hands.finished(0) == []
    assert hands.finished(0.01) == []
    work.go.set()
    assert all_finished(hands) == [1, 2, 3]
    assert hands.size == 0
    assert hands.finished(WAIT) == []  # nothing in hand: nothing is waited for


def test_each_message_that_comes_back_is_told_of(work: Work) -> None:
    told: list[int] = []
    hands = Hands(work, 2, on_finished=lambda: told.append(1))
    work.go.set()
    for row in (1, 2, 3):
        hands.take(record(row), message(), ())
    assert all_finished(hands) == [1, 2, 3]
    eventually(lambda: len(told) == 3)
    hands.close()


def test_what_no_thread_has_begun_can_be_taken_back(hands: Hands, work: Work) -> None:
    for row in (1, 2, 3, 4):
        hands.take(record(row), message(), ())
    assert work.begun.acquire(timeout=WAIT)
    assert work.begun.acquire(timeout=WAIT)
    assert hands.drop_waiting() == [3, 4]
    assert hands.drop_waiting() == []
    work.go.set()
    assert all_finished(hands) == [1, 2]


def test_what_was_forgotten_does_not_come_back(hands: Hands, work: Work) -> None:
    hands.take(record(1), message(), ())
    assert work.begun.acquire(timeout=WAIT)
    hands.forget()
    assert len(hands) == 0
    hands.take(record(1), message(), ("archive",))
    work.go.set()
    (back,) = hands.finished(WAIT) or hands.finished(WAIT)
    assert back.outcome.done == ("archive",)


def test_a_wait_can_be_ended(hands: Hands) -> None:
    hands.take(record(1), message(), ())
    threading.Timer(0.05, hands.interrupt).start()
    assert hands.finished(WAIT) == []
    assert len(hands) == 1


def test_nothing_is_begun_while_it_may_not_be(work: Work) -> None:
    may = threading.Event()
    work.go.set()
    hands = Hands(work, 1, may_begin=may.is_set)
    hands.take(record(1), message(), ())
    assert not work.begun.acquire(timeout=0.5)
    may.set()
    assert all_finished(hands) == [1]
    hands.close()


def test_what_was_forgotten_while_it_waited_is_never_begun(work: Work) -> None:
    may = threading.Event()
    work.go.set()
    hands = Hands(work, 1, may_begin=may.is_set)
    hands.take(record(1), message(), ())
    hands.take(record(2), message(), ())
    hands.forget()
    may.set()
    hands.take(record(3), message(), ())
    assert all_finished(hands) == [3]
    assert work.begun.acquire(timeout=1)
    assert not work.begun.acquire(timeout=0.5)
    hands.close()


def test_what_a_thread_has_and_may_not_begin_can_be_taken_back(work: Work) -> None:
    may = threading.Event()
    work.go.set()
    hands = Hands(work, 1, may_begin=may.is_set)
    hands.take(record(1), message(), ())
    hands.take(record(2), message(), ())
    assert not work.begun.acquire(timeout=0.5)
    assert sorted(hands.drop_waiting()) == [1, 2]
    assert len(hands) == 0
    hands.take(record(1), message(), ("archive",))
    may.set()
    (back,) = hands.finished(WAIT)
    assert back.outcome.done == ("archive",)
    assert work.begun.acquire(timeout=1)
    assert not work.begun.acquire(timeout=0.5)
    hands.close()


def test_what_was_half_done_and_waits_for_a_thread_again_keeps_what_is_done() -> None:
    """As a message that was laid aside for a handler without room, whose turn had come."""
    may, room, tries = threading.Event(), threading.Event(), threading.Semaphore(0)
    may.set()

    def attempt(_message: Message, already_done: Collection[str]) -> Outcome:
        tries.release()
        if "archive" in already_done:
            return Outcome(State.HANDLED)
        may.clear()

        def when_free(call: Callable[[], bool]) -> None:
            threading.Thread(target=lambda: room.wait(WAIT) and call(), daemon=True).start()

        raise Busy(("archive",), when_free)

    hands = Hands(attempt, 1, may_begin=may.is_set)
    hands.take(record(1), message(), ())
    assert tries.acquire(timeout=WAIT)
    room.set()
    assert not tries.acquire(timeout=0.5)
    assert hands.drop_waiting() == []
    (back,) = hands.finished(WAIT)
    assert (back.outcome.state, back.outcome.done, back.outcome.held) == (State.PENDING, ("archive",), True)
    hands.close()


def test_threads_that_hang_and_were_replaced_do_not_make_the_worker_ask_for_a_restart() -> None:
    health = Health(pool=2, stuck_after=0.1)
    hang = threading.Event()
    hung: list[int] = []

    def attempt(message: Message, _already_done: Collection[str]) -> Outcome:
        with health.working():
            if message.folder == "hangs":
                hung.append(threading.get_ident())
                hang.wait(WAIT)
            return Outcome(State.HANDLED, done=())

    hands = Hands(attempt, 2)
    health.count_replaced(hands.replaced)
    for row in (1, 2):
        hands.take(record(row), message("hangs"), ())
    eventually(lambda: health.live().reasons == ("pool-stuck",))
    for thread in hung:
        hands.lost(thread)
    assert hands.replaced() == 2
    assert health.live().ok
    hands.take(record(3), message(), ())
    assert [item.record.id for item in hands.finished(WAIT)] == [3]
    assert health.live().ok
    hang.set()
    assert all_finished(hands) == [1, 2]
    eventually(lambda: hands.replaced() == 0)
    hands.close()


def test_whatever_a_try_raises_its_message_comes_back_and_its_thread_stays() -> None:
    def attempt(_message: Message, _done: Collection[str]) -> Outcome:
        raise MemoryError

    hands = Hands(attempt, 1)
    for row in (1, 2):
        hands.take(record(row), message(), ())
        (finished,) = hands.finished(WAIT)
        assert finished.record.id == row
        assert finished.outcome == Outcome(State.PENDING, reason="fault:MemoryError")
    hands.close()


def test_what_comes_back_and_was_forgotten_ends_no_wait() -> None:
    old, new, begun = threading.Event(), threading.Event(), threading.Event()
    waits = iter((old, new))

    def attempt(_message: Message, _done: Collection[str]) -> Outcome:
        wait = next(waits)
        begun.set()
        assert wait.wait(WAIT)
        return Outcome(State.HANDLED)

    hands = Hands(attempt, 2)
    hands.take(record(1), message(), ())
    assert begun.wait(WAIT)
    hands.forget()
    hands.take(record(1), message(), ())
    threading.Timer(0.1, old.set).start()
    threading.Timer(0.5, new.set).start()
    assert len(hands.finished(WAIT)) == 1
    hands.close()
