"""Late headers by themselves: which are asked for together or alone, which are put off, and which are given up."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.checks import Logged, fields
from tests.fakes.journal import with_tables
from worker.journal.database import Database
from worker.journal.header_reads import HeaderReads
from worker.journal.places import Places
from worker.journal.records import Place
from worker.mailbox.errors import CommandRefused, ConnectionLost, MailboxError, ProtocolFault, Throttled
from worker.mailbox.session import FolderState, Head
from worker.pipeline.header_suspects import HEADER_POISON, Batch, HeaderSuspects
from worker.pipeline.late_headers import HEADER_AGAIN, HEADER_WAIT, NO_HEADER, LateHeaders
from worker.pipeline.whereabouts import Look

FOLDER, VALIDITY, DEATHS = "Results", 14, 3


def place(uid: int, *, folder: str = FOLDER, validity: int = VALIDITY) -> Place:
    return Place(folder, validity, uid)


def look(*uids: int, folder: str = FOLDER) -> Look:
    return Look(folder, FolderState(VALIDITY, 99, len(uids)), frozenset(uids), uids, (), ())


class Session:
    """Shows headers. fails: with what a request for a header ends."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.asked: list[list[int]] = []
        self.ahead: list[tuple[int, ...]] = []
        self.reading: list[tuple[Place, ...]] = []
        self.fails: dict[int, MailboxError] = {}
        self.hides: set[int] = set()
        self.away: set[int] = set()

    def ask_heads(self, wanted: Sequence[int]) -> None:
        self.ahead.append(tuple(wanted))

    def heads(self, wanted: Iterable[int]) -> Iterator[Head]:
        uids = list(wanted)
        self.asked.append(uids)
        self.reading.append(self._places.header_reads().reading)
        for uid in uids:
            if uid in self.fails:
                raise self.fails[uid]
            if uid not in self.hides:
                yield Head(uid, 10, 5.0, frozenset(), b"From: a@lab.nhs.uk\r\n\r\n")

    def present(self, wanted: Iterable[int]) -> set[int]:
        return set(wanted) - self.away


class Desk:
    """Late headers with a journal."""

    def __init__(self) -> None:
        self.places = Places(with_tables(Database("sqlite://")))
        self.now = 1_000.0
        self.in_hand: list[int] = []
        self.suspects = HeaderSuspects(self.places, in_hand=self.in_hand, deaths=DEATHS)
        self.late = LateHeaders(self.places, self.suspects, lambda: self.now)
        self.session: Any = Session(self.places)

    def ask(self, *uids: int, kept: Sequence[int] = ()) -> list[int]:
        """Ask for these headers; returns those shown. kept: other new messages."""
        self.session.asked.clear()
        self.late.begin(look(*uids, *kept))
        return [head.uid for head in self.late.shown(self.session, look(*uids), uids)]

    def fails(self, *uids: int) -> None:
        with pytest.raises(MailboxError):
            self.ask(*uids)

    def given_up(self, seen: Look, uids: Sequence[int], unread: Sequence[int]) -> dict[int, str]:
        self.late.begin(seen)
        return self.late.given_up(self.session, seen, uids, unread)


@pytest.fixture
def desk() -> Desk:
    """Late headers with a journal."""
    return Desk()


def test_all_headers_are_asked_for_together_and_the_journal_knows_which(desk: Desk) -> None:
    assert desk.ask(1, 2, 3) == [1, 2, 3]
    assert desk.session.asked == [[1, 2, 3]]
    assert desk.session.reading == [(place(1), place(2), place(3))]
    assert desk.places.header_reads() == HeaderReads()


@pytest.mark.parametrize("error", [ConnectionLost("lost"), ProtocolFault("odd")])
def test_headers_that_may_have_ended_the_connection_are_asked_for_alone_next(desk: Desk, error: MailboxError) -> None:
    desk.session.fails = {2: error}
    desk.fails(1, 2)
    assert desk.places.header_reads().reading == ()  # the process lives
    desk.session.fails = {}
    assert desk.ask(1, 2, 3) == [3, 1, 2]
    assert desk.session.asked == [[3], [1], [2]]
    assert desk.ask(1, 2, 3) == [1, 2, 3]
    assert desk.session.asked == [[1, 2, 3]]


def test_headers_are_asked_for_ahead_unless_one_of_them_or_another_is_to_be_asked_for_alone(desk: Desk) -> None:
    desk.late.ask(desk.session, look(1, 2), (1, 2))
    assert desk.session.ahead == [(1, 2)]
    desk.session.fails = {2: ConnectionLost("lost")}
    desk.fails(1, 2)
    desk.late.ask(desk.session, look(7, 8), (7, 8))
    desk.session.hides = {1}
    desk.fails(2)
    desk.session.fails = {}
    desk.ask(1, kept=(2,))
    desk.late.ask(desk.session, look(7, 8), (7, 8))  # a request for the second alone ended the connection
    assert desk.session.ahead == [(1, 2)]


