"""Outcomes are written down with the place, the path and the waits that hold when they are."""

import io
import json

from structlog.testing import capture_logs

from tests.unit.pipeline.recording import LATER, Room
from worker.journal.records import Place
from worker.logs.log import configure as configure_logging
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath
from worker.pipeline.recorder import Recorded
from worker.pipeline.settlement import Settlement


def test_what_is_recorded_is_to_be_moved_from_where_it_lies(room: Room) -> None:
    one, other, stays = room.add(1, 2, 3)
    room.recorder.relocated({one.id: LATER})
    room.recorder.relocated({other.id: Place("INBOX", 15, 8)})
    room.recorder.relocated({one.id + 100: LATER})
    for record in (one, other, stays):
        room.finish(record)
    assert room.recorder.record().settlements == (
        Settlement(one.id, one.fingerprint, LATER, "Processed"),
        Settlement(other.id, other.fingerprint, Place("INBOX", 15, 8), "Processed"),
        Settlement(stays.id, stays.fingerprint, stays.place, "Processed"),
    )


def test_a_place_holds_for_one_outcome(room: Room) -> None:
    (one,) = room.add(1)
    room.recorder.relocated({one.id: LATER})
    room.finish(one, Outcome(State.PENDING, reason="paused:archive", held=True))
    room.recorder.record()
    room.hands[one.id] = one
    room.finish(one)
    (settlement,) = room.recorder.record().settlements
    assert settlement.place == one.place


def test_what_is_not_in_hand_is_not_relocated(room: Room) -> None:
    (one,) = room.add(1)
    room.finish(one)
    room.recorder.relocated({one.id: LATER})
    (settlement,) = room.recorder.record().settlements
    assert settlement.place == one.place


def test_an_outcome_is_written_down_once(room: Room) -> None:
    one, _other = room.add(1, 2)
    assert room.recorder.record() == Recorded()
    room.finish(one)
    assert room.recorder.record().outcomes == {State.HANDLED: 1}
    assert room.recorder.record() == Recorded()


def test_of_what_changed_its_path_in_hand_only_that_it_was_handled_holds(room: Room) -> None:
    failed, handled, beside = room.add(1, 2, 3)
    room.recorder.rejudged(failed.id)
    room.recorder.rejudged(handled.id)
    room.finish(failed, Outcome(State.FAILED, reason="archive:Reject"))
    room.finish(handled)
    room.finish(beside, Outcome(State.FAILED, reason="archive:Reject"))
    recorded = room.recorder.record()
    assert recorded.outcomes == {State.HANDLED: 1, State.FAILED: 1}
    assert [row.state for row in room.messages.everything()] == [State.PENDING, State.HANDLED, State.FAILED]
    assert [key for key, _ in room.told] == [handled.key, beside.key]

    room.hands[failed.id] = failed
    room.finish(failed, Outcome(State.FAILED, reason="archive:Reject"))
    assert room.recorder.record().outcomes == {State.FAILED: 1}


def test_what_was_not_brought_to_the_disk_is_not_done(room: Room) -> None:
    one, in_hand, refused = room.add(1, 2, 3)
    room.fails = True
    room.finish(one)
    room.finish(refused, Outcome(State.FAILED, reason="archive:Reject"))
    assert room.recorder.record().outcomes == {State.PENDING: 1, State.FAILED: 1}
    room.fails = False
    room.finish(in_hand)
    assert room.recorder.record().outcomes == {State.PENDING: 1}  # a part of it may have been lost with the others
    assert [row.reason for row in room.messages.everything()] == ["not-flushed", "not-flushed", "archive:Reject"]
    assert room.tries.done_handlers([one.id, in_hand.id]) == {}

    room.hands[in_hand.id] = in_hand
    room.finish(in_hand)
    assert room.recorder.record().outcomes == {State.HANDLED: 1}


def test_a_handler_that_finished_is_not_done_while_what_it_wrote_is_not_on_the_disk(room: Room) -> None:
    one, other = room.add(1, 2)
    room.fails = True
    failed = Outcome(State.PENDING, ("archive",), "notify:ValueError", failed_handler="notify", route="first")
    room.finish(one, failed)
    room.finish(other, Outcome(State.HANDLED, route="second"))
    with capture_logs() as logs:
        room.recorder.record()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["handler.failed"]
    assert room.tries.done_handlers([one.id]) == {}
    assert [row.reason for row in room.messages.everything()] == ["not-flushed", "not-flushed"]
    assert room.backoff.asked == [("first", 1), ("second", 1)]


def test_handlers_are_done_on_the_path_of_their_message(room: Room) -> None:
    (one,) = room.add(1, path=MailPath.JUNK)
    room.finish(one, Outcome(State.PENDING, ("quarantine",), "other:ValueError", failed_handler="other"))
    room.recorder.record()
    assert room.tries.done_handlers([one.id])[one.id] == {"quarantine": (True, 0), "other": (False, 1)}


def test_each_outcome_is_told_with_its_key(room: Room) -> None:
    configure_logging(level="debug", format="json", stream=(out := io.StringIO()), hooks=False)
    done, held, dead, later = room.add(1, 2, 3, 4)
    room.finish(done, Outcome(State.HANDLED, ("archive",), route="all"))
    room.finish(held, Outcome(State.PENDING, reason="paused:archive", held=True))
    room.finish(dead, Outcome(State.FAILED, reason="archive:Reject"))
    room.finish(later, Outcome(State.PENDING, reason="archive:ValueError", failed_handler="archive"))
    room.recorder.record()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    told = {line["key"]: (line["event"], line["level"], line.get("route"), line.get("reason")) for line in lines}
    assert told == {
        done.key: ("message.done", "info", "all", None),
        held.key: ("message.held", "debug", None, "paused:archive"),
        dead.key: ("message.dead_letter", "error", None, "archive:Reject"),
        later.key: ("message.retry", "warning", None, "archive:ValueError"),
    }
    assert [line["outcome"] for line in lines if line["event"] == "message.done"] == ["handled"]


def test_nothing_is_left_of_what_is_forgotten(room: Room) -> None:
    one, other = room.add(1, 2)
    room.recorder.relocated({one.id: LATER})
    room.recorder.rejudged(one.id)
    room.fails = True
    room.finish(other)
    room.recorder.record()
    room.fails = False
    room.recorder.forget()
    assert room.recorder.record() == Recorded()
    room.finish(one, Outcome(State.FAILED, reason="archive:Reject", done=("archive",)))
    (settlement,) = room.recorder.record().settlements
    assert (settlement.place, settlement.target) == (one.place, "Failed")
