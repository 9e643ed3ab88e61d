"""Where messages are found again, by themselves: by header first by size and date, and which of them aren't there."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.fakes.checks import Logged, fields
from tests.fakes.mailbox import INBOX, mail
from tests.unit.pipeline.fetching import REPORTS, Bench
from worker.journal.records import Place, Record, Result
from worker.mailbox.errors import CommandRefused, FolderRefused
from worker.mailbox.session import FolderState
from worker.message.outcome import State
from worker.pipeline.whereabouts import Look, Whereabouts, list_uids

MARK = "parts:0123"


class Search(Bench):
    """Whereabouts with a journal and a mailbox."""

    def __init__(self) -> None:
        super().__init__()
        self.where = Whereabouts(self.messages, self.places, self.fingerprints)
        self.any_session: Any = self.session

    def unplaced(self, *records: Record) -> list[Record]:
        """Their UIDs are forgotten."""
        self.places.misplaced([record.id for record in records])
        return [self.row(record) for record in records]

    def find_again(self, records: list[Record], folder: str = REPORTS) -> dict[int, Place]:
        state = self.session.select(folder)
        return self.where.find_again(self.any_session, folder, state, records)

    def at(self, uid: int, folder: str = REPORTS) -> Place:
        return Place(folder, self.server.folders[folder].uidvalidity, uid)

    def look(self, folder: str = INBOX) -> Look:
        box = self.server.folders[folder]
        return Look(folder, box.state, frozenset(box.mails), (), (), ())


@pytest.fixture
def search() -> Search:
    """Whereabouts with a journal and a mailbox."""
    return Search()


def test_strangers_are_what_no_row_places_there(search: Search) -> None:
    raw = mail()
    _, known = search.add(raw, folder=REPORTS)
    search.server.deliver(raw, REPORTS)
    search.server.deliver(raw, REPORTS)
    search.server.deliver(mail(), INBOX)
    state = search.session.select(REPORTS)
    assert search.where.strangers(search.any_session, REPORTS, state) == {known.fingerprint: [2, 3]}


def test_what_search_misses_is_a_stranger_too_and_told_of_with_its_folder(search: Search, logged: Logged) -> None:
    search.server.deliver(mail(), REPORTS, unsearched=True)
    state = search.session.select(REPORTS)
    assert list(search.where.strangers(search.any_session, REPORTS, state).values()) == [[1]]
    assert fields(logged, "mailbox.search_incomplete") == [{"folder": REPORTS, "count": 1}]


def test_a_message_is_found_by_its_header_and_the_journal_told(search: Search) -> None:
    (_, one), (_, other), (gone, away) = (search.add(folder=REPORTS) for _ in range(3))
    records = search.unplaced(one, other, away)
    search.server.delete(gone)
    assert search.find_again(records) == {one.id: search.at(1), other.id: search.at(2)}
    assert [search.row(record).place.uid for record in (one, other, away)] == [1, 2, None]


def test_of_messages_with_one_header_each_is_found_by_its_size_and_date_first(search: Search) -> None:
    raw = mail()
    _, one = search.add(raw, folder=REPORTS, size=300, received_at=1.0)
    _, other = search.add(raw, folder=REPORTS, size=300, received_at=2.0)
    _, third = search.add(raw, folder=REPORTS, size=500, received_at=2.0)
    records = search.unplaced(third, one, other)
    assert search.find_again(records) == {third.id: search.at(3), one.id: search.at(1), other.id: search.at(2)}


def test_a_message_whose_size_is_another_now_takes_what_is_left(search: Search) -> None:
    raw = mail()
    _, exact = search.add(raw, folder=REPORTS, size=300)
    here, estimated = search.add(raw, folder=REPORTS, size=500)
    records = search.unplaced(estimated, exact)
    here.size = 501
    assert search.find_again(records) == {exact.id: search.at(1), estimated.id: search.at(2)}


def test_a_message_that_we_have_just_moved_there_is_not_taken_for_its_look_alike(search: Search) -> None:
    """The journal doesn't know yet that it was moved."""
    raw = mail()
    arrived, moving = search.add(raw)
    search.tries.record([Result(moving.id, State.HANDLED, settle_to=REPORTS)], 1.0)
    search.server.move(arrived, REPORTS)
    _, before = search.add(raw, folder=REPORTS, size=7)
    (unplaced,) = search.unplaced(before)
    assert search.find_again([unplaced]) == {before.id: search.at(2)}
    search.server.folders[REPORTS].take(2)
    (unplaced,) = search.unplaced(before)
    assert search.find_again([unplaced]) == {}


