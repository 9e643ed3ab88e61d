"""What stands before a handler: room, time, and whether it is called at all; and what the journal is told of errors."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.handling.test_pool import WAIT, all_finished, record
from worker.handling.call import Try
from worker.handling.circuit import CircuitRules
from worker.handling.gate import Busy, Keeper, Slots
from worker.handling.handler import Handler
from worker.handling.pool import Hands
from worker.handling.stopwatch import Stopwatch
from worker.logs import configure_logging
from worker.message.message import Message
from worker.message.mime.limits import MessageOverLimit
from worker.message.outcome import Outcome, Reject, Retry, State
from worker.message.verdict import Path, Verdict

NEVER = CircuitRules(after=0, pauses=(1.0,))


class Rules:
    def __init__(self, *names: str) -> None:
        self._names = names

    def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (("all", self._names),)


@pytest.fixture
def stopwatch() -> Iterator[Stopwatch]:
    stopwatch = Stopwatch(time.monotonic)
    yield stopwatch
    stopwatch.close()


@pytest.fixture
def logged() -> Callable[[], list[dict[str, Any]]]:
    stream = io.StringIO()
    configure_logging(level="info", format="json", stream=stream, hooks=False)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def message(key: str = "a" * 26) -> Message:
    raw = b"From: a@lab.nhs.uk\r\nSubject: secret words\r\n\r\nhello\r\n"
    return Message(
        raw, key=key, folder="INBOX", received_at=datetime(2026, 1, 1, tzinfo=UTC), verdict=Verdict(Path.CLEAN)
    )


def keeper(name: str, stopwatch: Stopwatch, **given: Any) -> Keeper:
    rules: dict[str, Any] = {"circuit": NEVER, "concurrency": None, "time_limit": None, "monotonic": time.monotonic}
    return Keeper(name, stopwatch=stopwatch, **(rules | given))


def attempt(call: Callable[[Message], object], kept: Keeper | None = None) -> Try:
    return Try(
        Rules("one"),
        {Path.CLEAN: {"one": Handler("one", call)}},
        time.monotonic,
        keepers={} if kept is None else {"one": kept},
    )


# -- what is kept of an error


class Infected(Reject):
    """As ClamAV's handler raises."""


class Later(Retry):
    """A word of a handler's own."""


def dynamic(_message: Message) -> None:
    raise type("secret words", (Exception,), {})("secret words")


