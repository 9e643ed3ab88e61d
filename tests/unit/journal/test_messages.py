"""Messages, row by row."""

import json
from dataclasses import fields, replace
from pathlib import Path as FilePath
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from tests.fakes.journal import with_tables
from tests.unit.journal.world import CLEAN, JUNK, new, only
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.recent_outcomes import newest
from worker.journal.records import NewMessage, Place, Queued, Record, Result
from worker.journal.rows import evidence_json
from worker.journal.schema import delivery, message
from worker.journal.tries import Tries
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict


def test_what_is_entered_is_read_again(messages: Messages) -> None:
    (added,) = messages.add([new(verdict=JUNK)], 10.0)
    assert added == only(messages)
    assert (added.key, added.state, added.verdict, added.first_seen_at) == ("a" * 26, State.PENDING, JUNK, 10.0)
    assert messages.in_folder("INBOX") == [added]
    assert messages.in_folder("Processed") == []
    assert messages.add([], 10.0) == []


EVIDENCE = st.builds(
    Evidence,
    st.sampled_from(["exchange", "placement"]),
    st.none() | st.text(max_size=3),
    st.text(max_size=3),
    st.text(max_size=3),
    st.booleans(),
)
NEW = st.builds(
    NewMessage,
    fingerprint=st.sampled_from(["a" * 26, "b" * 26, "c" * 26]),
    place=st.builds(Place, st.sampled_from(["INBOX", "Caf\u00e9"]), st.integers(1, 2**40), st.integers(1, 2**40)),
    size=st.integers(0, 2**53),
    received_at=st.floats(0, 1e10),
    verdict=st.builds(Verdict, st.sampled_from(MailPath), st.lists(EVIDENCE, max_size=3).map(tuple)),
    sender=st.none() | st.just("ab" * 16),
    sender_listed=st.booleans(),
    sender_confirmed=st.none() | st.booleans(),
    doubtful=st.booleans(),
    reason=st.none() | st.just("placeholder:retrieval-failed"),
)


@given(st.lists(st.lists(NEW, max_size=4), max_size=3))
def test_the_records_of_added_messages_are_those_of_their_rows(batches: list[list[NewMessage]]) -> None:
    """They are made from what was added, because reading the rows again takes longer."""
    database = with_tables(Database("sqlite://"))
    messages = Messages(database)
    added = [record for batch in batches for record in messages.add(batch, 7.5)]
    assert messages.everything() == sorted(added, key=lambda record: record.id)
    assert [type(record.received_at) for record in added] == [float] * len(added)
    with database.read() as connection:
        stored = connection.execute(text("SELECT evidence, sender_listed FROM message ORDER BY id")).all()
    pairs = zip(added, [item for batch in batches for item in batch], strict=True)
    by_id = [item for _, item in sorted(pairs, key=lambda pair: pair[0].id)]
    pieces = [[[e.source, e.header, e.value, e.reason, e.counts] for e in item.verdict.evidence] for item in by_id]
    listed = [item.sender_listed for item in by_id]
    assert [tuple(row) for row in stored] == list(zip(map(json.dumps, pieces), listed, strict=True))
    database.close()


def test_every_field_of_a_record_is_read_from_its_own_column(database: Database, messages: Messages) -> None:
    (added,) = messages.add([new(verdict=JUNK)], 1.0)
    values: dict[str, Any] = {column.name: number for number, column in enumerate(message.columns, 10)}
    values |= {"state": "failed", "path": "junk", "folder": "A", "doubtful": True, "sender_confirmed": False}
    values |= {"key": "k", "fingerprint": "f", "in_hand": "run", "settle_to": "B", "reason": "r", "sender": "s"}
    values |= {"content": "c", "only_handler": "h", "sender_listed": False, "id": added.id}
    values["evidence"] = evidence_json(JUNK)
    with database.write() as connection:
        connection.execute(update(message).values(**values))
    flags: dict[str, Any] = {"settled": True, "released": True, "state": State.FAILED}
    wrapped: dict[str, Any] = {"verdict": JUNK, "place": Place("A", values["uidvalidity"], values["uid"])}
    names = {field.name for field in fields(Record)} - flags.keys() - wrapped.keys()
    assert only(messages) == Record(**flags, **wrapped, **{name: values[name] for name in names})


