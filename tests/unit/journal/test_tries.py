"""Tries of messages, and their results."""

from dataclasses import replace
from pathlib import Path as FilePath

import pytest
from sqlalchemy import select

from tests.fakes.journal import with_tables
from tests.unit.journal.world import CLEAN, JUNK, new, only
from worker.journal.database import Database, JournalUnavailable
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import InHand, NewMessage, Result
from worker.journal.schema import known_sender
from worker.journal.tries import Tries
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict


def test_what_is_given_back_or_marked_is_those_messages_alone(messages: Messages, tries: Tries) -> None:
    rows = [row.id for row in messages.add([new(f"{number:026}", number) for number in range(1, 4)], 1.0)]
    tries.begin_tries(rows, "run", alone=False)
    tries.give_back(rows[:1])
    tries.not_alone(rows[1:2])
    assert [record.in_hand for record in messages.everything()] == [None, InHand.SUSPECT, "run"]


def test_who_waits_is_put_off_and_nobody_else(messages: Messages, tries: Tries) -> None:
    rows = [row.id for row in messages.add([new(f"{number:026}", number) for number in range(1, 6)], 1.0)]
    waits = [Result(row, State.PENDING, "paused", next_at=5.0) for row in rows[:3]]
    tries.record([*waits, Result(rows[3], State.FAILED, "paused"), Result(rows[4], State.PENDING, "other")], 1.0)
    tries.begin_tries(rows[2:3], "run", alone=False)
    tries.postpone_all("paused", 9.0)
    assert [record.next_at for record in messages.everything()] == [9.0, 9.0, 5.0, None, None]
    tries.postpone({rows[0]: 20.0, rows[4]: 30.0})
    assert [record.next_at for record in messages.everything()] == [20.0, 9.0, 5.0, None, 30.0]


def test_what_is_due_leaves_out_the_rows_that_it_is_told_to(messages: Messages, tries: Tries) -> None:
    rows = [row.id for row in messages.add([new(f"{number:026}", number) for number in range(1, 5)], 1.0)]
    tries.postpone({rows[1]: 10.0, rows[2]: 1000.0})
    assert [row.id for row in tries.due(5.0, longest=100.0)] == [rows[0], rows[2], rows[3]]
    assert [row.id for row in tries.due(10.0, longest=2000.0, besides=rows[:1])] == [rows[1], rows[3]]
    assert tries.due(5.0, longest=100.0, besides=rows) == []


def test_more_rows_are_left_out_than_a_statement_takes_parameters(messages: Messages, tries: Tries) -> None:
    rows = [row.id for row in messages.add([new(f"{number:026}", number) for number in range(1, 5)], 1.0)]
    tries.postpone({rows[2]: 20.0, rows[3]: 10.0})
    many = [*rows[:2], *range(1_000, 300_000)]
    assert [row.id for row in tries.due(15.0, longest=100.0, besides=many)] == [rows[3]]
    assert tries.next_due_at(besides=many) == 10.0
    assert tries.next_due_at(besides=[*many, rows[3]]) == 20.0
    assert tries.next_due_at(besides=[*many, *rows]) is None


def test_a_try_is_counted_before_and_taken_back_when_it_did_not_happen(messages: Messages, tries: Tries) -> None:
    (row,) = messages.add([new()], 1.0)
    tries.begin_tries([row.id], "run-1", alone=False)
    assert (only(messages).tries, only(messages).in_hand) == (1, "run-1")
    tries.put_back([row.id])
    assert (only(messages).tries, only(messages).in_hand) == (0, None)


def test_a_death_counts_only_alone_and_its_message_stays_suspect(messages: Messages, tries: Tries) -> None:
    alone, beside = messages.add([new(uid=1), new(uid=2)], 1.0)
    tries.begin_tries([alone.id, beside.id], "run-1", alone=False)
    tries.died_with(alone)
    tries.not_alone([beside.id])
    assert [(record.deaths, record.in_hand) for record in messages.everything()] == [
        (1, InHand.SUSPECT),
        (0, InHand.SUSPECT),
    ]
    assert len(tries.suspects()) == 2


def test_what_broke_at_its_fetch_was_not_tried_and_is_suspect(messages: Messages, tries: Tries) -> None:
    broken, beside = messages.add([new(uid=1), new(uid=2)], 1.0)
    tries.begin_tries([broken.id, beside.id], "run-1", alone=False)
    tries.suspect([broken.id])
    assert [(record.tries, record.in_hand) for record in messages.everything()] == [(0, InHand.SUSPECT), (1, "run-1")]


def test_the_time_of_the_next_try_decides_what_is_due(messages: Messages, tries: Tries) -> None:
    later, now = messages.add([new(uid=1), new(uid=2)], 1.0)
    assert tries.next_due_at() == 0.0
    tries.record([Result(later.id, State.PENDING, next_at=50.0)], 10.0)
    assert tries.due(49.9, longest=0.2) == [now]
    assert [record.id for record in tries.due(50.0, longest=0.2)] == [later.id, now.id]
    assert [record.id for record in tries.due(49.9, longest=0.05)] == [later.id, now.id], "no wait is that long"
    tries.record([Result(now.id, State.HANDLED)], 10.0)
    assert tries.next_due_at() == 50.0
    assert tries.next_due_at(besides=[later.id]) is None
    tries.record([Result(later.id, State.HANDLED)], 10.0)
    assert tries.next_due_at() is None


