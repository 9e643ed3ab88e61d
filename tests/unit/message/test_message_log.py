"""What a handler may log about a message, and what is refused."""

import enum
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.message.messages import message, multipart
from worker.message.message_log import Logged, LogMistake, MessageLog


class Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[Logged] = []
        self.mistakes: list[LogMistake] = []

    def logged(self, line: Logged) -> None:
        self.lines.append(line)

    def refused(self, mistake: LogMistake, error: Exception) -> None:
        assert isinstance(error, TypeError | ValueError)
        self.mistakes.append(mistake)


class Kind(enum.StrEnum):
    """Words that an author fixes."""

    BLOOD = "blood.count"
    PHRASE = "a phrase of several words"


class Number(enum.IntEnum):
    """No words."""

    ONE = 1


def content(text: str) -> Any:
    """The text as it comes out of a message: equal to a literal, perhaps, and none."""
    return text.encode().decode()


def test_a_line_is_an_event_and_its_values() -> None:
    one, ear = message("Subject: x\n\nbody"), Ear()
    with one.log.heard_by(ear):
        one.log("report.filed")
        one.log("report.filed", pages=3, seconds=0.12345, new=True, how="by_name", kind=Kind.BLOOD)
    assert ear.lines == [
        Logged("report.filed"),
        Logged("report.filed", {"pages": 3, "seconds": 0.123, "new": True, "how": "by_name", "kind": "blood.count"}),
    ]
    assert type(ear.lines[1].values["kind"]) is str
    assert ear.mistakes == []


def call_with_content(log: MessageLog, subject: Any) -> None:
    log(subject)


def call_with_filled_in(log: MessageLog, subject: Any) -> None:
    log(f"filed.{subject}")


def call_with_word(log: MessageLog, subject: Any) -> None:
    log("report.filed", word=subject)


def call_with_equal_word(log: MessageLog, subject: Any) -> None:
    if subject == "positive":
        log("report.filed", word=subject)


def call_with_name(log: MessageLog, subject: Any) -> None:
    log("report.filed", **{subject: 3})


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (call_with_content, "event"),
        (call_with_filled_in, "event"),
        (call_with_word, "value"),
        (call_with_equal_word, "value"),
        (call_with_name, "name"),
    ],
)
def test_no_text_that_was_made_gets_in_even_one_that_has_the_form(call: Any, what: str) -> None:
    log, ear = MessageLog(), Ear()
    with log.heard_by(ear):
        call(log, content("positive"))
    assert ear.lines == []
    assert [mistake.what for mistake in ear.mistakes] == [what]
    assert ear.mistakes[0].where == f"{__name__}:{call.__code__.co_firstlineno + 1 + (call is call_with_equal_word)}"


def test_text_of_the_message_is_refused() -> None:
    one = message("Subject: positive\n\nbody")
    with pytest.raises(TypeError, match="may quote the message"):
        one.log("report.filed", subject=one.subject)
    with pytest.raises(TypeError, match="literal"):
        one.log(one.subject)


def wrong_calls(log: MessageLog) -> list[tuple[type[Exception], Any]]:
    loose: Any = log
    return [
        (ValueError, lambda: log("Report filed")),
        (ValueError, lambda: log("report..filed")),
        (ValueError, lambda: log("")),
        (ValueError, lambda: log("a234567890123456789012345678901234567890123456789012345678901")),
        (TypeError, lambda: loose(3)),
        (ValueError, lambda: log("report.filed", Pages=3)),
        (ValueError, lambda: log("report.filed", a=1, b=1, c=1, d=1, e=1, f=1, g=1, h=1, i=1)),
        (ValueError, lambda: log("report.filed", nhs=9434765919)),
        (ValueError, lambda: log("report.filed", nhs=-1_000_000_000)),
        (ValueError, lambda: log("report.filed", nhs=9434765919.0)),
        (ValueError, lambda: log("report.filed", seconds=float("nan"))),
        (ValueError, lambda: log("report.filed", seconds=float("inf"))),
        (ValueError, lambda: log("report.filed", word="two words")),
        (ValueError, lambda: log("report.filed", word="9434765919")),
        (ValueError, lambda: log("report.filed", word="")),
        (ValueError, lambda: log("report.filed", kind=Kind.PHRASE)),
        (TypeError, lambda: log("report.filed", kind=Number.ONE)),
        (TypeError, lambda: loose("report.filed", word=b"bytes")),
        (TypeError, lambda: loose("report.filed", word=None)),
        (TypeError, lambda: loose("report.filed", words=["a"])),
    ]


def test_what_is_wrong_raises_without_the_worker() -> None:
    log = MessageLog()
    for error, call in wrong_calls(log):
        with pytest.raises(error) as caught:
            call()
        assert "943" not in str(caught.value)


def test_what_is_wrong_is_dropped_where_somebody_listens() -> None:
    log, ear = MessageLog(), Ear()
    with log.heard_by(ear):
        for _, call in wrong_calls(log):
            call()
    assert ear.lines == []
    assert len(ear.mistakes) == len(wrong_calls(log))


def test_lines_after_the_call_are_dropped() -> None:
    log, ear = MessageLog(), Ear()
    log("too.early")
    with log.heard_by(ear):
        log("in.time")
    log("too.late")
    assert [line.event for line in ear.lines] == ["in.time"]


def test_a_handlers_own_threads_are_heard() -> None:
    log, ear = MessageLog(), Ear()
    with log.heard_by(ear):
        thread = threading.Thread(target=lambda: log("from.a_thread"))
        thread.start()
        thread.join()
    assert [line.event for line in ear.lines] == ["from.a_thread"]


def test_an_attached_message_logs_as_the_message() -> None:
    outer = multipart("Content-Type: message/rfc822\n\nSubject: inner\n\nbody")
    (attached,) = outer.attachments
    inner, ear = attached.message(), Ear()
    assert inner is not None
    with outer.log.heard_by(ear):
        inner.log("inner.read")
    assert [line.event for line in ear.lines] == ["inner.read"]


def test_a_helper_of_the_handlers_gives_literals_of_its_own() -> None:
    """The calling code is the one that counts: a text that is passed on could be anything."""

    def helper(event: str) -> None:
        log(event)

    log, ear = MessageLog(), Ear()
    with log.heard_by(ear):
        helper("report.filed")
    assert [mistake.what for mistake in ear.mistakes] == ["event"]


@given(st.text(max_size=40), st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8) | st.floats()))
def test_nothing_that_was_made_is_ever_logged(event: str, values: dict[str, Any]) -> None:
    log, ear = MessageLog(), Ear()
    with log.heard_by(ear):
        log(event, **values)
    assert ear.lines == []
    assert len(ear.mistakes) == 1


@given(st.text(max_size=20) | st.none(), st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8)))
def test_a_line_from_another_process_has_the_form_of_one(event: Any, values: dict[str, Any]) -> None:
    try:
        line = Logged.read(event, values)
    except (TypeError, ValueError):
        return
    assert line.event.replace(".", "").replace("_", "").isalnum()
    assert all(not isinstance(value, str) or any(map(str.isalpha, value)) for value in line.values.values())


def test_the_place_of_a_mistake_is_the_call() -> None:
    log, ear = MessageLog(), Ear()
    with log.heard_by(ear):
        line = sys._getframe().f_lineno + 1
        log("Wrong")
    assert ear.mistakes == [LogMistake(f"{__name__}:{line}", "event")]
