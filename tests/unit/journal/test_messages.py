"""The account of messages, row by row."""

from dataclasses import replace
from pathlib import Path as FilePath

import pytest
from sqlalchemy import select

from worker.journal.database import Database, JournalUnavailable
from worker.journal.glance import Newest, newest
from worker.journal.messages import Messages
from worker.journal.records import DELETED, SUSPECT, Looked, NewMessage, Place, Record, Result
from worker.journal.schema import delivery, known_sender, metadata
from worker.message.outcome import State
from worker.message.verdict import Evidence, Path, Verdict

CLEAN = Verdict(Path.CLEAN)
JUNK = Verdict(Path.JUNK, (Evidence("exchange", "X-Forefront-Antispam-Report", "SFV:SPM", "spam", True),))


@pytest.fixture
def messages() -> Messages:
    database = Database("sqlite://")
    metadata.create_all(database._engine)
    return Messages(database)


def new(mark: str = "a" * 26, uid: int = 1, *, folder: str = "INBOX", verdict: Verdict = CLEAN) -> NewMessage:
    return NewMessage(mark, Place(folder, 14, uid), 100, 5.0, verdict)


def only(messages: Messages) -> Record:
    (record,) = messages.everything()
    return record


def test_what_is_entered_is_read_again(messages: Messages) -> None:
    (added,) = messages.add([new(verdict=JUNK)], 10.0)
    assert added == only(messages)
    assert (added.key, added.state, added.verdict, added.first_seen_at) == ("a" * 26, State.PENDING, JUNK, 10.0)
    assert messages.in_folder("INBOX") == [added]
    assert messages.in_folder("Processed") == []
    assert messages.add([], 10.0) == []


def test_look_alikes_are_numbered_in_and_over_batches(messages: Messages) -> None:
    first = messages.add([new(uid=1), new("b" * 26, 2), new(uid=3)], 1.0)
    second = messages.add([new(uid=4)], 1.0)
    a = "a" * 26
    assert [record.key for record in first + second] == [a, "b" * 26, f"{a}-2", f"{a}-3"]
    assert [record.key for record in messages.with_fingerprints([a, a, "c"])[a]] == [a, f"{a}-2", f"{a}-3"]


def test_a_key_is_not_given_again_when_a_look_alikes_row_is_compacted(messages: Messages) -> None:
    rows = messages.add([new(uid=1), new(uid=2), new(uid=3)], 1.0)
    messages.record([Result(rows[1].id, State.HANDLED)], 2.0)
    assert messages.compact([rows[1].id], missed=0) == 1
    (again,) = messages.add([new(uid=4)], 1.0)
    assert again.key == f"{'a' * 26}-4"


def test_a_key_is_not_given_again_to_what_looks_as_another_did_at_first(messages: Messages) -> None:
    a, b = "a" * 26, "b" * 26
    shown = messages.add([new(a, 1), new(a, 2)], 1.0)
    messages.known_by([replace(row, fingerprint=b, size=7) for row in shown])
    messages.known_by([])
    assert [(row.key, row.fingerprint, row.size) for row in messages.everything()] == [(a, b, 7), (f"{a}-2", b, 7)]

    added = messages.add([new(a, 3), new("c" * 26, 4), new(a, 5)], 1.0)
    assert [row.key for row in added] == [f"{a}-3", "c" * 26, f"{a}-4"]
    messages.add_settled([(new(b, 6), State.HANDLED)], 1.0)
    assert messages.everything()[-1].key == f"{b}-3"


def test_more_rows_than_one_statement_takes(messages: Messages) -> None:
    added = messages.add([new(f"{number:026}", number) for number in range(1, 1001)], 1.0)
    assert [record.place.uid for record in added] == list(range(1, 1001))
    assert len(messages.with_fingerprints(record.fingerprint for record in added)) == 1000
    messages.begin_tries([record.id for record in added], "run")
    assert len(messages.suspects()) == 1000


