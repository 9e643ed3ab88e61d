"""What is written down of messages that have no handler, that were lost while in hand, or that look like another."""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.pipeline.recording import HANDLED, LATER, Room
from worker.journal.records import Place
from worker.logs.log import configure as configure_logging
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath
from worker.pipeline.record import Targets
from worker.pipeline.recorder import Recorded
from worker.pipeline.settlement import Settlement

MARK, OF_HEADERS = "parts:0123", "head:0123"


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """All lines of the log, the details included."""
    configure_logging(level="debug", format="json", stream=io.StringIO(), hooks=False)
    with capture_logs() as lines:
        yield lines


def test_a_message_that_reached_no_handler_is_written_down_all_the_same(room: Room) -> None:
    one, _other = room.add(1, 2)
    room.recorder.put(one, Outcome(State.FAILED, reason="headless"))
    recorded = room.recorder.record()
    assert recorded == Recorded({State.FAILED: 1}, (Settlement(one.id, one.fingerprint, one.place, "Failed"),))  # type: ignore[arg-type] # equal to the counter
    assert [(row.state, row.reason) for row in room.messages.everything()] == [
        (State.FAILED, "headless"),
        (State.PENDING, None),
    ]


def test_nothing_is_left_of_what_came_back_without_an_outcome(room: Room) -> None:
    """It is in hand again later, and lies where its row says then."""
    one, other = room.add(1, 2)
    room.recorder.relocated({one.id: LATER})
    room.recorder.rejudged(one.id)
    room.fails = True
    room.finish(other)
    room.recorder.record()
    room.fails = False
    room.recorder.discard(one.id)
    room.finish(one, Outcome(State.FAILED, reason="archive:Reject", done=("archive",)))
    recorded = room.recorder.record()
    assert recorded.outcomes == {State.FAILED: 1}
    assert recorded.settlements == (Settlement(one.id, one.fingerprint, one.place, "Failed"),)


def test_nothing_is_forgotten_of_others_than_the_one_that_came_back(room: Room) -> None:
    one, other = room.add(1, 2)
    room.recorder.relocated({one.id: LATER, other.id: LATER})
    room.recorder.discard(one.id)
    room.finish(other)
    assert [item.place for item in room.recorder.record().settlements] == [LATER]


def test_the_mark_of_what_was_handed_over_is_kept(room: Room) -> None:
    one, other = room.add(1, 2)
    room.finish(one, replace(HANDLED, content=MARK))
    room.finish(other)
    room.recorder.record()
    assert [row.content for row in room.messages.everything()] == [MARK, None]


def test_each_failure_of_a_handler_counts_for_its_own_message(room: Room) -> None:
    one, other = room.add(1, 2)
    failed = Outcome(State.PENDING, reason="archive:ValueError", failed_handler="archive", route="all")
    for _ in range(3):
        room.hands |= {one.id: one}
        room.tries.begin_tries([one.id], "run", alone=False)
        room.finish(replace(one, tries=1), failed)
        room.recorder.record()
    room.finish(replace(other, tries=1), failed)
    room.recorder.record()
    assert room.backoff.asked == [("all", 1), ("all", 2), ("all", 3), ("all", 1)]


@pytest.mark.parametrize(
    ("outcome", "moved", "lost"),
    [
        (replace(HANDLED, content=MARK), True, True),
        (Outcome(State.FAILED, reason="archive:Reject", content=MARK), True, True),
        (replace(HANDLED, content=MARK), False, False),
        (replace(HANDLED, content=OF_HEADERS), True, False),
        (HANDLED, True, False),
        (Outcome(State.PENDING, reason="archive:ValueError", content=MARK), True, False),
    ],
)
def test_what_was_found_elsewhere_by_its_headers_is_lost_once_it_is_done(
    room: Room, outcome: Outcome, moved: bool, lost: bool
) -> None:
    """Only its content can show whether it is what lies there, so nothing is moved from there."""
    one, beside = room.add(1, 2)
    if moved:
        room.recorder.relocated({one.id: LATER})
    room.finish(one, outcome)
    room.finish(beside)
    recorded = room.recorder.record()
    assert recorded.lost == ((replace(one, place=LATER),) if lost else ())
    to_move = {item.id: item.place for item in recorded.settlements}
    is_moved = not lost and outcome.state is not State.PENDING
    assert to_move == ({one.id: LATER if moved else one.place} if is_moved else {}) | {beside.id: beside.place}
    assert room.messages.everything()[0].doubtful is (moved and outcome.content == MARK)


def test_a_message_that_lies_where_it_was_thought_to_lie_is_not_lost(room: Room) -> None:
    (one,) = room.add(1)
    room.recorder.relocated({one.id: one.place})
    room.finish(one, replace(HANDLED, content=MARK))
    assert room.recorder.record().lost == ()


def test_what_stays_where_it_lies_is_not_moved() -> None:
    room = Room(Targets("keep", "Failed", "auto"))
    stays, goes = room.add(1, 2)
    room.finish(stays)
    room.finish(goes, Outcome(State.FAILED, reason="archive:Reject"))
    assert [item.id for item in room.recorder.record().settlements] == [goes.id]


def test_a_message_that_looks_like_another_and_has_other_content_is_new(room: Room, lines: list[Any]) -> None:
    new, known, certain, held, failed, also = room.add(1, 2, 3, 4, 5, 6)
    with_content = replace(HANDLED, content=MARK)
    room.finish(replace(new, doubtful=True, place=Place("Reports", 14, 1)), with_content)
    room.finish(replace(known, doubtful=True, content=MARK), with_content)
    room.finish(certain, with_content)
    room.finish(replace(held, doubtful=True), Outcome(State.PENDING, reason="paused:archive", held=True))
    room.finish(replace(failed, doubtful=True), Outcome(State.FAILED, reason="oversize"))
    room.finish(replace(also, doubtful=True), with_content)
    assert room.recorder.record().new == 2
    told = [line for line in lines if line["event"] == "message.other_content"]
    assert [(line["log_level"], line["folder"]) for line in told] == [("warning", "Reports"), ("warning", "INBOX")]


def test_what_is_told_of_an_outcome_says_the_path_and_when_the_next_try_is_due(room: Room, lines: list[Any]) -> None:
    (junk,) = room.add(1, path=MailPath.JUNK)
    clean, held, later = room.add(2, 3, 4)
    room.finish(junk, Outcome(State.JUNK, ("quarantine",), route="junk"))
    room.finish(clean, Outcome(State.HANDLED, ("archive",), route="all"))
    room.finish(held, Outcome(State.PENDING, reason="paused:archive", held=True))
    reason = "archive:OSError:EIO"
    failed = Outcome(
        State.PENDING, reason=reason, failed_handler="archive", failed_as=reason, where="handlers.archive:7"
    )
    room.finish(later, failed)
    room.recorder.record()
    assert [{name: line[name] for name in line if name != "log_level"} for line in lines] == [
        {"event": "message.done", "outcome": "junk", "path": "junk", "route": "junk"},
        {"event": "message.done", "outcome": "handled", "path": "clean", "route": "all"},
        {"event": "message.held", "reason": "paused:archive", "next_at": 100.0},
        {"event": "message.retry", "reason": "archive:OSError:EIO", "next_at": 160.0}
        | {"handler": "archive", "where": "handlers.archive:7", "errno": "input/output error"},
    ]
