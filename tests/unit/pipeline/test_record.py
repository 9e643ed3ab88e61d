"""What is written of an outcome: its folder, the next try, and when there is none."""

from datetime import timedelta

from tests.unit.pipeline.recording import HANDLED, Room
from worker.handling.in_hand import Finished
from worker.journal.records import NewMessage, Place, Result
from worker.mailbox.folders import KEEP
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.record import Results, Targets


def test_each_outcome_has_its_folder() -> None:
    targets = Targets("Processed", "Failed", "auto")
    folders = [targets.of(state, "Junk Email") for state in (State.HANDLED, State.FAILED, State.JUNK, State.PENDING)]
    assert folders == ["Processed", "Failed", "Junk Email", None]
    assert Targets(KEEP, "Failed", "Suspicious").of(State.HANDLED, "Junk Email") is None
    assert Targets(KEEP, "Failed", "Suspicious").of(State.JUNK, "Junk Email") == "Suspicious"


def test_a_message_goes_to_the_folder_by_its_name_in_the_mailbox(room: Room) -> None:
    room.layout.found("Processed", "INBOX.Processed")
    (one,) = room.add(1)
    room.finish(one, HANDLED)
    room.recorder.record()
    assert [row.settle_to for row in room.messages.everything()] == ["INBOX.Processed"]


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


def test_what_is_held_waits_as_long_as_it_is_told_and_spends_no_try(room: Room) -> None:
    one, other = room.add(1, 2)
    room.tries.begin_tries([one.id, other.id], "run", alone=False)
    room.finish(one, Outcome(State.PENDING, ("archive",), "paused:notify", timedelta(seconds=30), held=True))
    room.finish(other, Outcome(State.PENDING, reason="turn", held=True))
    room.recorder.record()
    assert [(row.tries, row.next_at) for row in room.messages.everything()] == [(0, 130.0), (0, 100.0)]
    assert room.tries.done_handlers([one.id, other.id]) == {one.id: {"archive": (True, 0)}}
    assert room.backoff.asked == []


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


def test_a_result_names_the_route_for_those_who_listen(room: Room) -> None:
    one, other = room.add(1, 2)
    results = Results(targets=Targets("Processed", "Failed", "auto"), layout=room.layout, backoff=room.backoff)
    found = results.of(Finished(one, Outcome(State.HANDLED, ("archive",), route="pathology")), {}, 1.0)
    assert (found.route, found.state) == ("pathology", State.HANDLED)
    assert results.of(Finished(other, Outcome(State.FAILED, reason="oversize")), {}, 1.0).route is None