def test_what_is_given_back_or_marked_is_those_messages_alone(messages: Messages) -> None:
    rows = [row.id for row in messages.add([new(f"{number:026}", number) for number in range(1, 4)], 1.0)]
    messages.begin_tries(rows, "run")
    messages.give_back(rows[:1])
    messages.not_alone(rows[1:2])
    assert [record.in_hand for record in messages.everything()] == [None, SUSPECT, "run"]


def test_who_waits_is_put_off_and_nobody_else(messages: Messages) -> None:
    rows = [row.id for row in messages.add([new(f"{number:026}", number) for number in range(1, 6)], 1.0)]
    waits = [Result(row, State.PENDING, "paused", next_at=5.0) for row in rows[:3]]
    messages.record([*waits, Result(rows[3], State.FAILED, "paused"), Result(rows[4], State.PENDING, "other")], 1.0)
    messages.begin_tries(rows[2:3], "run")
    messages.postpone_all("paused", 9.0)
    assert [record.next_at for record in messages.everything()] == [9.0, 9.0, 5.0, None, None]
    messages.postpone({rows[0]: 20.0, rows[4]: 30.0})
    assert [record.next_at for record in messages.everything()] == [20.0, 9.0, 5.0, None, 30.0]


def test_a_try_is_counted_before_and_taken_back_when_it_did_not_happen(messages: Messages) -> None:
    (row,) = messages.add([new()], 1.0)
    messages.begin_tries([row.id], "run-1")
    assert (only(messages).tries, only(messages).in_hand) == (1, "run-1")
    messages.put_back([row.id])
    assert (only(messages).tries, only(messages).in_hand) == (0, None)


def test_a_death_counts_only_alone_and_its_message_stays_suspect(messages: Messages) -> None:
    alone, beside = messages.add([new(uid=1), new(uid=2)], 1.0)
    messages.begin_tries([alone.id, beside.id], "run-1")
    messages.died_with(alone, alone=True)
    messages.died_with(beside, alone=False)
    assert [(record.deaths, record.in_hand) for record in messages.everything()] == [(1, SUSPECT), (0, SUSPECT)]
    assert len(messages.suspects()) == 2


def test_what_broke_at_its_fetch_was_not_tried_and_is_suspect(messages: Messages) -> None:
    broken, beside = messages.add([new(uid=1), new(uid=2)], 1.0)
    messages.begin_tries([broken.id, beside.id], "run-1")
    messages.suspect([broken.id])
    assert [(record.tries, record.in_hand) for record in messages.everything()] == [(0, SUSPECT), (1, "run-1")]


def test_the_time_of_the_next_try_decides_what_is_due(messages: Messages) -> None:
    later, now = messages.add([new(uid=1), new(uid=2)], 1.0)
    assert messages.next_due_at() == 0.0
    messages.record([Result(later.id, State.PENDING, next_at=50.0)], 10.0)
    assert messages.due(49.9, longest=0.2) == [now]
    assert [record.id for record in messages.due(50.0, longest=0.2)] == [later.id, now.id]
    assert [record.id for record in messages.due(49.9, longest=0.05)] == [later.id, now.id], "no wait is that long"
    messages.record([Result(now.id, State.HANDLED)], 10.0)
    assert messages.next_due_at() == 50.0
    messages.record([Result(later.id, State.HANDLED)], 10.0)
    assert messages.next_due_at() is None


def test_an_outcome_is_unsettled_until_the_mailbox_shows_it(messages: Messages) -> None:
    stays, moves = messages.add([new(uid=1), new(uid=2)], 1.0)
    messages.record([Result(stays.id, State.HANDLED), Result(moves.id, State.FAILED, settle_to="Failed")], 10.0)
    assert [record.id for record in messages.unsettled()] == [moves.id]
    messages.settled([(moves.id, Place("Failed", 15, None))], 11.0)
    assert messages.unsettled() == []
    assert messages.in_folder("Failed")[0].place == Place("Failed", 15, None)
    messages.settle_again([moves.id])
    assert [record.id for record in messages.unsettled()] == [moves.id]