def test_a_message_is_not_taken_for_a_look_alike_whose_uid_is_not_known_either(search: Search) -> None:
    raw = mail()
    (_, stays), (taken, sought) = (search.add(raw, folder=REPORTS, size=size) for size in (300, 301))
    for record in (stays, sought):
        search.tries.record([Result(record.id, State.HANDLED, settle_to=REPORTS, in_place=True)], 1.0)
    search.unplaced(stays, sought)
    search.server.delete(taken)
    assert search.find_again([search.row(sought)]) == {}
    assert search.find_again([search.row(stays)]) == {stays.id: search.at(1)}


def test_a_lost_message_is_found_only_where_there_is_one_for_every_row(search: Search) -> None:
    raw = mail()
    first, one = search.add(raw, folder=REPORTS, size=300, received_at=1.0)
    search.add(raw, folder=REPORTS, size=300, received_at=1.0)
    _, other = search.messages.everything()
    for row in (one, other):
        search.tries.record([Result(row.id, State.HANDLED, content=f"{MARK}{row.id}")], 2.0)
    search.places.lost([one.id, other.id])
    records = [search.row(one), search.row(other)]
    assert all(record.is_lost for record in records)
    search.server.delete(first)
    assert search.find_again(records) == {}
    search.server.deliver(raw, REPORTS, size=300, received_at=1.0)
    assert search.find_again(records) == {one.id: search.at(2), other.id: search.at(3)}


def test_a_message_that_is_lost_from_another_folder_is_not_found_by_its_header(search: Search) -> None:
    raw = mail()
    _, one = search.add(raw)
    search.tries.record([Result(one.id, State.HANDLED, content=MARK)], 2.0)
    search.places.lost([one.id])
    search.server.deliver(raw, REPORTS, received_at=one.received_at, size=one.size)
    assert search.find_again([search.row(one)]) == {}


def test_what_is_sought_in_vain_is_returned(search: Search) -> None:
    (_, one), (gone, away) = (search.add(folder=REPORTS) for _ in range(2))
    records = search.unplaced(one, away)
    search.server.delete(gone)
    assert search.where.seek(search.any_session, REPORTS, records) == [records[1]]
    assert search.where.seek(search.any_session, "No such folder", records) == records
    search.server.closed[REPORTS] = FolderRefused
    assert search.where.seek(search.any_session, REPORTS, records) is None


def test_what_we_deleted_ourselves_is_like_nothing(search: Search) -> None:
    raw = mail()
    (_, one), (_, deleted), (_, other) = search.add(raw), search.add(raw), search.add()
    search.tries.record([Result(deleted.id, State.HANDLED, "deleted")], 2.0)
    assert [record.id for record in search.where.alike([one.fingerprint])] == [one.id]
    assert {record.id for record in search.where.alike([one.fingerprint, other.fingerprint])} == {one.id, other.id}


def test_lost_is_what_is_neither_where_a_look_saw_it_nor_where_the_server_shows_it_now(search: Search) -> None:
    (_, here), (_, gone_state), (moved, away), (_, reported), (taken, missing) = (
        search.add(),
        search.add(),
        search.add(),
        search.add(folder=REPORTS),
        search.add(folder=REPORTS),
    )
    search.tries.record([Result(gone_state.id, State.GONE)], 2.0)
    search.server.delete(moved)
    search.server.delete(taken)
    look = search.look()
    search.session.select(INBOX)
    records = [here, search.row(gone_state), away, reported, missing]
    lost = search.where.lost(search.any_session, look, records, {INBOX: look})
    assert lost == {record.fingerprint: [record] for record in (search.row(gone_state), away, missing)}
    assert search.session.selected == INBOX


