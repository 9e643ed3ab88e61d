"""What a try tells others of: the log, the metrics, the gate, and whoever counts what handlers print."""

import errno
import io
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from tests.unit.handling.world import Rules, gate, message, raising
from worker.handling.call import STAND_IN_WAIT, Try
from worker.handling.circuit import CircuitRules
from worker.handling.failure import CallFailure, RemoteFailure
from worker.handling.gate import Busy, Gate
from worker.handling.handler import Handler
from worker.handling.handler_observer import Unobserved
from worker.handling.outage import About
from worker.handling.output import OutputCapture, running_handler
from worker.handling.overdue_calls import Stopwatch
from worker.logs.log import configure as configure_logging
from worker.message.message import Message
from worker.message.mime.limits import MessageError, MessageOverLimit
from worker.message.outcome import Outcome, Reject, Retry, State
from worker.message.verdict import MailPath


class Seconds:
    """A clock that is two seconds on each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 2.0
        return self.now


class Told(Unobserved):
    """Notes each call that ended."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, float]] = []

    def handled(self, handler: str, outcome: str, seconds: float) -> None:
        self.calls.append((handler, outcome, seconds))


class Routed:
    """Notes the routes of each message."""

    def __init__(self) -> None:
        self.routes: list[tuple[str, list[str]]] = []

    def routed(self, key: str, routes: Collection[str], /) -> None:
        self.routes.append((key, list(routes)))


