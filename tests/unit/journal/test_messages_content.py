"""What the journal keeps of contents, and of messages that only their contents can show."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.journal.world import CLEAN, new, only
from worker.journal.database import Database
from worker.journal.facts import Facts
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import NewMessage, Place, Record, Result
from worker.journal.tries import Tries
from worker.message.outcome import State

HERE = Place("INBOX", 14, 9)


def recorded(
    messages: Messages, tries: Tries, state: State = State.HANDLED, *, astray: bool = False, uid: int = 1
) -> Record:
    """A message whose content was handed over."""
    (row,) = messages.add([new(uid=uid)], 1.0)
    target = "Processed" if state is State.HANDLED else None
    tries.record([Result(row.id, state, settle_to=target, content="parts:c", astray=astray)], 2.0)
    return next(record for record in messages.everything() if record.id == row.id)


def test_the_key_is_made_once_and_read_by_all(database: Database) -> None:
    assert Facts(database).known_content_key() == b""
    key = Facts(database).content_key()
    assert len(key) == 32
    assert Facts(database).content_key() == key
    assert Facts(database).known_content_key() == key


def test_several_that_make_it_at_once_have_the_same(on_file: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: Facts(on_file).content_key(), range(8)))
    assert set(made) == {Facts(on_file).known_content_key()}


def test_a_content_is_recorded_with_its_outcome_and_kept_over_tries_without_one(
    messages: Messages, tries: Tries
) -> None:
    row = recorded(messages, tries, State.PENDING)
    assert (row.content, row.doubtful) == ("parts:c", False)
    tries.record([Result(row.id, State.PENDING, "not-ready", waiting=True)], 3.0)
    assert only(messages).content == "parts:c"
    tries.record([Result(row.id, State.HANDLED, content="parts:d")], 4.0)
    assert only(messages).content == "parts:d"


def test_what_was_moved_while_it_was_in_hand_is_lost_once_it_is_done(
    messages: Messages, tries: Tries, places: Places
) -> None:
    row = recorded(messages, tries, astray=True)
    assert (row.place.uid, row.is_lost, row.settled) == (None, True, True)
    assert places.unsettled() == []
    assert [one.id for one in messages.comparable([row.fingerprint])[row.fingerprint]] == [row.id]


def test_what_was_moved_while_it_was_in_hand_and_waits_is_compared_first(messages: Messages, tries: Tries) -> None:
    row = recorded(messages, tries, State.PENDING, astray=True)
    assert (row.place.uid, row.doubtful, row.is_lost) == (1, True, False)


def test_one_that_is_found_by_its_headers_is_in_doubt_only_if_its_content_is_known(
    messages: Messages, tries: Tries, places: Places
) -> None:
    known = recorded(messages, tries)
    (unknown,) = messages.add([new("b" * 26, 2)], 1.0)
    places.seen_at([(known.id, HERE), (unknown.id, HERE)], by_headers=True)
    assert [row.doubtful for row in messages.everything()] == [True, False]
    places.misplaced([known.id, unknown.id])
    assert [(row.doubtful, row.place.uid) for row in messages.everything()] == [(False, None)] * 2
    places.lost([known.id])
    assert [row.is_lost for row in messages.everything()] == [True, False]
    places.settled([(known.id, Place("Processed", 0, None))], 5.0)
    assert messages.everything()[0].is_lost, "that we settle it doesn't show where it is"


def test_one_that_we_moved_ourselves_is_not_lost(messages: Messages, tries: Tries, places: Places) -> None:
    row = recorded(messages, tries)
    places.seen_at([(row.id, HERE)], by_headers=True)
    places.settled([(row.id, Place("Processed", 0, None))], 5.0)
    assert (only(messages).doubtful, only(messages).is_lost) == (False, False)
    places.lost([row.id])
    messages.deleted([row.id])
    assert not only(messages).is_lost, "what we deleted is nowhere"


def test_one_that_is_recognised_takes_the_place_of_the_doubtful_row(
    messages: Messages, tries: Tries, places: Places
) -> None:
    lost = recorded(messages, tries)
    places.lost([lost.id])
    (candidate,) = messages.add([NewMessage("a" * 26, HERE, 100, 5.0, CLEAN, doubtful=True)], 3.0)
    assert candidate.may_be_another
    assert candidate.key == "a" * 26 + "-2"
    messages.recognised(lost.id, HERE, instead_of=candidate.id)
    row = only(messages)
    assert (row.id, row.place, row.doubtful, row.state) == (lost.id, HERE, False, State.HANDLED)


@pytest.mark.parametrize(
    ("content", "state", "may_be"),
    [
        ("head:c", State.PENDING, True),
        ("parts:c", State.PENDING, False),
        ("head:c", State.JUNK, False),
    ],
)
def test_only_one_that_waits_and_whose_body_nobody_had_may_be_another(
    messages: Messages, tries: Tries, places: Places, content: str, state: State, *, may_be: bool
) -> None:
    (row,) = messages.add([new()], 1.0)
    tries.record([Result(row.id, state, content=content)], 2.0)
    assert not only(messages).may_be_another, "it is where it was"
    places.seen_at([(row.id, HERE)], by_headers=True)
    assert not only(messages).may_be_another, "its headers are all that we know of it"
    places.doubted([row.id])
    assert only(messages).may_be_another == may_be


def test_one_that_was_gone_is_pending_again(messages: Messages, tries: Tries, places: Places) -> None:
    row = recorded(messages, tries, State.PENDING)
    places.missed([row.id], gone_after=1, now=3.0)
    assert [one.id for one in messages.comparable([row.fingerprint])[row.fingerprint]] == [row.id]
    messages.recognised(row.id, HERE, instead_of=None)
    assert (only(messages).state, only(messages).place, only(messages).reason) == (State.PENDING, HERE, None)


def test_a_doubtful_one_that_is_another_is_due_as_before(messages: Messages, tries: Tries) -> None:
    (row,) = messages.add([NewMessage("a" * 26, HERE, 100, 5.0, CLEAN, doubtful=True)], 3.0)
    tries.begin_tries([row.id], "run", alone=False)
    tries.compared([row.id])
    found = only(messages)
    assert (found.tries, found.in_hand, found.next_at, found.doubtful) == (0, None, None, False)


def test_a_release_ends_the_doubt_about_what_no_handler_has_had(messages: Messages, tries: Tries) -> None:
    (row,) = messages.add([NewMessage("a" * 26, HERE, 100, 5.0, CLEAN, doubtful=True)], 3.0)
    messages.reopen(row.id)
    assert only(messages).doubtful
    messages.reopen(row.id, verdict=CLEAN, released_at=4.0)
    assert not only(messages).doubtful
