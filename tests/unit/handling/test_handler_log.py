"""What handlers log: on its way into the worker's log, and bounded."""

from collections.abc import Callable
from typing import Any

from tests.unit.handling.world import attempt, message
from worker.handling.call import Try
from worker.handling.handler_log import MOST_TOLD, HandlerLog
from worker.message.message import Message
from worker.message.message_log import MOST_LINES, LogMistake
from worker.message.outcome import Outcome, Reject, State

Log = Callable[[], list[dict[str, Any]]]
KEY = "a" * 26


def files(message: Message) -> None:
    message.log("report.filed", pages=3, first=True)


def says_content(message: Message) -> None:
    message.log(f"report.{message.subject}", subject=message.subject)


def says_much(message: Message) -> None:
    for count in range(MOST_LINES + 5):
        message.log("still.here", count=count)


def fails(message: Message) -> None:
    message.log("about.to_fail")
    raise Reject("no report number")


def handled(tried: Try, key: str = KEY) -> Outcome:
    return tried(message(key), ())


def test_a_line_has_the_handler_and_the_key(logged: Log) -> None:
    assert handled(attempt(files)).state is State.HANDLED
    (line,) = logged()
    del line["at"]
    assert line == {
        "level": "info",
        "event": "handler.said",
        "handler": "one",
        "key": KEY,
        "what": "report.filed",
        "values": {"pages": 3, "first": True},
    }


def test_a_mistake_costs_no_message_and_is_told_once(logged: Log) -> None:
    tried = attempt(says_content)
    for _ in range(3):
        assert handled(tried).state is State.HANDLED
    (line,) = logged()
    place = f"{__name__}:{says_content.__code__.co_firstlineno + 1}"
    assert (line["event"], line["handler"], line["what"], line["where"]) == (
        "handler.log_refused",
        "one",
        "event",
        place,
    )
    assert "secret" not in str(logged())


def test_a_call_logs_so_many_lines_and_no_more(logged: Log) -> None:
    tried = attempt(says_much)
    for _ in range(2):
        assert handled(tried).state is State.HANDLED
    events = [line["event"] for line in logged()]
    assert events.count("handler.said") == 2 * MOST_LINES
    assert events.count("handler.log_refused") == 1
    assert [line["what"] for line in logged() if line["event"] == "handler.log_refused"] == ["too-many"]


def test_lines_before_a_failure_are_logged(logged: Log) -> None:
    assert handled(attempt(fails)).reason == "one:Reject:no-report-number"
    assert [line["what"] for line in logged()] == ["about.to_fail"]


def test_what_a_call_left_running_is_dropped(logged: Log) -> None:
    kept: list[Message] = []
    handled(attempt(kept.append))
    kept[0].log("too.late")
    assert logged() == []


def test_even_different_mistakes_do_not_fill_the_log() -> None:
    lines = HandlerLog()
    told = [lines.is_new("one", LogMistake(f"module:{number}", "event")) for number in range(MOST_TOLD + 50)]
    assert told == [True] * MOST_TOLD + [False] * 50