def test_a_retry_is_not_an_outcome(messages: Messages) -> None:
    (row,) = messages.add([new()], 1.0)
    messages.record([Result(row.id, State.PENDING, next_at=5.0, settle_to=None)], 10.0)
    assert messages.unsettled() == []
    assert messages.counts().by_state[State.PENDING] == 1


def test_handlers_that_are_done_stay_done_and_failures_are_counted(messages: Messages) -> None:
    (row,) = messages.add([new()], 1.0)
    for _ in range(2):
        failed = Result(row.id, State.PENDING, "notify:ValueError", 5.0, None, ("archive",), "notify")
        messages.record([failed], 10.0)
    assert messages.done_handlers([row.id])[row.id] == {"archive": (True, 0), "notify": (False, 2)}
    messages.record([Result(row.id, State.HANDLED, done=("notify",))], 11.0)
    assert messages.done_handlers([row.id])[row.id]["notify"] == (True, 2)


def test_what_is_done_on_one_path_is_not_done_on_the_other(messages: Messages) -> None:
    first, second = messages.add([new(uid=1), new(uid=2)], 1.0)
    messages.record([Result(first.id, State.HANDLED, done=("archive",))], 2.0)
    messages.record([Result(second.id, State.HANDLED, done=("notify",))], 2.0)
    messages.judged([(first.id, JUNK)])
    assert messages.done_handlers([first.id, second.id]) == {second.id: {"notify": (True, 0)}}
    messages.record([Result(first.id, State.JUNK, done=("quarantine",), path=Path.JUNK)], 3.0)
    assert messages.done_handlers([first.id]) == {first.id: {"quarantine": (True, 0)}}
    messages.judged([(first.id, CLEAN)])
    assert messages.done_handlers([first.id]) == {first.id: {"archive": (True, 0)}}


def test_waiting_for_content_counts_from_its_beginning_and_ends_when_content_came(messages: Messages) -> None:
    (row,) = messages.add([new()], 1.0)
    for now in (10.0, 20.0):
        messages.record([Result(row.id, State.PENDING, next_at=now, waiting=True)], now)
    assert only(messages).waiting_since == 10.0
    messages.record([Result(row.id, State.PENDING, next_at=30.0)], 30.0)
    assert only(messages).waiting_since is None


def test_gone_is_what_walks_in_a_row_missed_and_only_what_is_pending(messages: Messages) -> None:
    away, done, other = messages.add([new(uid=1), new(uid=2), new(uid=3)], 1.0)
    messages.record([Result(done.id, State.HANDLED)], 2.0)
    assert messages.missed([away.id, done.id], gone_after=2, now=3.0) == 0
    messages.found([away.id])
    assert messages.missed([away.id], gone_after=2, now=4.0) == 0
    assert messages.missed([away.id, done.id], gone_after=2, now=5.0) == 1
    assert messages.missed([], gone_after=2, now=5.0) == 0
    states = {record.id: record.state for record in messages.everything()}
    assert states == {away.id: State.GONE, done.id: State.HANDLED, other.id: State.PENDING}


def test_what_is_gone_is_done_and_in_nobodys_hand(messages: Messages) -> None:
    (row,) = messages.add([new()], 1.0)
    messages.begin_tries([row.id], "run-1")
    messages.missed([row.id], gone_after=1, now=3.0)
    assert (only(messages).in_hand, only(messages).settled) == (None, True)
    assert newest(messages._database, State.GONE, 9) == [Newest(row.key, 3.0, "taken-away")]
    assert messages.unsettled() == []


def test_what_lies_at_its_place_no_more_is_somewhere_in_its_folder(messages: Messages) -> None:
    moved, other = messages.add([new(uid=1), new(uid=2, folder="Results")], 1.0)
    looks = {name: Looked(14, 5, "mark") for name in ("INBOX", "Results")}
    messages.looked_at(looks)
    messages.misplaced([])
    messages.misplaced([moved.id])
    assert [record.place for record in messages.everything()] == [Place("INBOX", 14, None), other.place]
    assert messages.last_looks() == looks | {"INBOX": Looked(14, 5, "")}