def test_look_alikes_are_numbered_in_and_over_batches(messages: Messages) -> None:
    first = messages.add([new(uid=1), new("b" * 26, 2), new(uid=3)], 1.0)
    second = messages.add([new(uid=4)], 1.0)
    a = "a" * 26
    assert [record.key for record in first + second] == [a, "b" * 26, f"{a}-2", f"{a}-3"]
    assert [record.key for record in messages.with_fingerprints([a, a, "c"])[a]] == [a, f"{a}-2", f"{a}-3"]


def test_a_key_is_not_given_again_when_a_look_alikes_row_is_compacted(messages: Messages, tries: Tries) -> None:
    rows = messages.add([new(uid=1), new(uid=2), new(uid=3)], 1.0)
    tries.record([Result(rows[1].id, State.HANDLED)], 2.0)
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


def test_more_rows_than_one_statement_takes(messages: Messages, tries: Tries) -> None:
    added = messages.add([new(f"{number:026}", number) for number in range(1, 1001)], 1.0)
    assert [record.place.uid for record in added] == list(range(1, 1001))
    assert len(messages.with_fingerprints(record.fingerprint for record in added)) == 1000
    tries.begin_tries([record.id for record in added], "run", alone=False)
    assert len(tries.suspects()) == 1000


def test_which_messages_are_on_a_path(messages: Messages) -> None:
    rows = [row.id for row in messages.add([new(uid=1), new(uid=2, verdict=JUNK), new(uid=3)], 1.0)]
    assert messages.on_path(MailPath.CLEAN, rows) == {rows[0], rows[2]}
    assert messages.on_path(MailPath.CLEAN, rows[1:]) == {rows[2]}
    assert messages.on_path(MailPath.JUNK, []) == set()


def test_a_new_verdict_opens_a_message_again(messages: Messages, tries: Tries, places: Places) -> None:
    (row,) = messages.add([new(verdict=JUNK)], 1.0)
    messages.reopen(row.id, verdict=CLEAN, released_at=2.0)
    tries.record([Result(row.id, State.HANDLED, next_at=50.0, settle_to="Processed")], 3.0)
    places.settled([(row.id, Place("Processed", 3, 1))], 4.0)
    messages.judged([(row.id, JUNK)])
    record = only(messages)
    assert (record.state, record.verdict, record.released) == (State.PENDING, JUNK, False)
    assert (record.settled, record.settle_to, record.next_at) == (False, None, None)
    assert places.unsettled() == []


def test_new_evidence_alone_opens_nothing(messages: Messages, tries: Tries) -> None:
    row, other = messages.add([new(uid=1), new(uid=2)], 1.0)
    tries.record([Result(row.id, State.HANDLED)], 2.0)
    messages.noted([(row.id, JUNK)])
    noted, left = messages.everything()
    assert (noted.state, noted.verdict, noted.settled) == (State.HANDLED, JUNK, True)
    assert left == other


def failed_twice(tries: Tries, row: Record) -> None:
    """Make the message a dead letter; one of its two handlers is done."""
    tries.begin_tries([row.id], "run", alone=False)
    tries.record([Result(row.id, State.PENDING, "notify:OSError", 5.0, None, ("archive",), "notify")], 2.0)
    tries.record([Result(row.id, State.FAILED, "notify:OSError", None, "Failed", (), "notify")], 3.0)


