"""The content decides before any handler has the message, and what was handed over is marked."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from tests.unit.handling.world import message
from worker.handling.content_check import ContentCheck, Doubt
from worker.message.content_mark import ContentMarks
from worker.message.message import Message
from worker.message.outcome import Outcome, State

MARKS = ContentMarks(b"key")
MARK = MARKS.of(message())


class Attempt:
    """Notes what it is given."""

    def __init__(self, outcome: Outcome = Outcome(State.HANDLED, done=("archive",))) -> None:  # noqa: B008 -- frozen
        self.outcome = outcome
        self.given: list[tuple[Message, Collection[str]]] = []

    def __call__(self, message: Message, already_done: Collection[str]) -> Outcome:
        self.given.append((message, already_done))
        return self.outcome


@pytest.mark.parametrize(
    ("doubt", "is_other"),
    [
        (None, False),
        (Doubt(None, frozenset()), False),
        (Doubt(None, frozenset({"parts:another"})), False),
        (Doubt(None, frozenset({"parts:another", MARK})), True),
        (Doubt(MARK, frozenset({MARK})), False),
        (Doubt("parts:another", frozenset()), True),
        (Doubt("parts:another", frozenset({MARK})), True),
    ],
)
def test_what_is_another_message_reaches_no_handler(doubt: Doubt | None, is_other: bool) -> None:
    attempt = Attempt()
    outcome = ContentCheck(MARKS).handle(attempt, message(), {"notify"}, doubt=doubt)
    assert outcome.content == MARK
    if is_other:
        assert (outcome.state, outcome.reason, attempt.given) == (State.PENDING, "other-content", [])
    else:
        assert (outcome.state, outcome.done) == (State.HANDLED, ("archive",))
        assert [done for _, done in attempt.given] == [{"notify"}]


def test_headers_are_marked_where_there_is_no_more() -> None:
    outcome = ContentCheck(MARKS).handle(Attempt(), message(), (), headers_alone=True)
    assert outcome.content == MARKS.of_headers(message().headers)


def test_what_was_held_back_has_no_mark() -> None:
    held = Outcome(State.PENDING, reason="paused:archive", held=True)
    assert ContentCheck(MARKS).handle(Attempt(held), message(), ()) == held
    trial = replace(held, failed_handler="archive")  # which a handler had
    assert ContentCheck(MARKS).handle(Attempt(trial), message(), ()).content is not None


def test_a_placeholder_is_not_compared_and_has_no_mark() -> None:
    waits = Outcome(State.PENDING, reason="stand-in:atp-scan")
    one = message()
    one.__dict__["stand_in"] = "atp-scan"
    assert ContentCheck(MARKS).handle(Attempt(waits), one, (), doubt=Doubt("parts:another", frozenset())) == waits