def raising(error: BaseException) -> Callable[[Message], None]:
    def call(_message: Message) -> None:
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "state", "reason"),
    [
        (raising(Infected("secret words")), State.FAILED, "one:Infected"),
        (raising(Later("secret words")), State.PENDING, "one:Later"),
        (raising(Retry("secret words", after=timedelta(seconds=9))), State.PENDING, "one:Retry"),
        (raising(ConnectionError("secret words")), State.PENDING, "one:ConnectionError"),
        (raising(SystemExit("secret words")), State.PENDING, "one:SystemExit"),
        (dynamic, State.PENDING, "one:Exception"),
        (raising(MessageOverLimit("parts")), State.FAILED, "unparsed:MessageOverLimit:parts"),
        (raising(MessageOverLimit("secret words")), State.FAILED, "unparsed:MessageOverLimit"),
    ],
)
def test_of_an_error_the_handlers_name_and_the_class_are_kept(
    call: Callable[[Message], None], state: State, reason: str, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    outcome = attempt(call)(message(), ())
    assert (outcome.state, outcome.reason, outcome.failed_handler) == (state, reason, "one")
    assert "secret" not in str(logged()) + repr(outcome)


@pytest.mark.parametrize("after", [timedelta.max, timedelta(days=8)])
def test_no_handler_parks_a_message_for_ever(after: timedelta) -> None:
    assert attempt(raising(Retry(after=after)))(message(), ()).after == timedelta(days=7)


# -- time


def test_a_call_that_takes_too_long_is_told_by_name_and_may_still_come_to_its_end(
    stopwatch: Stopwatch, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    told, told_of = threading.Event(), []

    def on_overdue(name: str) -> None:
        told_of.append(name)
        told.set()

    kept = keeper("one", stopwatch, time_limit=0.05, on_overdue=on_overdue)
    outcome = attempt(lambda _message: told.wait(WAIT), kept)(message(), ())
    assert outcome.state is State.HANDLED
    assert told_of == ["one"]
    assert [(line["event"], line["handler"], line["key"]) for line in logged()] == [
        ("handler.overdue", "one", "a" * 26)
    ]


def test_a_call_in_time_is_not_told(stopwatch: Stopwatch, logged: Callable[[], list[dict[str, Any]]]) -> None:
    kept = keeper("one", stopwatch, time_limit=0.05)
    attempt(lambda _message: None, kept)(message(), ())
    late = threading.Event()
    with stopwatch.watch(0.1, late.set):
        assert late.wait(WAIT)
    assert logged() == []


def test_the_shorter_of_two_limits_is_told_first(stopwatch: Stopwatch) -> None:
    told: list[str] = []
    both = threading.Event()

    def long() -> None:
        told.append("long")
        both.set()

    with stopwatch.watch(0.4, long), stopwatch.watch(0.05, lambda: told.append("short")):
        assert both.wait(WAIT)
    assert told == ["short", "long"]


def test_calls_that_hang_leave_their_threads_places_to_others(stopwatch: Stopwatch) -> None:
    go = threading.Event()

    def hang(found: Message) -> None:
        if str(found.key).startswith("h"):
            assert go.wait(WAIT)

    hands = Hands(attempt(hang, keeper("one", stopwatch, time_limit=0.05)), 2)
    stopwatch.on_overdue = hands.lost
    for row in (1, 2):
        hands.take(record(row), message("h" * 26), ())
    for row in (3, 4, 5):
        hands.take(record(row), message(), ())
    finished: list[int] = []
    while len(finished) < 3:
        finished += [item.record.id for item in hands.finished(WAIT)]
    assert sorted(finished) == [3, 4, 5]
    assert hands.rows() == [1, 2]
    until = time.monotonic() + WAIT
    while hands.size and time.monotonic() < until:
        time.sleep(0.005)
    assert hands.size == 0  # what hangs takes no room from the others
    go.set()
    assert all_finished(hands) == [1, 2]
    hands.take(record(6), message(), ())
    assert all_finished(hands) == [6]
    hands.close()


def test_no_more_threads_are_replaced_than_the_pool_has(stopwatch: Stopwatch) -> None:
    go = threading.Event()
    kept = keeper("one", stopwatch, time_limit=0.02)
    hands = Hands(attempt(lambda _message: go.wait(WAIT), kept), 1)
    stopwatch.on_overdue = hands.lost
    before = threading.active_count()
    for row in range(1, 6):
        hands.take(record(row), message(str(row) * 26), ())
    time.sleep(0.3)
    assert threading.active_count() <= before + 2  # one in place of the first, and the stopwatch's
    assert len(hands) == 5
    go.set()
    assert all_finished(hands) == [1, 2, 3, 4, 5]
    hands.close()


# -- room


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
    slots.give_back()
    assert called == ["a"]
    slots.give_back()
    assert called == ["a", "gone", "b"]  # who doesn't want it any more keeps it from nobody
    slots.when_free(caller("at once"))
    assert called[-1] == "at once"


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
    kept = {"slow": keeper("slow", stopwatch, concurrency=1)}
    hands = Hands(Try(routes, {Path.CLEAN: handlers}, time.monotonic, keepers=kept), 2)
    for row in range(1, 6):
        hands.take(record(row), message("s" * 25 + str(row)), ())
    hands.take(record(6), message("q" * 26), ())
    assert [item.record.id for item in hands.finished(WAIT)] == [6]
    go.set()
    finished: dict[int, Outcome] = {}
    while hands:
        finished |= {item.record.id: item.outcome for item in hands.finished(WAIT)}
    assert {outcome.done for outcome in finished.values()} == {("first", "slow")}
    assert most == [1]
    assert len(done_first) == 5  # a message that is laid aside has its first handler behind it
    hands.close()


def test_what_is_laid_aside_at_a_stop_is_taken_back_or_kept_half_done(stopwatch: Stopwatch) -> None:
    go, begun = threading.Event(), threading.Event()

    def slow(_message: Message) -> None:
        begun.set()
        assert go.wait(WAIT)

    aside = threading.Semaphore(0)

    class Told(Try):
        def __call__(self, found: Message, already_done: Any) -> Outcome:
            try:
                return super().__call__(found, already_done)
            except Busy:
                aside.release()
                raise

    handlers = {"first": Handler("first", lambda _message: None), "slow": Handler("slow", slow)}
    kept = {"slow": keeper("slow", stopwatch, concurrency=1)}
    hands = Hands(Told(Rules("first", "slow"), {Path.CLEAN: handlers}, time.monotonic, keepers=kept), 2)
    hands.take(record(1), message(), ())
    assert begun.wait(WAIT)
    hands.take(record(2), message(), {"first"})
    hands.take(record(3), message(), ())
    assert aside.acquire(timeout=WAIT)
    assert aside.acquire(timeout=WAIT)
    while len(hands._aside) < 2:
        time.sleep(0.001)
    assert hands.drop_waiting() == [2]
    (half,) = hands.finished(WAIT)
    assert (half.record.id, half.outcome.state, half.outcome.done, half.outcome.held) == (
        3,
        State.PENDING,
        ("first",),
        True,
    )
    go.set()
    assert all_finished(hands) == [1]
    hands.close()


# -- the circuit


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
    kept = keeper("one", stopwatch, circuit=CircuitRules(2, (30.0,)), monotonic=lambda: now[0])
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
    kept = keeper("one", stopwatch, circuit=CircuitRules(1, (30.0,)))
    for key in "abc":
        attempt(raising(error), kept)(message(key * 26), ())
    assert kept.circuit.wait is None


def test_calls_that_take_too_long_pause_the_handler(stopwatch: Stopwatch) -> None:
    kept = keeper("one", stopwatch, circuit=CircuitRules(1, (30.0,)), time_limit=0.05)
    paused = threading.Event()

    def hang(_message: Message) -> None:
        while kept.circuit.wait is None:
            time.sleep(0.005)
        paused.set()
        raise ConnectionError

    attempt(hang, kept)(message(), ())
    assert paused.is_set()
    assert kept.circuit.wait is not None
