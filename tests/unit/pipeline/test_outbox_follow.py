"""The outbox by itself: what it waits for, what it hands on to be moved, and which folders are listed again."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.unit.pipeline.admissions import admitted
from tests.unit.pipeline.recording import HANDLED, LATER, Hands, Room
from worker.handling.in_hand import Finished
from worker.journal.places import Places
from worker.journal.records import Place, Record
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath
from worker.pipeline.observer import Observer
from worker.pipeline.outbox import SETTLE_AT_ONCE, Outbox
from worker.pipeline.recognition import KnownAgain
from worker.pipeline.report import Report
from worker.pipeline.settlement import Settlement
from worker.pipeline.whereabouts import Look

OTHER = Outcome(State.PENDING, reason="other-content", content="parts:0123")
NEW_PLACE = Place("Reports", 3, 4)


class Waits(Hands):
    """Gives back what a test says, and passes so much time at each wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.waits: list[float] = []
        self.takes: list[float] = []
        self.batches: list[list[Finished]] = []
        self.forgotten = 0

    def monotonic(self) -> float:
        return self.now

    def finished(self, wait: float) -> list[Finished]:
        self.waits.append(wait)
        self.now += self.takes.pop(0) if self.takes else 0.0
        batch = self.batches.pop(0) if self.batches else []
        for item in batch:
            self.pop(item.record.id, None)
        return batch

    def forget(self) -> None:
        self.forgotten += 1
        self.clear()


class Session:
    """A connection that may be in IDLE."""

    def __init__(self, *, idling: bool = False) -> None:
        self.idling = idling

    def idle_done(self) -> None:
        assert self.idling
        self.idling = False