def test_gone_mail_that_is_seen_again_is_pending_and_nothing_of_its_end_is_left(messages: Messages) -> None:
    (row,) = messages.add([new()], 1.0)
    messages.missed([row.id], gone_after=1, now=3.0)
    assert only(messages).state is State.GONE
    messages.seen_at([(row.id, Place("INBOX", 20, 7))])
    record = only(messages)
    assert (record.state, record.place, record.missed) == (State.PENDING, Place("INBOX", 20, 7), 0)
    assert (record.settled, record.reason) == (False, None)
    assert messages.unsettled() == []


def test_done_mail_that_lies_elsewhere_stays_done(messages: Messages) -> None:
    (row,) = messages.add([new()], 1.0)
    messages.record([Result(row.id, State.HANDLED, reason="as ever")], 2.0)
    messages.seen_at([(row.id, Place("INBOX", 20, 7))])
    assert only(messages).state is State.HANDLED
    assert only(messages).settled
    assert newest(messages._database, State.HANDLED, 1) == [Newest(row.key, 2.0, "as ever")]


def test_which_messages_are_on_a_path(messages: Messages) -> None:
    rows = [row.id for row in messages.add([new(uid=1), new(uid=2, verdict=JUNK), new(uid=3)], 1.0)]
    assert messages.on_path(Path.CLEAN, rows) == {rows[0], rows[2]}
    assert messages.on_path(Path.CLEAN, rows[1:]) == {rows[2]}
    assert messages.on_path(Path.JUNK, []) == set()


def test_a_new_verdict_opens_a_message_again(messages: Messages) -> None:
    (row,) = messages.add([new(verdict=JUNK)], 1.0)
    messages.reopen(row.id, verdict=CLEAN, released_at=2.0)
    messages.record([Result(row.id, State.HANDLED, next_at=50.0, settle_to="Processed")], 3.0)
    messages.settled([(row.id, Place("Processed", 3, 1))], 4.0)
    messages.judged([(row.id, JUNK)])
    record = only(messages)
    assert (record.state, record.verdict, record.released) == (State.PENDING, JUNK, False)
    assert (record.settled, record.settle_to, record.next_at) == (False, None, None)
    assert messages.unsettled() == []


def test_new_evidence_alone_opens_nothing(messages: Messages) -> None:
    row, other = messages.add([new(uid=1), new(uid=2)], 1.0)
    messages.record([Result(row.id, State.HANDLED)], 2.0)
    messages.noted([(row.id, JUNK)])
    noted, left = messages.everything()
    assert (noted.state, noted.verdict, noted.settled) == (State.HANDLED, JUNK, True)
    assert left == other


def failed_twice(messages: Messages, row: Record) -> None:
    """A dead letter, of whose two handlers one is done."""
    messages.begin_tries([row.id], "run")
    messages.record([Result(row.id, State.PENDING, "notify:OSError", 5.0, None, ("archive",), "notify")], 2.0)
    messages.record([Result(row.id, State.FAILED, "notify:OSError", None, "Failed", (), "notify")], 3.0)


