"""Outcomes are written down with the place, the path and the waits that hold when they are."""

import io
import json
from datetime import timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from worker.handling.pool import Finished
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.records import NewMessage, Place, Record, Result
from worker.journal.schema import metadata
from worker.journal.tries import Tries
from worker.logs import configure_logging
from worker.mailbox.folders import Layout
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.observer import Observer
from worker.pipeline.outbox import Recorded, Recorder
from worker.pipeline.record import KEEP, Results, Targets
from worker.pipeline.settle import Settlement

HANDLED = Outcome(State.HANDLED, done=("archive",))
LATER = Place("INBOX", 15, 9)


class Hands(dict[int, Record]):
    """What is in hand, by row."""

    def rows(self) -> list[int]:
        return list(self)


class Backoff:
    """Notes what it is asked, and waits for a minute a failure, five times."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, int]] = []

    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        self.asked.append((route, failures))
        return None if failures > 5 else timedelta(minutes=failures)


class Told(Observer):
    """Notes each outcome that it is told of."""

    def __init__(self, told: list[tuple[str, State]]) -> None:
        self._told = told

    def outcome(self, record: Record, result: Result) -> None:
        self._told.append((record.key, result.state))


class Room:
    """A recorder with a journal."""

    def __init__(self, targets: Targets | None = None) -> None:
        database = Database("sqlite://")
        metadata.create_all(database._engine)
        self.messages = Messages(database)
        self.tries = Tries(database)
        self.hands = Hands()
        self.backoff = Backoff()
        self.told: list[tuple[str, State]] = []
        self.fails = False
        self.recorder = Recorder(
            messages=self.messages,
            tries=self.tries,
            pool=cast("Any", self.hands),
            results=Results(
                targets=targets or Targets("Processed", "Failed", "auto"),
                layout=Layout(("INBOX",), "Junk Email"),
                backoff=self.backoff,
            ),
            handlers=self,
            observer=Told(self.told),
            clock=lambda: 100.0,
        )

    def flush(self) -> None:
        if self.fails:
            raise OSError("full")

    def add(self, *uids: int, path: MailPath = MailPath.CLEAN) -> list[Record]:
        """Messages that are in hand."""
        new = [NewMessage(chr(96 + uid) * 26, Place("INBOX", 14, uid), 10, 5.0, Verdict(path)) for uid in uids]
        records = self.messages.add(new, 1.0)
        self.hands |= {record.id: record for record in records}
        return records

    def finish(self, record: Record, outcome: Outcome = HANDLED) -> None:
        del self.hands[record.id]
        self.recorder.add([Finished(record, outcome)])


@pytest.fixture(autouse=True)
def quiet() -> None:
    configure_logging(level="error", format="json", stream=io.StringIO(), hooks=False)


@pytest.fixture
def room() -> Room:
    return Room()


def test_each_outcome_has_its_folder() -> None:
    targets = Targets("Processed", "Failed", "auto")
    folders = [targets.of(state, "Junk Email") for state in (State.HANDLED, State.FAILED, State.JUNK, State.PENDING)]
    assert folders == ["Processed", "Failed", "Junk Email", None]
    assert Targets(KEEP, "Failed", "Suspicious").of(State.HANDLED, "Junk Email") is None
    assert Targets(KEEP, "Failed", "Suspicious").of(State.JUNK, "Junk Email") == "Suspicious"


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


def test_the_failures_of_each_handler_are_counted_for_each_message(room: Room) -> None:
    first, second = room.add(1, 2)
    room.tries.begin_tries([first.id, second.id], "run", alone=False)
    room.tries.record(
        [Result(first.id, State.PENDING, "archive:ValueError", failed_handler="archive")] * 2
        + [Result(second.id, State.PENDING, "archive:ValueError", failed_handler="archive")],
        2.0,
    )
    failed = Outcome(State.PENDING, reason="archive:ValueError", failed_handler="archive", route="all")
    other = Outcome(State.PENDING, reason="notify:ValueError", failed_handler="notify", route="all")
    (first, second) = room.messages.everything()
    room.recorder.add([Finished(first, failed), Finished(second, failed), Finished(second, other)])
    room.recorder.record()
    assert room.backoff.asked == [("all", 3), ("all", 2), ("all", 1)]


def test_a_fault_before_any_handler_counts_by_the_tries(room: Room) -> None:
    (one,) = room.add(1)
    for _ in range(3):
        room.tries.begin_tries([one.id], "run", alone=False)
    (one,) = room.messages.everything()
    room.recorder.put(one, Outcome(State.PENDING, reason="routing:RuntimeError"))
    room.recorder.record()
    assert room.backoff.asked == [(None, 4)]
    (row,) = room.messages.everything()
    assert row.next_at == 100.0 + 4 * 60


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


def test_what_is_held_waits_as_long_as_it_is_told_and_spends_no_try(room: Room) -> None:
    one, other = room.add(1, 2)
    room.tries.begin_tries([one.id, other.id], "run", alone=False)
    room.finish(one, Outcome(State.PENDING, ("archive",), "paused:notify", timedelta(seconds=30), held=True))
    room.finish(other, Outcome(State.PENDING, reason="turn", held=True))
    room.recorder.record()
    assert [(row.tries, row.next_at) for row in room.messages.everything()] == [(0, 130.0), (0, 100.0)]
    assert room.tries.done_handlers([one.id, other.id]) == {one.id: {"archive": (True, 0)}}
    assert room.backoff.asked == []


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


def test_junk_in_the_junk_folder_stays_and_a_dead_letter_does_not(room: Room) -> None:
    junk = NewMessage("j" * 26, Place("Junk Email", 7, 1), 10, 5.0, Verdict(MailPath.JUNK))
    failed = NewMessage("f" * 26, Place("Junk Email", 7, 2), 10, 5.0, Verdict(MailPath.JUNK))
    flagged = NewMessage("g" * 26, Place("INBOX", 14, 3), 10, 5.0, Verdict(MailPath.JUNK))
    rows = room.messages.add([junk, failed, flagged], 1.0)
    handled = NewMessage("h" * 26, Place("Processed", 9, 1), 10, 5.0, Verdict(MailPath.CLEAN))
    (there,) = room.messages.add([handled], 1.0)
    room.recorder.add([Finished(there, HANDLED)])
    outcomes = [Outcome(State.JUNK), Outcome(State.FAILED, reason="junk:Reject"), Outcome(State.JUNK)]
    room.recorder.add(Finished(row, outcome) for row, outcome in zip(rows, outcomes, strict=True))
    moves = {item.id: item.target for item in room.recorder.record().settlements}
    assert moves == {rows[1].id: "Failed", rows[2].id: "Junk Email"}
    assert [row.settled for row in room.messages.everything()] == [True, False, False, True]