class Bench(Room, Observer):
    """An outbox with a journal. It stands in for what the outbox asks, and notes that."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = Waits()
        self.hands = self.waiting
        self.recorder = self.recorder_of(self.hands)
        self.places = Places(self.database)
        self.listed_again: list[str] = []
        self.told_new: list[int] = []
        self.moved: list[list[Settlement]] = []
        self.moves_recorded: list[bool] = []
        self.moves_forgotten = 0
        self.moved_from: set[str] = set()
        self.unsettled: list[Settlement] = []
        self.refused_before = False
        self.suspects: set[int] = set()
        self.resumed = 0
        self.known: list[KnownAgain] = []
        self.compared: list[tuple[Record, str]] = []
        self.session: Any = Session()
        self.outbox = Outbox(
            pool=cast("Any", self.hands),
            recorder=self.recorder,
            recognition=cast("Any", self),
            settle=cast("Any", self),
            places=self.places,
            poll=cast("Any", self),
            permission=self,
            observer=self,
            clock=lambda: 100.0,
        )

    def go_on(self) -> None:
        pass

    def new(self, count: int) -> None:
        self.told_new.append(count)

    def look_again(self, folder: str) -> None:
        self.listed_again.append(folder)

    def is_suspect(self, item: Settlement) -> bool:
        return item.id in self.suspects

    def suspects_due(self, items: Sequence[Settlement]) -> list[Settlement]:
        return [item for item in items if item.id in self.suspects]

    def settle(self, _session: Any, settlements: Sequence[Settlement], *, alone: bool = False) -> set[str]:
        assert all(self.is_suspect(item) is alone for item in settlements)
        assert not self.session.idling
        self.moved.append(list(settlements))
        return self.moved_from

    def record_moves(self, *, wait: bool) -> None:
        self.moves_recorded.append(wait)

    def forget_moves(self) -> None:
        self.moves_forgotten += 1

    def ask_again(self) -> bool:
        return self.refused_before

    def resume(self, _session: Any, _looks: Sequence[Look]) -> list[Settlement]:
        self.resumed += 1
        return list(self.unsettled)

    def by_content(self, record: Record, content: str) -> KnownAgain:
        self.compared.append((record, content))
        return self.known.pop(0) if self.known else KnownAgain()

    def back(self, record: Record, outcome: Outcome = HANDLED) -> Finished:
        return Finished(record, outcome)


def settlement(record: Record, target: str = "Processed") -> Settlement:
    return Settlement(record.id, record.fingerprint, record.place, target)


@pytest.fixture
def bench() -> Bench:
    """An outbox with a journal."""
    return Bench()


# -- what is waited for


def test_without_a_wait_only_what_has_come_back_is_taken(bench: Bench) -> None:
    (one,) = bench.add(1)
    bench.waiting.batches = [[bench.back(one)], []]
    assert bench.outbox.record() == Report(outcomes=Counter([State.HANDLED]))
    bench.outbox.record(2.5)
    assert bench.waiting.waits == [0, 2.5]


@pytest.mark.parametrize("takes", [[3.0, 6.5, 0.5], [3.0, 9.0]])
def test_the_end_waits_for_what_is_in_hand_no_longer_than_its_grace(bench: Bench, takes: list[float]) -> None:
    """What has come back at the last moment is taken all the same."""
    early, late, _never = bench.add(1, 2, 3)
    bench.waiting.takes = list(takes)
    bench.waiting.batches = [[bench.back(early)], *[[] for _ in takes[1:]], [bench.back(late)]]
    report = bench.outbox.drain(10.0, bench.waiting.monotonic)
    left = [10.0, 7.0, 0.5][: len(takes)]
    assert bench.waiting.waits == [*left, 0]
    assert report == Report(outcomes=Counter([State.HANDLED, State.HANDLED]))


def test_the_end_waits_for_nothing_once_nothing_is_in_hand(bench: Bench) -> None:
    one, other = bench.add(1, 2)
    bench.waiting.batches = [[bench.back(one)], [bench.back(other)]]
    bench.outbox.drain(10.0, bench.waiting.monotonic)
    assert bench.waiting.waits == [10.0, 10.0]


# -- what is moved


def test_a_move_waits_for_a_batch_unless_everything_is_to_be_moved(bench: Bench) -> None:
    rows = bench.add(*range(1, 4))
    bench.waiting.batches = [[bench.back(row) for row in rows]]
    bench.outbox.record()
    bench.outbox.settle(bench.session, everything=False)
    assert bench.moved == []
    bench.session.idling = True
    bench.moved_from = {"INBOX", "Reports"}
    bench.outbox.settle(bench.session, everything=True)
    assert bench.moved == [[settlement(row) for row in rows]]
    assert sorted(bench.listed_again) == ["INBOX", "Reports"]
    bench.outbox.settle(bench.session, everything=True)
    assert len(bench.moved) == 1


@pytest.mark.parametrize("count", [SETTLE_AT_ONCE - 1, SETTLE_AT_ONCE])
def test_a_batch_is_moved_as_soon_as_it_is_full(bench: Bench, count: int) -> None:
    rows = bench.add(*range(1, count + 1))
    for row in rows:
        bench.waiting.batches = [[bench.back(row)]]
        bench.outbox.record()
    bench.outbox.settle(bench.session, everything=False)
    assert [len(batch) for batch in bench.moved] == ([count] if count == SETTLE_AT_ONCE else [])


def test_what_an_earlier_connection_left_is_moved_once_for_each_connection(bench: Bench) -> None:
    (one,) = bench.add(1)
    bench.unsettled = [settlement(one)]
    bench.outbox.resume(bench.session, [])
    assert bench.moved == [[settlement(one)]]
    bench.outbox.resume(bench.session, [])
    assert (bench.resumed, len(bench.moved)) == (1, 1)
    bench.outbox.connected()
    bench.outbox.resume(bench.session, [])
    assert (bench.resumed, len(bench.moved)) == (2, 2)


def test_what_the_server_refused_is_asked_for_again_on_the_same_connection(bench: Bench) -> None:
    bench.outbox.resume(bench.session, [])
    bench.refused_before = True
    bench.outbox.resume(bench.session, [])
    assert bench.resumed == 2


def test_a_new_connection_drops_what_was_to_be_moved_on_the_old_one(bench: Bench) -> None:
    (one,) = bench.add(1)
    bench.waiting.batches = [[bench.back(one)]]
    bench.outbox.record()
    bench.outbox.connected()
    bench.outbox.settle(bench.session, everything=True)
    assert bench.moved == []


def test_in_a_folder_that_was_replaced_no_place_is_known_any_more(bench: Bench) -> None:
    one, other = bench.add(1, 2)
    look: Any = Look("INBOX", cast("Any", None), frozenset(), (), (), (), {one.id: replace(one.place, uid=None)})
    bench.outbox.resume(bench.session, [look])
    assert [row.place.uid for row in bench.messages.everything()] == [None, other.place.uid]
    bench.waiting.batches = [[bench.back(one), bench.back(other)]]
    bench.outbox.record()
    bench.outbox.settle(bench.session, everything=True)
    assert [item.place for item in bench.moved[0]] == [replace(one.place, uid=None), other.place]


def test_nothing_is_moved_from_a_place_that_it_has_left(bench: Bench) -> None:
    one, other = bench.add(1, 2)
    bench.waiting.batches = [[bench.back(one), bench.back(other)]]
    bench.outbox.record()
    bench.outbox.relocated({one.id: LATER})
    bench.outbox.settle(bench.session, everything=True)
    assert bench.moved == [[settlement(other)]]


def test_a_lost_lease_leaves_nothing_to_record_or_to_move(bench: Bench) -> None:
    one, other, third = bench.add(1, 2, 3)
    bench.waiting.batches = [[bench.back(one)]]
    bench.outbox.record()
    bench.recorder.add([bench.back(other)])
    bench.outbox.abandon()
    assert bench.waiting.forgotten == 1
    assert third.id not in bench.waiting
    assert bench.outbox.record() == Report()
    bench.outbox.settle(bench.session, everything=True)
    assert bench.moved == []


# -- what admission found


def test_a_message_without_a_readable_header_is_a_dead_letter_with_its_reason(bench: Bench) -> None:
    one, other = bench.add(1, 2)
    report = bench.outbox.follow(admitted(headless=((one, "headless"), (other, "kills"))))
    assert report == Report(outcomes=Counter([State.FAILED, State.FAILED]))
    assert [(row.state, row.reason) for row in bench.messages.everything()] == [
        (State.FAILED, "headless"),
        (State.FAILED, "kills"),
    ]


def test_a_message_that_is_lost_while_in_hand_is_moved_from_nowhere(bench: Bench) -> None:
    """Its folder is listed again, so that its content is found."""
    one, other = bench.add(1, 2)
    bench.outbox.follow(admitted(lost=(one,)))
    bench.waiting.batches = [[bench.back(one, replace(HANDLED, content="parts:0123")), bench.back(other)]]
    bench.outbox.record()
    assert bench.listed_again == ["INBOX"]
    bench.outbox.settle(bench.session, everything=True)
    assert bench.moved == [[settlement(other)]]


def test_of_a_message_that_changed_its_path_in_hand_no_failure_counts(bench: Bench) -> None:
    rejudged, released, asked, beside = bench.add(1, 2, 3, 4)
    bench.outbox.follow(admitted(again=KnownAgain(rejudged=(rejudged,), released=(released,))))
    bench.outbox.rejudged(asked.id)
    failed = Outcome(State.FAILED, reason="archive:Reject")
    bench.waiting.batches = [[bench.back(row, failed) for row in (rejudged, released, asked, beside)]]
    bench.outbox.record()
    assert [row.state for row in bench.messages.everything()] == [State.PENDING] * 3 + [State.FAILED]


def test_a_message_that_somebody_moved_first_counts_as_settled_there(bench: Bench) -> None:
    stays, beside = bench.add(1, 2)
    bench.waiting.batches = [[bench.back(stays), bench.back(beside)]]
    bench.outbox.record()
    bench.outbox.follow(admitted(again=KnownAgain(places={stays.id: NEW_PLACE})))
    assert [(row.place, row.settled) for row in bench.messages.everything()] == [
        (NEW_PLACE, True),
        (beside.place, False),
    ]
    bench.outbox.settle(bench.session, everything=True)
    assert bench.moved == [[settlement(beside)]]


def test_a_message_that_is_to_be_settled_again_is_moved_from_its_new_place_beside_others(bench: Bench) -> None:
    one, beside, kept = bench.add(1, 2, 3)
    bench.waiting.batches = [[bench.back(beside)]]
    bench.outbox.record()
    done = replace(one, settle_to="Processed")
    again = KnownAgain(((done, NEW_PLACE), (kept, NEW_PLACE)), places={one.id: NEW_PLACE, kept.id: NEW_PLACE})
    bench.outbox.follow(admitted(again=again))
    bench.outbox.settle(bench.session, everything=True)
    assert bench.moved == [[settlement(beside), Settlement(one.id, one.fingerprint, NEW_PLACE, "Processed")]]
    assert not any(row.settled for row in bench.messages.everything())


@pytest.mark.parametrize("how", ["moved_back", "rejudged", "released"])
def test_a_message_that_is_open_again_does_not_count_as_settled_where_it_lies(bench: Bench, how: str) -> None:
    (one,) = bench.add(1)
    bench.waiting.batches = [[bench.back(one)]]
    bench.outbox.record()
    given: dict[str, Any] = {
        how: ((replace(one, settle_to="Processed"), NEW_PLACE),) if how == "moved_back" else (one,)
    }
    bench.outbox.follow(admitted(again=KnownAgain(**given, places={one.id: NEW_PLACE})))
    (row,) = bench.messages.everything()
    assert not row.settled
    bench.outbox.settle(bench.session, everything=True)
    assert [item.place for batch in bench.moved for item in batch] == ([NEW_PLACE] if how == "moved_back" else [])


# -- what turned out to be another message


def test_a_message_that_is_not_what_its_headers_say_is_decided_and_not_written_down(bench: Bench) -> None:
    one, other = bench.add(1, 2)
    one, other = replace(one, place=Place("Reports", 3, 1)), replace(other, place=Place("Letters", 3, 1))
    done = replace(bench.add(3)[0], settle_to="Processed")
    bench.known = [KnownAgain(((done, other.place),), places={done.id: other.place})]
    bench.waiting.batches = [[bench.back(one, OTHER)], [bench.back(other, OTHER)]]
    bench.waiting.pop(done.id)
    report = bench.outbox.drain(10.0, bench.waiting.monotonic)
    assert report == Report(compared=2, moved_back=1)
    assert sorted(bench.listed_again) == ["Letters", "Reports"]
    assert bench.compared == [(other, "parts:0123"), (one, "parts:0123")]
    assert {row.state for row in bench.messages.everything()} == {State.PENDING}
    bench.outbox.settle(bench.session, everything=True)
    assert [(item.id, item.place) for item in bench.moved[0]] == [(done.id, other.place)]


def test_what_is_compared_adds_to_what_is_written_down_in_the_same_batch(bench: Bench) -> None:
    one, two, new, done = bench.add(1, 2, 3, 4)
    bench.waiting.batches = [
        [
            bench.back(one, OTHER),
            bench.back(two, OTHER),
            bench.back(replace(new, doubtful=True), replace(HANDLED, content="parts:4567")),
            bench.back(done),
        ]
    ]
    report = bench.outbox.record()
    assert report == Report(new=1, compared=2, outcomes=Counter([State.HANDLED, State.HANDLED]))
    assert bench.told_new == [1]


def test_what_is_decided_keeps_nothing_of_the_try_that_compared_it(bench: Bench) -> None:
    """It is in hand again later, and lies where its row says then."""
    (one,) = bench.add(1)
    bench.outbox.relocated({one.id: LATER})
    bench.outbox.rejudged(one.id)
    bench.waiting.batches = [[bench.back(one, OTHER)]]
    bench.outbox.record()
    bench.waiting[one.id] = one
    bench.waiting.batches = [[bench.back(one, Outcome(State.FAILED, reason="archive:Reject"))]]
    bench.outbox.record()
    bench.outbox.settle(bench.session, everything=True)
    assert bench.moved == [[settlement(one, "Failed")]]


def test_junk_is_moved_to_the_junk_folder(bench: Bench) -> None:
    (one,) = bench.add(1, path=MailPath.JUNK)
    bench.waiting.batches = [[bench.back(one, Outcome(State.JUNK, ("quarantine",)))]]
    bench.outbox.record()
    bench.outbox.settle(bench.session, everything=True)
    assert bench.moved == [[settlement(one, "Junk Email")]]


@pytest.mark.parametrize("everything", [False, True])
def test_suspects_are_moved_one_at_a_time_and_only_when_that_is_asked_for(bench: Bench, everything: bool) -> None:
    rows = bench.add(*range(1, SETTLE_AT_ONCE + 2))
    bench.waiting.batches = [[bench.back(row) for row in rows]]
    bench.outbox.record()
    bench.suspects = {row.id for row in rows[:2]}
    bench.outbox.settle(bench.session, everything=everything)
    assert [len(batch) for batch in bench.moved] == ([SETTLE_AT_ONCE - 1] if everything else [])

    bench.moved, bench.moves_recorded, bench.moved_from = [], [], {"Reports"}
    bench.session.idling = True
    bench.outbox.settle_alone(bench.session)
    assert bench.moved == [[settlement(row)] for row in rows[:2]]
    assert bench.moves_recorded == [True]
    assert "Reports" in bench.listed_again
    bench.outbox.settle_alone(bench.session)
    assert (len(bench.moved), bench.moves_recorded) == (2, [True])


def test_a_suspect_that_lies_elsewhere_by_now_is_not_moved_from_its_old_place(bench: Bench) -> None:
    (one,) = bench.add(1)
    bench.unsettled, bench.suspects = [settlement(one)], {one.id}
    bench.outbox.resume(bench.session, [])
    bench.outbox.relocated({one.id: NEW_PLACE})
    bench.outbox.settle_alone(bench.session)
    assert bench.moved == []