def test_what_is_opened_again_begins_anew_but_for_what_is_done(messages: Messages) -> None:
    row, other = messages.add([new(uid=1), new("b" * 26, 2)], 1.0)
    messages.begin_tries([row.id, other.id], "run")
    for record in (row, other):
        failed_twice(messages, record)
    messages.settled([(record.id, Place("Failed", 3, 1)) for record in (row, other)], 4.0)
    messages.died_with(row, alone=True)
    before = messages.with_keys([other.key])

    messages.reopen(row.id)

    (opened,) = messages.with_keys([row.key])
    assert (opened.state, opened.reason, opened.deaths, opened.settle_to) == (State.PENDING, None, 0, None)
    assert (opened.settled, opened.verdict, opened.released, opened.tries) == (False, CLEAN, False, 0)
    assert opened in messages.due(0.0, longest=0.0)
    assert messages.done_handlers([row.id, other.id]) == {
        row.id: {"archive": (True, 0), "notify": (False, 0)},
        other.id: {"archive": (True, 0), "notify": (False, 2)},
    }
    assert messages.with_keys([other.key]) == before
    failed = select(delivery.c.message_id, delivery.c.reason).where(delivery.c.done_at.is_(None))
    with messages._database.read() as connection:
        reasons = {found.message_id: found.reason for found in connection.execute(failed)}
    assert reasons == {row.id: None, other.id: "notify:OSError"}


def test_a_release_is_opened_with_its_verdict_and_counts_as_one(messages: Messages) -> None:
    (row,) = messages.add([new(verdict=JUNK)], 1.0)
    messages.record([Result(row.id, State.JUNK)], 2.0)
    messages.reopen(row.id, verdict=CLEAN, released_at=9.0)
    assert (only(messages).verdict, only(messages).released, messages.counts().released) == (CLEAN, True, 1)


def test_a_sender_is_known_once_his_mail_was_handled_as_clean(messages: Messages) -> None:
    def by(sender: str, uid: int, verdict: Verdict = CLEAN) -> NewMessage:
        return replace(new(sender * 26, uid, verdict=verdict), sender=sender)

    rows = messages.add([by("a", 1), by("b", 2), by("c", 3, JUNK), by("d", 4)], 1.0)
    messages.record([Result(row.id, State.HANDLED) for row in rows[:3]], 2.0)
    messages.record([Result(rows[3].id, State.FAILED)], 2.0)
    with messages._database.read() as connection:
        known = connection.execute(select(known_sender.c.sender, known_sender.c.since)).all()
    assert sorted(map(tuple, known)) == [("a", 2.0), ("b", 2.0)]


def test_headers_that_are_waited_for_are_told_apart_by_folder_and_number(messages: Messages) -> None:
    messages.await_headers("INBOX", {(14, 1): 5.0, (14, 2): 6.0, (15, 1): 7.0}, [])
    messages.await_headers("Junk Email", {(14, 1): 8.0}, [])
    messages.await_headers("INBOX", {(16, 1): 9.0}, [(14, 1)])
    messages.await_headers("INBOX", {}, [])
    assert messages.headerless("INBOX") == {(14, 2): 6.0, (15, 1): 7.0, (16, 1): 9.0}
    assert messages.headerless("Junk Email") == {(14, 1): 8.0}
    messages.await_headers("INBOX", {}, [(14, 2), (15, 1)])
    assert messages.headerless("INBOX") == {(16, 1): 9.0}


def test_walks_that_miss_settled_mail_are_counted_until_one_finds_it(messages: Messages) -> None:
    here, away, other = messages.add([new(uid=1), new(uid=2), new(uid=3)], 1.0)

    def missed() -> list[int]:
        return [record.missed for record in messages.everything()]

    messages.found_or_missed([], [here.id, away.id, other.id])
    messages.found_or_missed([here.id], [away.id])
    assert missed() == [0, 2, 1]
    messages.found_or_missed([away.id], [])
    assert missed() == [0, 0, 1]
    messages.settled([(other.id, Place("Processed", 3, 1))], 2.0)
    assert missed() == [0, 0, 0]


def test_what_was_settled_before_a_time(messages: Messages) -> None:
    first, second, third = messages.add([new(uid=1), new(uid=2), new(uid=3)], 1.0)
    messages.record([Result(first.id, State.HANDLED)], 5.0)
    messages.record([Result(second.id, State.HANDLED)], 6.0)
    messages.record([Result(third.id, State.HANDLED, settle_to="Processed")], 5.0)
    assert [record.id for record in messages.settled_before(6.0)] == [first.id]


