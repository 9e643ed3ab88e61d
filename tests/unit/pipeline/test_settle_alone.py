"""Settling by itself: what is asked for again and when, and what a renumbered folder's messages count as."""

from typing import Any

import pytest

from tests.fakes.mailbox import INBOX, JUNK, PROCESSED, Mail
from tests.unit.pipeline.fetching import REPORTS, Bench
from worker.journal.records import Place, Record, Result
from worker.mailbox.errors import CommandRefused
from worker.mailbox.folders import Layout
from worker.message.outcome import State
from worker.pipeline.late_moves import REFUSED_WAIT
from worker.pipeline.settle import Settle
from worker.pipeline.settlement import Settlement
from worker.pipeline.whereabouts import Look, Whereabouts


class Moves(Bench):
    """A settle, and messages whose outcome is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.any_session: Any = self.session
        self.settle = Settle(
            messages=self.messages,
            places=self.places,
            whereabouts=Whereabouts(self.messages, self.places, self.fingerprints),
            fingerprints=self.fingerprints,
            layout=Layout((INBOX,), JUNK),
            clock=lambda: self.now,
        )

    def done(self, target: str = PROCESSED, folder: str = INBOX, **quirks: Any) -> tuple[Mail, Record]:
        """A message that is handled and is to go there."""
        one, record = self.add(folder=folder, **quirks)
        self.tries.record([Result(record.id, State.HANDLED, settle_to=target)], 1.0)
        return one, self.row(record)

    def look(self) -> Look:
        """What a look into the inbox shows."""
        box = self.server.folders[INBOX]
        return Look(INBOX, box.state, frozenset(box.mails), (), (), ())

    def settles(self, *records: Record) -> int:
        """How many moves the server was asked for."""
        self.commands.clear()
        self.settle.settle(self.any_session, [one for record in records if (one := Settlement.of(record))])
        self.settle.record_moves(wait=True)
        return self.commands.count("move")


@pytest.fixture
def moves() -> Moves:
    """A settle, and messages whose outcome is recorded."""
    return Moves()


def test_a_refused_move_is_asked_for_when_its_wait_is_over_and_not_before(moves: Moves) -> None:
    _, record = moves.done(nailed=True)
    assert moves.settles(record) > 0
    for seconds in (0.0, REFUSED_WAIT - 1.0):
        moves.now = 1_000.0 + seconds
        assert not moves.settle.ask_again()
        assert moves.settles(record) == 0
    moves.now = 1_000.0 + REFUSED_WAIT
    assert moves.settle.ask_again()
    assert moves.settles(record) > 0


def test_moves_that_were_refused_earlier_are_not_forgotten_for_later_ones(moves: Moves) -> None:
    records = [moves.done(target, nailed=True)[1] for target in (PROCESSED, REPORTS)]
    assert moves.settles(*records) > 0
    assert moves.settles(*records) == 0


def test_after_a_refusal_with_another_folder_selected_the_rest_is_moved_out_of_its_own(moves: Moves) -> None:
    records = [moves.done()[1] for _ in range(2)]

    def refuse(name: str) -> None:
        if name == "move":
            moves.server.before = lambda _name: None
            moves.session.select(PROCESSED)
            raise CommandRefused("no")

    moves.server.before = refuse
    moves.settles(*records)
    assert [moves.row(record).settled for record in records] == [True, True]


def test_a_refused_move_of_a_folder_that_was_renumbered_since_moves_no_other_mail(moves: Moves) -> None:
    """The answer is read when another folder has been selected meanwhile."""
    (one, record), (other, _) = moves.done(), moves.add()

    def refuse(name: str) -> None:
        if name == "move":
            moves.server.before = lambda _name: None
            raise CommandRefused("no")

    moves.server.before = refuse
    moves.settle.settle(moves.any_session, [item for item in (Settlement.of(record),) if item is not None])
    moves.session.select(JUNK)
    moves.server.renumber(INBOX)
    moves.settle.record_moves(wait=True)
    assert [moves.server.folder_of(message) for message in (one, other)] == [INBOX, INBOX]
    assert not moves.row(record).settled


def test_of_a_renumbered_folder_what_was_moved_is_settled_and_what_stays_is_looked_for(moves: Moves) -> None:
    (one, moved), (_, stays) = moves.done(), moves.done()
    moves.server.move(one, PROCESSED)
    moves.server.renumber(INBOX)
    validity = moves.server.folders[INBOX].uidvalidity

    assert moves.settle.resume(moves.any_session, [moves.look()]) == []

    processed = moves.server.folders[PROCESSED]
    assert (moves.row(moved).settled, moves.row(moved).place) == (True, Place(PROCESSED, processed.uidvalidity, 1))
    assert (moves.row(stays).settled, moves.row(stays).place) == (False, Place(INBOX, validity, None))


def test_where_the_server_doesnt_say_where_mail_went_its_place_is_unknown(moves: Moves) -> None:
    moves.server.copyuid = False
    _, record = moves.done(JUNK)
    moves.settles(record)
    assert moves.row(record).place == Place(JUNK, 0, None)
