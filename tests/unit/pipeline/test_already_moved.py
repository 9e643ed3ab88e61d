"""Which messages lie in their targets already: our own copies, and none that only look like them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.mailbox import INBOX, PROCESSED, Mail, mail
from tests.unit.pipeline.fetching import REPORTS, Bench
from worker.journal.records import Place, Record
from worker.pipeline.already_moved import AlreadyMoved
from worker.pipeline.settlement import Settlement
from worker.pipeline.whereabouts import Whereabouts


class Moves(Bench):
    """Knows what was moved already, on a server with MOVE."""

    def __init__(self) -> None:
        super().__init__()
        where = Whereabouts(self.messages, self.places, self.fingerprints)
        self.already = AlreadyMoved(self.messages, where, self.fingerprints)
        self.any_session: Any = self.session

    def done(self, target: str = PROCESSED, **quirks: Any) -> tuple[Mail, Record]:
        one, record = self.add(**quirks)
        return one, replace(record, settle_to=target)

    def at(self, uid: int, folder: str = PROCESSED) -> Place:
        return Place(folder, self.server.folders[folder].uidvalidity, uid)

    def arrived(self, *records: Record) -> dict[int, Place]:
        return self.already.arrived(self.any_session, records)

    def copies(self, *records: Record) -> dict[int, Place]:
        self.session.select(INBOX)
        items = [Settlement(record.id, record.fingerprint, record.place, PROCESSED) for record in records]
        places = self.already.copies(self.any_session, items, INBOX, PROCESSED)
        assert self.session.selected == INBOX
        return places


@pytest.fixture
def moves() -> Moves:
    """Knows what was moved already, on a server with MOVE."""
    return Moves()


def test_what_was_moved_lies_in_its_target(moves: Moves) -> None:
    (one, moved), (_, stays), (other, there) = moves.done(), moves.done(), moves.done(REPORTS)
    moves.server.move(one, PROCESSED)
    moves.server.move(other, REPORTS)
    assert moves.arrived(moved, stays, there) == {moved.id: moves.at(1), there.id: moves.at(1, REPORTS)}


def test_without_move_a_copy_says_nothing_of_its_original(moves: Moves) -> None:
    one, moved = moves.done()
    moves.server.move(one, PROCESSED)
    moves.server.capabilities = frozenset({"UIDPLUS"})
    assert moves.arrived(moved) == {}


@pytest.mark.parametrize("other", [{"size": 301}, {"received_at": 2.0}])
def test_mail_of_another_size_or_date_is_another_message(moves: Moves, other: dict[str, Any]) -> None:
    given: dict[str, Any] = {"size": 300, "received_at": 1.0}
    one, moved = moves.done(**given)
    moves.server.deliver(one.raw, PROCESSED, **(given | other))
    moves.server.deliver(mail(), PROCESSED, **given)
    assert moves.arrived(moved) == {}
    assert moves.copies(moved) == {}


def test_two_that_are_alike_lie_in_two_places(moves: Moves) -> None:
    raw = mail()
    records = [replace(moves.add(raw)[1], settle_to=PROCESSED) for _ in range(3)]
    for _ in range(2):
        moves.server.deliver(raw, PROCESSED)
    assert moves.arrived(*records) == {records[0].id: moves.at(1), records[1].id: moves.at(2)}
    assert moves.copies(*records) == {records[0].id: moves.at(1), records[1].id: moves.at(2)}


def test_what_belongs_to_a_row_is_no_copy_of_another(moves: Moves) -> None:
    raw = mail()
    _, record = moves.add(raw)
    moves.add(raw, folder=PROCESSED)
    assert moves.arrived(replace(record, settle_to=PROCESSED)) == {}
    _, unplaced = moves.add(raw, folder=PROCESSED)
    moves.places.misplaced([unplaced.id])
    assert moves.arrived(replace(record, settle_to=PROCESSED)) == {}


def test_what_stays_where_it_lies_or_whose_target_is_gone_has_not_arrived(moves: Moves) -> None:
    (one, stays), (two, moved) = moves.done(INBOX), moves.done()
    gone = replace(moves.add()[1], settle_to="No such folder")
    unsettled = moves.add()[1]
    moves.server.copy(one, INBOX)
    moves.server.move(two, PROCESSED)
    assert moves.arrived(stays, gone, unsettled, moved) == {moved.id: moves.at(1)}


def test_a_copy_is_known_by_its_whole_header(moves: Moves) -> None:
    (one, copied), (_, alone) = moves.add(), moves.add()
    moves.server.deliver(one.raw.replace(b"Subject: ", b"X-Other: 1\r\nSubject: "), PROCESSED, size=len(one.raw))
    assert moves.copies(copied) == {}
    moves.server.copy(one, PROCESSED)
    assert moves.copies(copied, alone) == {copied.id: moves.at(2)}


def test_without_originals_nothing_is_asked(moves: Moves) -> None:
    moves.session.select(INBOX)
    moves.commands.clear()
    assert moves.already.copies(moves.any_session, [], INBOX, PROCESSED) == {}
    assert moves.commands == []


def test_of_an_original_that_is_not_there_any_more_there_is_no_copy(moves: Moves) -> None:
    """Its copy may be anybody's."""
    one, record = moves.add()
    moves.server.copy(one, PROCESSED)
    moves.server.delete(one)
    moves.add()
    assert moves.copies(record, replace(record, place=replace(record.place, uid=None))) == {}