def test_what_may_be_deleted_was_handled_before_a_time_and_lies_where_we_put_it(messages: Messages) -> None:
    names = ("old", "young", "failed", "elsewhere", "deleted", "stays")
    rows = dict(zip(names, messages.add([new(uid=n) for n in range(1, 7)], 1.0), strict=True))
    for name, row in rows.items():
        state, folder = (State.FAILED, "Failed") if name == "failed" else (State.HANDLED, "Processed")
        messages.record([Result(row.id, state, settle_to=None if name == "stays" else folder)], 2.0)
        if name != "stays":
            messages.settled([(row.id, Place(folder, 3, row.id))], 9.0 if name == "young" else 5.0)
    messages.seen_at([(rows["elsewhere"].id, Place("Mine", 4, 1))])
    messages.deleted([rows["deleted"].id])

    assert [row.id for row in messages.handled_before(9.0)] == [rows["old"].id]
    (deleted,) = messages.with_keys([rows["deleted"].key])
    assert (deleted.place, deleted.reason) == (Place("Processed", 3, None), DELETED)


def test_what_is_compacted_is_forgotten_and_still_counted(messages: Messages) -> None:
    rows = messages.add([new(f"{number:026}", number) for number in range(1, 6)], 1.0)
    done, failed = State.HANDLED, State.FAILED
    ends = [done, done, failed, done, failed]
    messages.record([Result(row.id, end, done=("archive",)) for row, end in zip(rows, ends, strict=True)], 2.0)
    settled = messages.everything()

    ids = [row.id for row in settled]
    messages.found_or_missed([], ids[:4])
    assert messages.compact([], missed=1) == 0
    assert messages.compact(ids[:3], missed=1) == 3
    assert messages.compact(ids[3:], missed=1) == 1, "the last wasn't missed"

    assert messages.compacted() == {done: 3, failed: 1}
    assert messages.everything() == settled[4:]
    assert list(messages.done_handlers([row.id for row in rows])) == [rows[4].id]


def test_what_was_opened_again_is_not_compacted(messages: Messages) -> None:
    opened, done = messages.add([new(uid=1), new(uid=2)], 1.0)
    messages.record([Result(opened.id, State.FAILED), Result(done.id, State.FAILED)], 2.0)
    messages.found_or_missed([], [opened.id, done.id])
    messages.reopen(opened.id)
    assert messages.compact([opened.id, done.id], missed=1) == 1
    assert only(messages).id == opened.id


def test_more_rows_are_compacted_than_one_statement_takes(messages: Messages) -> None:
    rows = messages.add([new(f"{number:026}", number) for number in range(1, 502)], 1.0)
    messages.record([Result(row.id, State.HANDLED) for row in rows], 2.0)
    ids = [row.id for row in rows]
    messages.found_or_missed([], ids)
    assert messages.compact(ids, missed=1) == 501
    assert messages.everything() == []
    assert messages.compacted() == {State.HANDLED: 501}


def test_what_is_rebuilt_is_never_pending(tmp_path: FilePath) -> None:
    database = Database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    metadata.create_all(database._engine)
    messages, beside = Messages(database), Messages(Database(database.url))
    pending: list[int] = []

    def fence(_connection: object) -> None:
        pending.append(beside.counts().by_state[State.PENDING])

    messages.fenced_by(fence)
    found = [(new(uid=1), State.HANDLED), (new(uid=2), State.FAILED), (new("b" * 26, 3), State.JUNK)]
    messages.add_settled([], 5.0)
    messages.add_settled(found, 5.0)
    assert pending == [0], "one transaction, and nothing before it"
    records = messages.everything()
    assert [record.key for record in records] == ["a" * 26, f"{'a' * 26}-2", "b" * 26]
    assert [record.state for record in records] == [State.HANDLED, State.FAILED, State.JUNK]
    assert all(record.settled and record.reason == "rebuilt" for record in records)
    assert [item.at for item in newest(database, State.HANDLED, 9)] == [5.0]
    assert not messages.unsettled()
    beside._database.close()
    database.close()