@pytest.mark.parametrize("alone", [True, False])
def test_headers_are_asked_for_ahead_again_once_the_guilty_one_is_gone_or_given_up(desk: Desk, alone: bool) -> None:
    desk.session.fails = {2: ConnectionLost("lost")}
    desk.fails(2, 3)
    if alone:
        desk.fails(2)
    desk.late.begin(look(7, 8, folder="INBOX"))
    desk.late.ask(desk.session, look(7, 8, folder="INBOX"), (7, 8))
    assert desk.session.ahead == []
    desk.late.begin(look(7, 8))
    desk.late.ask(desk.session, look(7, 8), (7, 8))
    assert desk.session.ahead == [(7, 8)]


def test_a_header_at_which_the_process_died_too_often_is_not_asked_for_ahead(desk: Desk) -> None:
    desk.places.read_headers(HeaderReads(deaths={place(4): DEATHS}))
    desk.suspects.batches(look(4, 5))
    desk.late.ask(desk.session, look(4, 5), (4, 5))
    assert desk.session.ahead == []
    desk.late.ask(desk.session, look(5), (5,))
    assert desk.session.ahead == [(5,)]


def test_an_error_that_no_header_caused_lets_them_be_asked_for_together_again(desk: Desk) -> None:
    desk.session.fails = {1: Throttled("wait", after=timedelta(minutes=5))}
    desk.fails(1, 2)
    desk.session.fails = {}
    assert desk.ask(1, 2) == [1, 2]
    assert desk.session.asked == [[1, 2]]


def test_a_header_that_ends_the_connection_even_alone_is_put_off_once_and_for_a_while(desk: Desk) -> None:
    desk.session.fails = {1: ConnectionLost("lost"), 2: ConnectionLost("lost")}
    desk.fails(1, 2)
    desk.fails(1, 2)  # the first, alone
    desk.fails(1, 2)  # the second, alone
    assert desk.session.asked == [[2]]
    assert desk.ask(1, 2, 3) == [3]
    assert desk.session.asked == [[3]]
    desk.now += HEADER_AGAIN - 1
    assert desk.ask(1, 2, 3) == [3]
    desk.now += 1
    desk.session.fails = {}
    assert desk.ask(1, 2, 3) == [3, 1, 2]
    assert desk.session.asked == [[3], [1], [2]]


def test_however_seldom_is_asked_the_next_time_is_left_out(desk: Desk) -> None:
    desk.session.fails = {1: ConnectionLost("lost")}
    desk.fails(1)
    desk.fails(1)
    desk.now += 10 * HEADER_AGAIN
    assert desk.ask(1, 2) == [2]
    desk.session.fails = {}
    desk.now += HEADER_AGAIN
    assert desk.ask(1, 2) == [2, 1]


def test_a_clock_that_was_set_back_puts_nothing_off_for_longer(desk: Desk) -> None:
    desk.session.fails = {1: ConnectionLost("lost")}
    desk.fails(1)
    desk.fails(1)
    assert desk.ask(1) == []
    desk.session.fails = {}
    desk.now -= 1.0
    assert desk.ask(1) == [1]


def test_a_header_at_which_the_process_died_too_often_is_not_asked_for(desk: Desk) -> None:
    desk.places.read_headers(HeaderReads(deaths={place(2): DEATHS, place(3): DEATHS - 1}))
    assert desk.suspects.batches(look(1, 2, 3)) == [
        Batch((3,), suspect=True),
        Batch((2,), suspect=True),
        Batch((1,), suspect=False),
    ]
    assert desk.ask(1, 2, 3) == [1, 3]
    assert desk.given_up(look(1, 2, 3), [1, 2, 3], [2]) == {2: HEADER_POISON}
    desk.session.away = {2}
    assert desk.given_up(look(1, 2, 3), [1, 2, 3], [2]) == {}


def test_a_header_that_the_server_refuses_is_only_not_shown(desk: Desk) -> None:
    desk.session.fails = {2: CommandRefused("no")}
    assert desk.ask(1, 2) == [1]


@pytest.mark.parametrize(("waited", "given_up"), [(HEADER_WAIT - 1, {}), (HEADER_WAIT, {7: NO_HEADER})])
def test_a_header_is_waited_for_from_when_it_was_missed_first(
    desk: Desk, waited: float, given_up: dict[int, str]
) -> None:
    """By whichever process."""
    assert desk.given_up(look(7, 8), [7, 8], [7]) == {}
    assert desk.places.headerless(FOLDER) == {(VALIDITY, 7): 1_000.0}
    next_one = Desk()
    next_one.places, next_one.now = desk.places, desk.now + waited
    late = LateHeaders(desk.places, next_one.suspects, lambda: next_one.now)
    late.begin(look(7, 8))
    assert late.given_up(next_one.session, look(7, 8), [7, 8], [7, 8]) == given_up
    assert desk.places.headerless(FOLDER) == {(VALIDITY, 7): 1_000.0, (VALIDITY, 8): next_one.now}


def test_a_header_that_was_shown_since_or_is_gone_is_waited_for_no_more(desk: Desk) -> None:
    desk.given_up(look(7, 8, 9), [7, 8, 9], [7, 8, 9])
    assert desk.given_up(look(7, 8), [7], []) == {}
    assert desk.places.headerless(FOLDER) == {(VALIDITY, 8): 1_000.0}