def test_what_a_look_saw_and_was_moved_since_is_lost(search: Search) -> None:
    one, record = search.add()
    look = search.look()
    search.server.delete(one)
    search.session.select(INBOX)
    assert search.where.lost(search.any_session, look, [record], {INBOX: look}) == {record.fingerprint: [record]}


def test_a_row_without_a_valid_place_is_there_if_a_stranger_is_like_it(search: Search) -> None:
    (_, one), (gone, other) = search.add(folder=REPORTS), search.add(folder=REPORTS)
    records = search.unplaced(one, other)
    stale = replace(records[0], place=Place(REPORTS, 99, 1))
    search.server.delete(gone)
    look = search.look()
    assert search.where.lost(search.any_session, look, [stale, records[1]], {INBOX: look}) == {
        other.fingerprint: [records[1]]
    }


def test_of_a_folder_that_is_gone_everything_is_lost(search: Search) -> None:
    _, one = search.add(folder=REPORTS)
    del search.server.folders[REPORTS]
    look = search.look()
    assert search.where.lost(search.any_session, look, [one], {INBOX: look}) == {one.fingerprint: [one]}
    assert search.session.selected == INBOX


def test_of_a_folder_that_is_not_opened_now_only_what_can_be_compared_may_be_lost(search: Search) -> None:
    one, tried, done = (search.add(folder=REPORTS)[1] for _ in range(3))
    search.tries.record([Result(tried.id, State.PENDING, content=MARK), Result(done.id, State.HANDLED)], 1.0)
    records = [search.row(record) for record in (one, tried, done)]
    look = search.look()

    def refuse(_name: str) -> None:
        search.server.before = lambda _name: None
        raise CommandRefused("no")

    search.server.before = refuse
    lost = search.where.lost(search.any_session, look, records, {INBOX: look})
    assert lost == {record.fingerprint: [record] for record in records[1:]}
    assert search.session.selected == INBOX


class Lists:
    """Answers a search with fewer messages than there are, or with all."""

    def __init__(self, found: set[int], listed: set[int]) -> None:
        self._found, self._listed = found, listed
        self.asked: list[tuple[str, int | None, date | None]] = []

    def search(self, *, uidnext: int, since: date | None = None) -> set[int]:
        self.asked.append(("search", uidnext, since))
        return self._found if since is None else self._found - {1}

    def fetch_uids(self, *, since: date | None = None) -> set[int]:
        self.asked.append(("fetch", None, since))
        return self._listed if since is None else self._listed - {1}


DAY = date(2024, 1, 1)


@pytest.mark.parametrize(
    ("found", "since", "uids", "asked"),
    [
        ({1, 2, 3}, None, {1, 2, 3}, [("search", 9, None)]),
        ({1, 2, 3}, DAY, {2, 3}, [("search", 9, None), ("search", 9, DAY)]),
        ({1, 2}, None, {1, 2, 3}, [("search", 9, None), ("fetch", None, None)]),
        ({1, 2}, DAY, {2, 3}, [("search", 9, None), ("fetch", None, DAY), ("search", 9, DAY)]),
    ],
)
def test_a_search_that_finds_too_few_is_made_up_for(
    found: set[int], since: date | None, uids: set[int], asked: list[Any]
) -> None:
    session: Any = Lists(found, {1, 2, 3})
    assert list_uids(session, INBOX, FolderState(5, 9, 3), since) == uids
    assert session.asked == asked


def test_an_empty_folder_is_not_searched() -> None:
    session: Any = Lists(set(), set())
    assert list_uids(session, INBOX, FolderState(5, 9, 0)) == set()
    assert session.asked == []


@pytest.mark.parametrize(
    ("place", "holds"),
    [
        (Place(INBOX, 5, 2), True),
        (Place(INBOX, 5, 7), False),
        (Place(INBOX, 4, 2), False),
        (Place(INBOX, 5, None), False),
        (Place(REPORTS, 5, 2), False),
    ],
)
def test_a_look_holds_what_is_in_its_place_there(search: Search, place: Place, holds: bool) -> None:
    _, record = search.add()
    look = Look(INBOX, FolderState(5, 9, 1), frozenset({2}), (), (), ())
    assert look.holds(replace(record, place=place)) is holds
