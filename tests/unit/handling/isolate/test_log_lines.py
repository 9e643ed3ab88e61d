"""What a handler in a process of its own logs, and what of it the worker believes."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.handling.world import attempt, message
from worker.handling.isolate.log_lines import LinesToTell, repeat_lines
from worker.handling.isolate.parent import ChildSpec, IsolatedHandler
from worker.message.message_log import MOST_LINES, Logged, LogMistake, MessageLog
from worker.message.outcome import State

HANDLERS = """
from enum import StrEnum
from worker import Reject

class Kind(StrEnum):
    BLOOD = "blood"

def files(message):
    message.log("report.filed", pages=3, seconds=0.5, kind=Kind.BLOOD, how="by_number")
    message.log(message.subject, pages=3)
    message.log("report.filed", subject=str(message.subject))

def much(message):
    for count in range(50):
        message.log("still.here", count=count)
        message.log(f"{count}")

def rejects(message):
    message.log("about.to_fail")
    raise Reject("no report number")

def quotes(message):
    raise Reject(f"{message.subject}")
"""


@pytest.fixture
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], IsolatedHandler]]:
    (tmp_path / "logging_handlers.py").write_text(HANDLERS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    begun: list[IsolatedHandler] = []

    def begin(name: str) -> IsolatedHandler:
        spec = ChildSpec(name, f"logging_handlers:{name}", None, memory=100_000_000, limit=30.0, start=30.0)
        begun.append(IsolatedHandler(spec))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def test_lines_come_through_a_process_of_its_own(
    isolated: Callable[[str], IsolatedHandler], logged: Callable[[], list[dict[str, Any]]]
) -> None:
    assert attempt(isolated("files"))(message(), ()).state is State.HANDLED
    said, *refused = logged()
    assert (said["event"], said["handler"], said["key"], said["what"]) == (
        "handler.said",
        "one",
        "a" * 26,
        "report.filed",
    )
    assert said["values"] == {"pages": 3, "seconds": 0.5, "kind": "blood", "how": "by_number"}
    lines = HANDLERS.splitlines()
    wrong = [1 + lines.index(line) for line in lines if "message.subject" in line and "log(" in line]
    assert [(one["event"], one["where"], one["what"]) for one in refused] == [
        ("handler.log_refused", f"logging_handlers:{wrong[0]}", "event"),
        ("handler.log_refused", f"logging_handlers:{wrong[1]}", "value"),
    ]
    assert "secret" not in str(logged())


def test_the_bound_holds_there_and_a_reject_says_its_literal(
    isolated: Callable[[str], IsolatedHandler], logged: Callable[[], list[dict[str, Any]]]
) -> None:
    assert attempt(isolated("much"))(message(), ()).state is State.HANDLED
    assert [line["event"] for line in logged()].count("handler.said") == MOST_LINES
    assert [line["what"] for line in logged() if line["event"] == "handler.log_refused"] == ["too-many", "event"]
    assert attempt(isolated("rejects"))(message(), ()).reason == "one:Reject:no-report-number"
    assert logged()[-1]["what"] == "about.to_fail"
    assert attempt(isolated("quotes"))(message(), ()).reason == "one:Reject"


class Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Logged | LogMistake] = []

    def logged(self, line: Logged) -> None:
        self.heard.append(line)

    def refused(self, mistake: LogMistake, error: Exception) -> None:
        assert isinstance(error, ValueError)
        self.heard.append(mistake)


def heard(answer: dict[str, Any]) -> list[Logged | LogMistake]:
    log, ear = MessageLog(), Ear()
    with log.heard_by(ear):
        repeat_lines(answer, log)
    return ear.heard


def test_an_answer_tells_what_was_kept() -> None:
    lines = LinesToTell()
    lines.logged(Logged("report.filed", {"pages": 3}))
    lines.refused(LogMistake("module:3", "name"), ValueError("x"))
    answer = json.loads(json.dumps(lines.answer()))
    assert heard(answer) == [Logged("report.filed", {"pages": 3}), LogMistake("module:3", "name")]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"lines": "secret words", "mistakes": 3},
        {"lines": [["secret words", {}]]},
        {"lines": [["report.filed", {"secret words": 1}]]},
        {"lines": [["report.filed", {"word": "secret words"}]]},
        {"lines": [["report.filed", {"nhs": 9434765919}]]},
        {"lines": [["report.filed", {"word": None}]]},
        {"lines": [["report.filed"], ["report.filed", []], [3, {}], 3]},
        {"mistakes": [["secret words", "event"], ["module:3", "secret"], ["module:3"], [3, 3], 3]},
        {"mistakes": [["module:3", ["event"]]]},
    ],
)
def test_nothing_else_is_believed(answer: dict[str, Any]) -> None:
    assert heard(answer) == []