class BrokenRules:
    """Raises this for every message."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
        raise self._error


class Service(Exception):
    """What a handler says when its service is down."""


def handlers(**calls: Callable[[Message], object]) -> dict[MailPath, dict[str, Handler]]:
    return {MailPath.CLEAN: {name: Handler(name, call) for name, call in calls.items()}}


def nothing(_message: Message) -> None:
    pass


def never(_message: Message) -> None:
    pytest.fail("called")


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """All lines of the log, the details included."""
    configure_logging(level="debug", format="json", stream=io.StringIO(), hooks=False)
    with capture_logs() as lines:
        yield lines


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (nothing, "done"),
        (raising(Retry()), "retry"),
        (raising(Reject("never")), "reject"),
        (raising(ValueError("x")), "error"),
        (raising(MessageOverLimit("parts")), "error"),
    ],
)
def test_each_call_is_told_with_its_handler_its_end_and_its_seconds(call: Callable[[Message], None], word: str) -> None:
    told = Told()
    Try(Rules("archive"), handlers(archive=call), Seconds(), observer=told)(message(), ())
    assert told.calls == [("archive", word, 2.0)]


def test_a_failure_that_is_a_fault_is_logged_with_its_handler(lines: list[Any]) -> None:
    error = ValueError("x")
    Try(Rules("archive"), handlers(archive=raising(error)), Seconds())(message(), ())
    (line,) = lines
    assert line.pop("where").startswith("tests.unit.handling.world:")
    assert line == {"event": "handler.failed", "log_level": "error", "handler": "archive", "exc_info": error}


def test_a_failure_of_the_system_is_logged_in_its_words(lines: list[Any]) -> None:
    for error in (
        OSError(errno.ENOSPC, "secret words"),
        RemoteFailure(CallFailure("error", "OSError", fault="ENOSPC")),
    ):
        outcome = Try(Rules("archive"), handlers(archive=raising(error)), Seconds())(message(), ())
        assert (outcome.reason, outcome.failed_as) == ("archive:OSError:ENOSPC", "archive:OSError:ENOSPC")
    assert [line["errno"] for line in lines] == ["no space left on device"] * 2


def test_a_failure_in_another_process_is_logged_with_its_class_and_its_line(lines: list[Any]) -> None:
    error = RemoteFailure(CallFailure("error", "ValueError", where="my_handlers.py:12 in handle"))
    Try(Rules("archive"), handlers(archive=raising(error)), Seconds())(message(), ())
    assert lines == [
        {
            "event": "handler.failed",
            "log_level": "error",
            "handler": "archive",
            "error": "ValueError",
            "where": "my_handlers.py:12 in handle",
        }
    ]


@pytest.mark.parametrize("error", [Retry(), Reject("never"), RemoteFailure(CallFailure("retry", "Retry"))])
def test_what_a_handler_decides_is_no_fault(error: Exception, lines: list[Any]) -> None:
    Try(Rules("archive"), handlers(archive=raising(error)), Seconds())(message(), ())
    assert lines == []


def test_a_call_that_returned_is_logged_with_its_seconds(lines: list[Any]) -> None:
    Try(Rules("archive"), handlers(archive=nothing), Seconds())(message(), ())
    assert lines == [{"event": "handler.done", "log_level": "debug", "handler": "archive", "seconds": 2.0}]


def test_a_placeholder_waits_and_reaches_no_handler() -> None:
    called: list[Message] = []
    one, routed = message(), Routed()
    one.__dict__["stand_in"] = "atp-scan"
    outcome = Try(Rules("archive"), handlers(archive=called.append), Seconds(), route_observer=routed)(one, ())
    assert outcome == Outcome(State.PENDING, reason="stand-in:atp-scan", after=STAND_IN_WAIT)
    assert (called, routed.routes) == ([], [])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (MessageOverLimit("parts"), Outcome(State.FAILED, reason="unparsed:MessageOverLimit:parts")),
        (MessageError("words of the message"), Outcome(State.FAILED, reason="unparsed:MessageError")),
        (KeyError("words of the message"), Outcome(State.PENDING, reason="route:KeyError")),
    ],
)
def test_a_message_without_a_route_reaches_no_handler(error: Exception, outcome: Outcome, lines: list[Any]) -> None:
    called: list[Message] = []
    routed = Routed()
    attempt = Try(BrokenRules(error), handlers(archive=called.append), Seconds(), route_observer=routed)
    assert attempt(message(), ()) == outcome
    assert (called, routed.routes) == ([], [])
    faults = [(line["event"], line["log_level"]) for line in lines]
    assert faults == ([] if outcome.state is State.FAILED else [("message.not_routed", "error")])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Retry(after=timedelta(hours=2)), Outcome(State.PENDING, reason="notify:Retry", after=timedelta(hours=2))),
        (Reject("never"), Outcome(State.FAILED, reason="notify:Reject:never")),
        (ValueError("x"), Outcome(State.PENDING, reason="notify:ValueError")),
        (MessageOverLimit("parts"), Outcome(State.FAILED, reason="unparsed:MessageOverLimit:parts")),
    ],
)
@pytest.mark.parametrize("gated", [False, True])
def test_a_failure_says_which_handlers_are_done_and_which_is_not(
    error: Exception, outcome: Outcome, gated: bool, stopwatch: Stopwatch
) -> None:
    gates = {name: gate(name, stopwatch) for name in ("first", "archive", "notify")} if gated else {}
    calls = handlers(first=nothing, archive=nothing, notify=raising(error), last=never)
    names = ("first", "archive", "notify", "last")
    got = Try(Rules(*names), calls, Seconds(), gates=gates)(message(), ("first",))
    assert (got.state, got.reason, got.after) == (outcome.state, outcome.reason, outcome.after)
    assert (got.done, got.failed_handler, got.route, got.held) == (("archive",), "notify", "all", False)


def test_a_message_that_every_handler_took_says_so_and_names_its_route() -> None:
    got = Try(Rules("first", "archive", "notify"), handlers(archive=nothing, notify=nothing), Seconds())
    assert got(message(), ("first",)) == Outcome(State.HANDLED, done=("archive", "notify"), route="all")


def test_the_rules_and_each_handler_are_given_the_message_itself() -> None:
    given: list[Message] = []

    class Noting(Rules):
        def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
            given.append(message)
            return super().handlers_for(message)

    one = message()
    Try(Noting("archive", "notify"), handlers(archive=given.append, notify=given.append), Seconds())(one, ())
    assert len(given) == 3
    assert all(each is one for each in given)


def test_a_message_that_waits_for_a_paused_handler_keeps_what_is_done(stopwatch: Stopwatch) -> None:
    paused = gate("notify", stopwatch, circuit=CircuitRules(1, (30.0,)), monotonic=lambda: 1000.0)
    paused.circuit.hold(45.0)
    calls = handlers(archive=nothing, notify=never)
    outcome = Try(Rules("archive", "notify"), calls, Seconds(), gates={"notify": paused})(message(), ())
    assert outcome == Outcome(
        State.PENDING, done=("archive",), reason="paused:notify", after=timedelta(seconds=45), route="all", held=True
    )


def test_a_message_for_a_busy_handler_keeps_what_is_done(stopwatch: Stopwatch) -> None:
    busy = gate("notify", stopwatch, concurrency=1)
    assert busy.slots.take()
    calls = handlers(archive=nothing, notify=never)
    with pytest.raises(Busy) as raised:
        Try(Rules("archive", "notify"), calls, Seconds(), gates={"notify": busy})(message(), ())
    assert (raised.value.done, raised.value.slots) == (("archive",), busy.slots)


class NotedGate:
    """Lets every message through, and notes what it is told."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, Any]] = []

    @contextmanager
    def slot(self, done: tuple[str, ...]) -> Iterator[None]:
        self.noted.append(("slot", done))
        yield

    @contextmanager
    def timed(self, key: str) -> Iterator[None]:
        self.noted.append(("timed", key))
        yield

    def pause_of(self, key: str) -> timedelta | None:
        self.noted.append(("pause_of", key))
        return None

    def call_ended(self, key: str, failure: CallFailure | None) -> None:
        self.noted.append((key, failure))