def test_what_is_opened_again_begins_anew_but_for_what_is_done(
    messages: Messages, tries: Tries, places: Places, database: Database
) -> None:
    row, other = messages.add([new(uid=1), new("b" * 26, 2)], 1.0)
    tries.begin_tries([row.id, other.id], "run", alone=False)
    for record in (row, other):
        failed_twice(tries, record)
    places.settled([(record.id, Place("Failed", 3, 1)) for record in (row, other)], 4.0)
    tries.died_with(row)
    before = messages.with_keys([other.key])

    messages.reopen(row.id)

    (opened,) = messages.with_keys([row.key])
    assert (opened.state, opened.reason, opened.deaths, opened.settle_to) == (State.PENDING, None, 0, None)
    assert (opened.settled, opened.verdict, opened.released, opened.tries) == (False, CLEAN, False, 0)
    assert opened in tries.due(0.0, longest=0.0)
    assert tries.done_handlers([row.id, other.id]) == {
        row.id: {"archive": (True, 0), "notify": (False, 0)},
        other.id: {"archive": (True, 0), "notify": (False, 2)},
    }
    assert messages.with_keys([other.key]) == before
    failed = select(delivery.c.message_id, delivery.c.reason).where(delivery.c.done_at.is_(None))
    with database.read() as connection:
        reasons = {found.message_id: found.reason for found in connection.execute(failed)}
    assert reasons == {row.id: None, other.id: "notify:OSError at=3.000"}


def test_a_release_is_opened_with_its_verdict_and_counts_as_one(messages: Messages, tries: Tries) -> None:
    (row,) = messages.add([new(verdict=JUNK)], 1.0)
    tries.record([Result(row.id, State.JUNK)], 2.0)
    messages.reopen(row.id, verdict=CLEAN, released_at=9.0)
    assert (only(messages).verdict, only(messages).released, messages.counts().released) == (CLEAN, True, 1)


def test_walks_that_miss_settled_mail_are_counted_until_one_finds_it(messages: Messages, places: Places) -> None:
    here, away, other = messages.add([new(uid=1), new(uid=2), new(uid=3)], 1.0)

    def missed() -> list[int]:
        return [record.missed for record in messages.everything()]

    messages.found_or_missed([], [here.id, away.id, other.id])
    messages.found_or_missed([here.id], [away.id])
    assert missed() == [0, 2, 1]
    messages.found_or_missed([away.id], [])
    assert missed() == [0, 0, 1]
    places.settled([(other.id, Place("Processed", 3, 1))], 2.0)
    assert missed() == [0, 0, 0]


def test_what_was_settled_before_a_time(messages: Messages, tries: Tries) -> None:
    first, second, third = messages.add([new(uid=1), new(uid=2), new(uid=3)], 1.0)
    tries.record([Result(first.id, State.HANDLED)], 5.0)
    tries.record([Result(second.id, State.HANDLED)], 6.0)
    tries.record([Result(third.id, State.HANDLED, settle_to="Processed")], 5.0)
    assert [messages.any_settled_before(then) for then in (5.0, 6.0)] == [False, True]


def test_what_may_be_deleted_was_handled_before_a_time_and_lies_where_we_put_it(
    messages: Messages, tries: Tries, places: Places
) -> None:
    names = ("old", "young", "failed", "elsewhere", "deleted", "stays")
    rows = dict(zip(names, messages.add([new(uid=n) for n in range(1, 7)], 1.0), strict=True))
    for name, row in rows.items():
        state, folder = (State.FAILED, "Failed") if name == "failed" else (State.HANDLED, "Processed")
        tries.record([Result(row.id, state, settle_to=None if name == "stays" else folder)], 2.0)
        if name != "stays":
            places.settled([(row.id, Place(folder, 3, row.id))], 9.0 if name == "young" else 5.0)
    places.seen_at([(rows["elsewhere"].id, Place("Mine", 4, 1))])
    messages.deleted([rows["deleted"].id])

    assert [row.id for row in messages.handled_before(9.0)] == [rows["old"].id]
    (deleted,) = messages.with_keys([rows["deleted"].key])
    assert (deleted.place, deleted.reason) == (Place("Processed", 3, None), "deleted")


def test_what_is_compacted_is_forgotten_and_still_counted(messages: Messages, tries: Tries) -> None:
    rows = messages.add([new(f"{number:026}", number) for number in range(1, 6)], 1.0)
    done, failed = State.HANDLED, State.FAILED
    ends = [done, done, failed, done, failed]
    tries.record([Result(row.id, end, done=("archive",)) for row, end in zip(rows, ends, strict=True)], 2.0)
    settled = messages.everything()

    ids = [row.id for row in settled]
    messages.found_or_missed([], ids[:4])
    assert messages.compact([], missed=1) == 0
    assert messages.compact(ids[:3], missed=1) == 3
    assert messages.compact(ids[3:], missed=1) == 1, "the last wasn't missed"

    assert messages.compacted() == {done: 3, failed: 1}
    assert messages.everything() == settled[4:]
    assert list(tries.done_handlers([row.id for row in rows])) == [rows[4].id]