def test_a_retry_is_not_an_outcome(messages: Messages, tries: Tries, places: Places) -> None:
    (row,) = messages.add([new()], 1.0)
    tries.record([Result(row.id, State.PENDING, next_at=5.0, settle_to=None)], 10.0)
    assert places.unsettled() == []
    assert messages.counts().by_state[State.PENDING] == 1


def test_handlers_that_are_done_stay_done_and_failures_are_counted(messages: Messages, tries: Tries) -> None:
    (row,) = messages.add([new()], 1.0)
    for _ in range(2):
        failed = Result(row.id, State.PENDING, "notify:ValueError", 5.0, None, ("archive",), "notify")
        tries.record([failed], 10.0)
    assert tries.done_handlers([row.id])[row.id] == {"archive": (True, 0), "notify": (False, 2)}
    tries.record([Result(row.id, State.HANDLED, done=("notify",))], 11.0)
    assert tries.done_handlers([row.id])[row.id]["notify"] == (True, 2)


def test_what_is_done_on_one_path_is_not_done_on_the_other(messages: Messages, tries: Tries) -> None:
    first, second = messages.add([new(uid=1), new(uid=2)], 1.0)
    tries.record([Result(first.id, State.HANDLED, done=("archive",))], 2.0)
    tries.record([Result(second.id, State.HANDLED, done=("notify",))], 2.0)
    messages.judged([(first.id, JUNK)])
    assert tries.done_handlers([first.id, second.id]) == {second.id: {"notify": (True, 0)}}
    tries.record([Result(first.id, State.JUNK, done=("quarantine",), path=MailPath.JUNK)], 3.0)
    assert tries.done_handlers([first.id]) == {first.id: {"quarantine": (True, 0)}}
    messages.judged([(first.id, CLEAN)])
    assert tries.done_handlers([first.id]) == {first.id: {"archive": (True, 0)}}


def test_waiting_for_content_counts_from_its_beginning_and_ends_when_content_came(
    messages: Messages, tries: Tries
) -> None:
    (row,) = messages.add([new()], 1.0)
    for now in (10.0, 20.0):
        tries.record([Result(row.id, State.PENDING, next_at=now, waiting=True)], now)
    assert only(messages).waiting_since == 10.0
    tries.record([Result(row.id, State.PENDING, next_at=30.0)], 30.0)
    assert only(messages).waiting_since is None


def test_a_sender_is_known_once_his_mail_was_handled_as_clean(
    messages: Messages, tries: Tries, database: Database
) -> None:
    def by(sender: str, uid: int, verdict: Verdict = CLEAN) -> NewMessage:
        return replace(new(sender * 26, uid, verdict=verdict), sender=sender)

    rows = messages.add([by("a", 1), by("b", 2), by("c", 3, JUNK), by("d", 4)], 1.0)
    tries.record([Result(row.id, State.HANDLED) for row in rows[:3]], 2.0)
    tries.record([Result(rows[3].id, State.FAILED)], 2.0)
    with database.read() as connection:
        known = connection.execute(select(known_sender.c.sender, known_sender.c.since)).all()
    assert sorted(map(tuple, known)) == [("a", 2.0), ("b", 2.0)]


def test_a_batch_of_outcomes_is_recorded_whole_or_not_at_all(tmp_path: FilePath) -> None:
    database = with_tables(Database(f"sqlite:///{tmp_path / 'journal.sqlite'}"))
    messages, tries = Messages(database), Tries(database)
    rows = messages.add([new(f"{number:026}", number) for number in range(1, 51)], 1.0)
    with database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    database.close()
    fill(database, int(str(pages)) + 1)
    results = [Result(row.id, State.HANDLED, "x" * 500, done=("archive" * 50,)) for row in rows]
    with pytest.raises(JournalUnavailable, match="full"):
        tries.record(results, 2.0)
    assert {record.state for record in messages.everything()} == {State.PENDING}
    fill(database, 1_000_000)
    tries.record(results, 3.0)
    assert {record.state for record in messages.everything()} == {State.HANDLED}
    database.close()


def fill(database: Database, pages: int) -> None:
    """Give the disk room for this many pages."""
    from sqlalchemy import event

    with database.read() as connection:
        engine = connection.engine
    database.close()

    @event.listens_for(engine, "connect")
    def limit(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined] # sqlite3's connection


def test_those_that_are_not_done_are_counted(messages: Messages, tries: Tries) -> None:
    rows = [row.id for row in messages.add([new(f"{number:026}", number) for number in range(1, 5)], 1.0)]
    tries.record([Result(rows[0], State.HANDLED), Result(rows[1], State.PENDING, "other")], 1.0)
    assert tries.pending() == 3
