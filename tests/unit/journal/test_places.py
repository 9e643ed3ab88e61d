"""Where messages lie, and what their folders were like."""

from tests.unit.journal.world import new, only
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.recent_outcomes import Newest, newest
from worker.journal.records import Looked, Place, Result
from worker.journal.tries import Tries
from worker.message.outcome import State


def test_an_outcome_is_unsettled_until_the_mailbox_shows_it(messages: Messages, tries: Tries, places: Places) -> None:
    stays, moves = messages.add([new(uid=1), new(uid=2)], 1.0)
    tries.record([Result(stays.id, State.HANDLED), Result(moves.id, State.FAILED, settle_to="Failed")], 10.0)
    assert [record.id for record in places.unsettled()] == [moves.id]
    places.settled([(moves.id, Place("Failed", 15, None))], 11.0)
    assert places.unsettled() == []
    assert messages.in_folder("Failed")[0].place == Place("Failed", 15, None)
    places.settle_again([moves.id])
    assert [record.id for record in places.unsettled()] == [moves.id]


def test_gone_is_what_walks_in_a_row_missed_and_only_what_is_pending(
    messages: Messages, tries: Tries, places: Places
) -> None:
    away, done, other = messages.add([new(uid=1), new(uid=2), new(uid=3)], 1.0)
    tries.record([Result(done.id, State.HANDLED)], 2.0)
    assert places.missed([away.id, done.id], gone_after=2, now=3.0) == 0
    places.found([away.id])
    assert places.missed([away.id], gone_after=2, now=4.0) == 0
    assert places.missed([away.id, done.id], gone_after=2, now=5.0) == 1
    assert places.missed([], gone_after=2, now=5.0) == 0
    states = {record.id: record.state for record in messages.everything()}
    assert states == {away.id: State.GONE, done.id: State.HANDLED, other.id: State.PENDING}


def test_what_is_gone_is_done_and_in_nobodys_hand(
    messages: Messages, tries: Tries, places: Places, database: Database
) -> None:
    (row,) = messages.add([new()], 1.0)
    tries.begin_tries([row.id], "run-1", alone=False)
    places.missed([row.id], gone_after=1, now=3.0)
    assert (only(messages).in_hand, only(messages).settled) == (None, True)
    assert newest(database, State.GONE, 9) == [Newest(row.key, 3.0, "taken-away")]
    assert places.unsettled() == []


def test_what_lies_at_its_place_no_more_is_somewhere_in_its_folder(messages: Messages, places: Places) -> None:
    moved, other = messages.add([new(uid=1), new(uid=2, folder="Results")], 1.0)
    looks = {name: Looked(14, 5, "mark") for name in ("INBOX", "Results")}
    places.looked_at(looks)
    places.misplaced([])
    places.misplaced([moved.id])
    assert [record.place for record in messages.everything()] == [Place("INBOX", 14, None), other.place]
    assert places.last_looks() == looks | {"INBOX": Looked(14, 5, "")}


def test_gone_mail_that_is_seen_again_is_pending_and_nothing_of_its_end_is_left(
    messages: Messages, places: Places
) -> None:
    (row,) = messages.add([new()], 1.0)
    places.missed([row.id], gone_after=1, now=3.0)
    assert only(messages).state is State.GONE
    places.seen_at([(row.id, Place("INBOX", 20, 7))])
    record = only(messages)
    assert (record.state, record.place, record.missed) == (State.PENDING, Place("INBOX", 20, 7), 0)
    assert (record.settled, record.reason) == (False, None)
    assert places.unsettled() == []


def test_done_mail_that_lies_elsewhere_stays_done(
    messages: Messages, tries: Tries, places: Places, database: Database
) -> None:
    (row,) = messages.add([new()], 1.0)
    tries.record([Result(row.id, State.HANDLED, reason="as ever")], 2.0)
    places.seen_at([(row.id, Place("INBOX", 20, 7))])
    assert only(messages).state is State.HANDLED
    assert only(messages).settled
    assert newest(database, State.HANDLED, 1) == [Newest(row.key, 2.0, "as ever")]


def test_a_number_that_no_message_can_have_is_read_as_an_unknown_one(
    messages: Messages, tries: Tries, places: Places
) -> None:
    """Earlier versions stored it when the server gave it as a moved message's."""
    (moved,) = messages.add([new(uid=1)], 1.0)
    tries.record([Result(moved.id, State.HANDLED, settle_to="Processed")], 2.0)
    places.settled([(moved.id, Place("Processed", 15, 0))], 3.0)
    assert only(messages).place == Place("Processed", 15, None)


def test_headers_that_are_waited_for_are_told_apart_by_folder_and_number(places: Places) -> None:
    places.await_headers("INBOX", {(14, 1): 5.0, (14, 2): 6.0, (15, 1): 7.0}, [])
    places.await_headers("Junk Email", {(14, 1): 8.0}, [])
    places.await_headers("INBOX", {(16, 1): 9.0}, [(14, 1)])
    places.await_headers("INBOX", {}, [])
    assert places.headerless("INBOX") == {(14, 2): 6.0, (15, 1): 7.0, (16, 1): 9.0}
    assert places.headerless("Junk Email") == {(14, 1): 8.0}
    places.await_headers("INBOX", {}, [(14, 2), (15, 1)])
    assert places.headerless("INBOX") == {(16, 1): 9.0}


def test_the_last_look_at_each_folder(places: Places) -> None:
    places.looked_at({"INBOX": Looked(14, 5, "a"), "Junk Email": Looked(15, 1, "b")})
    places.looked_at({"INBOX": Looked(14, 9, "c")})
    places.looked_at({})
    assert places.last_looks() == {"INBOX": Looked(14, 9, "c"), "Junk Email": Looked(15, 1, "b")}