def test_what_was_opened_again_is_not_compacted(messages: Messages, tries: Tries) -> None:
    opened, done = messages.add([new(uid=1), new(uid=2)], 1.0)
    tries.record([Result(opened.id, State.FAILED), Result(done.id, State.FAILED)], 2.0)
    messages.found_or_missed([], [opened.id, done.id])
    messages.reopen(opened.id)
    assert messages.compact([opened.id, done.id], missed=1) == 1
    assert only(messages).id == opened.id


def test_more_rows_are_compacted_than_one_statement_takes(messages: Messages, tries: Tries) -> None:
    rows = messages.add([new(f"{number:026}", number) for number in range(1, 502)], 1.0)
    tries.record([Result(row.id, State.HANDLED) for row in rows], 2.0)
    ids = [row.id for row in rows]
    messages.found_or_missed([], ids)
    assert messages.compact(ids, missed=1) == 501
    assert messages.everything() == []
    assert messages.compacted() == {State.HANDLED: 501}


def test_what_is_rebuilt_is_never_pending(tmp_path: FilePath) -> None:
    database = with_tables(Database(f"sqlite:///{tmp_path / 'journal.sqlite'}"))
    another = Database(database.url)
    messages, beside = Messages(database), Messages(another)
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
    assert not Places(database).unsettled()
    another.close()
    database.close()


def test_the_messages_in_a_state_since_a_time_the_newest_first(messages: Messages, tries: Tries) -> None:
    times = [30.0, 10.0, 20.0, 20.0, 40.0]
    rows = messages.add([replace(new(uid=n), received_at=at) for n, at in enumerate(times, 1)], 1.0)
    tries.record([Result(rows[4].id, State.HANDLED)], 2.0)
    assert [row.id for row in messages.in_state(State.PENDING)] == [rows[n].id for n in (0, 3, 2, 1)]
    assert [row.id for row in messages.in_state(State.PENDING, since=20.0)] == [rows[n].id for n in (0, 3, 2)]


def test_what_each_sender_waits_for_in_the_order_of_its_arrival(messages: Messages, tries: Tries) -> None:
    times = [30.0, 10.0, 20.0, 20.0, 5.0, 5.0, 5.0, 8.0, 9.0]
    senders = ["a", "a", "a", "b", "a", "a", None, "a", "a"]
    confirmed = [None, None, None, None, None, None, None, True, False]
    given = [new(uid=n, verdict=JUNK if n == 5 else CLEAN) for n in range(1, 10)]
    rows = messages.add(
        [
            replace(one, received_at=at, sender=by, sender_confirmed=is_confirmed)
            for one, at, by, is_confirmed in zip(given, times, senders, confirmed, strict=True)
        ],
        1.0,
    )
    tries.record(
        [Result(rows[5].id, State.HANDLED), Result(rows[1].id, State.PENDING, next_at=50.0, waiting=True)], 2.0
    )

    def queued(number: int, next_at: float | None = None, waiting_since: float | None = None) -> Queued:
        return Queued(rows[number].id, rows[number].key, next_at, waiting_since, 1.0)

    assert messages.pending_by_sender() == {
        ("a", None): [queued(1, 50.0, 2.0), queued(2), queued(0)],
        ("b", None): [queued(3)],
        ("a", True): [queued(7)],
        ("a", False): [queued(8)],
    }


def test_counts(messages: Messages, tries: Tries) -> None:
    first, second, third = messages.add([new(uid=1), new(uid=2), new(uid=3)], 6.0)
    messages.add([new(uid=4)], 7.0)
    messages.add([new(uid=5)], 8.0)
    ends = {first.id: State.HANDLED, second.id: State.HANDLED, third.id: State.FAILED}
    tries.record([Result(row, state) for row, state in ends.items()], 8.0)
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