@pytest.mark.parametrize("error", [None, Service(), ValueError("x")])
def test_the_gate_is_told_whose_call_it_was_and_how_it_ended(error: Exception | None) -> None:
    """A failure that the handler declares as an outage is its target's."""
    noted = NotedGate()
    call = nothing if error is None else raising(error)
    known = {MailPath.CLEAN: {"one": Handler("one", call, outages=(Service,))}}
    Try(Rules("one"), known, Seconds(), gates={"one": cast("Gate", noted)})(message("b" * 26), ())
    assert noted.noted[:3] == [("slot", ()), ("pause_of", "b" * 26), ("timed", "b" * 26)]
    key, failure = noted.noted[3]
    about = {type(None): None, Service: About.TARGET, ValueError: About.MESSAGE}[type(error)]
    assert (key, failure and failure.about) == ("b" * 26, about)


def test_a_call_that_a_fault_of_ours_ends_says_nothing_of_the_handler() -> None:
    class Broken(Unobserved):
        def handled(self, handler: str, outcome: str, seconds: float) -> None:
            raise RuntimeError("a fault of ours")

    noted = NotedGate()
    attempt = Try(Rules("one"), handlers(one=nothing), Seconds(), observer=Broken(), gates={"one": cast("Gate", noted)})
    with pytest.raises(RuntimeError, match="a fault of ours"):
        attempt(message(), ())
    key, failure = noted.noted[-1]
    assert (key, failure.word, failure.kind, failure.about) == ("a" * 26, "error", "Unknown", About.NOTHING)


def test_while_a_handler_is_called_its_thread_is_known_as_its_own() -> None:
    seen: list[str | None] = []
    capture = OutputCapture()
    Try(Rules("one"), handlers(one=lambda _message: seen.append(running_handler())), Seconds(), output=capture)(
        message(), ()
    )
    assert (seen, running_handler()) == (["one"], None)


def test_what_a_handler_printed_is_logged_by_the_capture_that_was_given(lines: list[Any]) -> None:
    capture = OutputCapture()

    def prints(_message: Message) -> None:
        capture.print("one", 12)

    Try(Rules("one"), handlers(one=prints), Seconds(), output=capture)(message(), ())
    printed = [line for line in lines if line["event"] == "handler.printed"]
    assert printed == [{"event": "handler.printed", "log_level": "warning", "handler": "one", "bytes": 12}]