def test_among_many_new_messages_only_those_that_are_late_are_looked_for(desk: Desk) -> None:
    class Watched(tuple[int, ...]):
        """Counts how many of the messages are looked at."""

        __slots__ = ()
        seen = 0

        def __iter__(self) -> Iterator[int]:
            pytest.fail("all are gone through")

        def __contains__(self, _uid: object) -> bool:
            pytest.fail("all are gone through")

        def __getitem__(self, at: Any) -> Any:
            Watched.seen += 1
            return super().__getitem__(at)

    many = Watched(range(1, 100_001))
    seen = Look(FOLDER, FolderState(VALIDITY, 100_001, len(many)), frozenset(), many, (), ())
    assert desk.given_up(seen, range(1, 101), [7]) == {}
    assert desk.given_up(seen, range(101, 201), []) == {}
    assert Watched.seen < 40
    assert desk.places.headerless(FOLDER) == {(VALIDITY, 7): desk.now}
    desk.now += HEADER_WAIT
    assert desk.given_up(seen, range(1, 101), [7]) == {7: NO_HEADER}


def test_another_folder_waits_by_itself(desk: Desk) -> None:
    desk.given_up(look(7), [7], [7])
    desk.now += HEADER_WAIT
    assert desk.given_up(look(7, folder="INBOX"), [7], [7]) == {}
    assert desk.given_up(look(7), [7], [7]) == {7: NO_HEADER}


def test_a_wait_that_begins_in_the_future_begins_anew(desk: Desk) -> None:
    """The clock was set back."""
    desk.given_up(look(7), [7], [7])
    desk.now = 500.0
    assert desk.given_up(look(7), [7], [7]) == {}
    assert desk.places.headerless(FOLDER) == {(VALIDITY, 7): 500.0}


# -- suspects


def test_only_a_header_that_is_read_while_nothing_is_in_hand_is_alone(desk: Desk) -> None:
    for reads, in_hand, alone in (([1], [], True), ([1], [5], False), ([1, 2], [], False)):
        desk.in_hand[:] = in_hand
        desk.suspects.begin([place(uid) for uid in reads])
        assert desk.places.header_reads() == HeaderReads(tuple(place(uid) for uid in reads), alone=alone)


def test_after_a_death_each_header_of_then_is_a_suspect_and_one_alone_has_its_death_counted(desk: Desk) -> None:
    desk.places.read_headers(HeaderReads((place(4),), alone=True, deaths={place(4): 1, place(5): 2, place(6): 1}))
    batches = desk.suspects.batches(look(3, 4, 5))
    assert [(list(each.uids), each.suspect) for each in batches] == [([4], True), ([5], True), ([3], False)]
    assert desk.places.header_reads() == HeaderReads(deaths={place(4): 2, place(5): 2})  # the sixth has its row


def test_of_another_folder_nothing_is_forgotten(desk: Desk) -> None:
    there = place(4, folder="INBOX")
    desk.places.read_headers(HeaderReads((there, place(5)), alone=False))
    assert desk.suspects.batches(look(5)) == [Batch((5,), suspect=True)]
    assert desk.places.header_reads() == HeaderReads(deaths={there: 0, place(5): 0})


def test_a_header_that_was_read_is_no_suspect_any_more(desk: Desk) -> None:
    desk.places.read_headers(HeaderReads(deaths={place(4): 1, place(5): 0}))
    desk.suspects.batches(look(4, 5))
    assert desk.ask(4) == [4]
    assert desk.places.header_reads() == HeaderReads(deaths={place(5): 0})


@pytest.mark.parametrize("alone", [False, True])
def test_suspect_headers_are_told_of_once(desk: Desk, logged: Logged, alone: bool) -> None:
    reading = (place(4),) if alone else (place(4), place(5))
    desk.places.read_headers(HeaderReads(reading, alone=alone))
    for _ in range(2):
        desk.suspects.batches(look(4, 5))
    assert fields(logged, "mailbox.header_suspects") == [{"count": len(reading), "alone": int(alone)}]
    assert [line["log_level"] for line in logged("mailbox.header_suspects")] == ["warning"]


def test_a_suspect_that_has_its_row_is_forgotten_and_without_a_change_nothing_is_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.places.read_headers(HeaderReads(deaths={place(4): 1, place(6): 1}))
    desk.suspects.batches(look(4))
    assert desk.places.header_reads() == HeaderReads(deaths={place(4): 1})
    monkeypatch.setattr(desk.places, "read_headers", lambda _reads: pytest.fail("written"))
    desk.suspects.batches(look(4))


def test_deaths_of_a_header_that_is_read_again_count_on(desk: Desk) -> None:
    desk.places.read_headers(HeaderReads((place(4), place(5)), alone=False, deaths={place(4): 2}))
    desk.suspects.batches(look(4, 5))
    assert desk.places.header_reads() == HeaderReads(deaths={place(4): 2, place(5): 0})