def test_the_messages_in_a_state_since_a_time_the_newest_first(messages: Messages) -> None:
    times = [30.0, 10.0, 20.0, 20.0, 40.0]
    rows = messages.add([replace(new(uid=n), received_at=at) for n, at in enumerate(times, 1)], 1.0)
    messages.record([Result(rows[4].id, State.HANDLED)], 2.0)
    assert [row.id for row in messages.in_state(State.PENDING)] == [rows[n].id for n in (0, 3, 2, 1)]
    assert [row.id for row in messages.in_state(State.PENDING, since=20.0)] == [rows[n].id for n in (0, 3, 2)]


def test_what_each_sender_waits_for_in_the_order_of_its_arrival(messages: Messages) -> None:
    times = [30.0, 10.0, 20.0, 20.0, 5.0, 5.0, 5.0]
    senders = ["a", "a", "a", "b", "a", "a", None]
    given = [new(uid=n, verdict=JUNK if n == 5 else CLEAN) for n in range(1, 8)]
    rows = messages.add(
        [replace(one, received_at=at, sender=by) for one, at, by in zip(given, times, senders, strict=True)], 1.0
    )
    messages.record([Result(rows[5].id, State.HANDLED), Result(rows[1].id, State.PENDING, next_at=50.0)], 2.0)
    assert messages.pending_by_sender() == {
        "a": [(rows[1].id, rows[1].key, 50.0), (rows[2].id, rows[2].key, None), (rows[0].id, rows[0].key, None)],
        "b": [(rows[3].id, rows[3].key, None)],
    }


def test_counts(messages: Messages) -> None:
    first, second, third = messages.add([new(uid=1), new(uid=2), new(uid=3)], 6.0)
    messages.add([new(uid=4)], 7.0)
    messages.add([new(uid=5)], 8.0)
    ends = {first.id: State.HANDLED, second.id: State.HANDLED, third.id: State.FAILED}
    messages.record([Result(row, state) for row, state in ends.items()], 8.0)
    messages.compact([first.id, third.id], missed=0)
    counts = messages.counts()
    assert counts.by_state == {
        State.PENDING: 2,
        State.HANDLED: 2,
        State.FAILED: 1,
        State.JUNK: 0,
        State.GONE: 0,
    }
    assert (counts.released, counts.oldest_pending_at) == (0, 7.0)


def test_the_last_look_at_each_folder(messages: Messages) -> None:
    messages.looked_at({"INBOX": Looked(14, 5, "a"), "Junk Email": Looked(15, 1, "b")})
    messages.looked_at({"INBOX": Looked(14, 9, "c")})
    messages.looked_at({})
    assert messages.last_looks() == {"INBOX": Looked(14, 9, "c"), "Junk Email": Looked(15, 1, "b")}


def test_a_batch_of_outcomes_is_recorded_whole_or_not_at_all(tmp_path: FilePath) -> None:
    database = Database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    metadata.create_all(database._engine)
    messages = Messages(database)
    rows = messages.add([new(f"{number:026}", number) for number in range(1, 51)], 1.0)
    with database._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    database.close()
    fill(database, int(str(pages)) + 1)
    results = [Result(row.id, State.HANDLED, "x" * 500, done=("archive" * 50,)) for row in rows]
    with pytest.raises(JournalUnavailable, match="full"):
        messages.record(results, 2.0)
    assert {record.state for record in messages.everything()} == {State.PENDING}
    fill(database, 1_000_000)
    messages.record(results, 3.0)
    assert {record.state for record in messages.everything()} == {State.HANDLED}
    database.close()


def fill(database: Database, pages: int) -> None:
    """A disk with room for so many pages."""
    from sqlalchemy import event

    database.close()

    @event.listens_for(database._engine, "connect")
    def limit(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined] # sqlite3's connection
