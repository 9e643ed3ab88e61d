"""Dispatch by itself: what it hands over in which order, at which points it waits, and what it takes back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.fakes.checks import Logged
from worker.journal.records import Place, Record
from worker.mailbox.errors import ConnectionLost, ProtocolFault, Throttled
from worker.message.outcome import LONGEST_AFTER, Outcome, State
from worker.pipeline.dispatch import SLOW_WAIT, UNOPENED_WAIT, Bounds, Dispatch, Step
from worker.pipeline.fetch import NOT_READY_WAIT
from worker.pipeline.fetched import BrokenOff, Missing

NOW, PATIENCE = 50.0, 7.0


def due(row: int, *, folder: str = "INBOX", size: int = 1, deaths: int = 0, alone: bool = False) -> Any:
    """A message that is due."""
    return SimpleNamespace(
        id=row,
        key=f"key-{row}",
        size=size,
        place=Place(folder, 1, row),
        deaths=deaths,
        was_alone=alone,
        is_placeholder=False,
    )


@dataclass(frozen=True)
class Handed:
    """A batch that was handed over."""

    rows: list[int]
    alone: bool
    beside: list[int]
    """What was in hand before."""


class Stages:
    """What dispatch works with. hangs: the rows that don't come back."""

    def __init__(self, *records: Any, hangs: Sequence[int] = ()) -> None:
        self.records = list(records)
        self.asked_due: list[tuple[float, float]] = []
        self.asked_turns: list[list[int]] = []
        self.suspicious: list[Any] = []
        self.died: list[int] = []
        self.noted: list[tuple[str, Any]] = []
        self.wire: list[tuple[str, list[int]]] = []
        """The batches that were asked for, some of them twice, that were read, and that were thrown away."""
        self.unread: list[list[int]] = []
        self.handed: list[Handed] = []
        self.tops: list[Any] = []
        self.in_hand: dict[int, int] = {}
        self.hangs = set(hangs)
        self.slow: set[int] = set()
        self.waiting: list[int] = []
        self.finished: list[tuple[int, Outcome]] = []
        self.errors: list[BrokenOff] = []
        self.missing: dict[int, Missing] = {}
        self.more_turns = False
        self.more = False
        self.keep_order = False
        self.holds_back = False
        self.stopped = False
        self.size = 0
        self.real_sizes: dict[int, int] = {}
        """What rows take once they are in hand; most take nothing."""
        bounds = Bounds(batch_bytes=10, batch_count=3, patience=PATIENCE)
        parts: Any = self
        self.dispatch = Dispatch(
            tries=parts, turns=parts, fetch=parts, pool=parts, bounds=bounds, permission=parts, clock=lambda: NOW
        )
        self.session: Any = object()

    # -- tries

    def due(self, now: float, *, longest: float, besides: Sequence[int]) -> list[Any]:
        self.asked_due.append((now, longest))
        return [record for record in self.records if record.id not in besides]

    def suspects(self) -> list[Any]:
        return self.suspicious

    def died_with(self, record: Any) -> None:
        self.died.append(record.id)

    def put_back(self, rows: Sequence[int]) -> None:
        self.noted.append(("put back", list(rows)))

    def suspect(self, rows: Sequence[int]) -> None:
        self.noted.append(("suspect", list(rows)))

    def not_alone(self, rows: Sequence[int]) -> None:
        if rows:
            self.noted.append(("not alone", list(rows)))

    def postpone(self, until: Mapping[int, float]) -> None:
        self.noted.append(("postpone", dict(until)))

    # -- turns

    def of(self, records: Any, hands: Any) -> tuple[Any, bool]:
        assert hands is self
        self.asked_turns.append([record.id for record in records])
        return records, self.more_turns

    def begin(self) -> None:
        self.noted.append(("begin", None))

    def resume(self) -> None:
        self.noted.append(("resume", None))

    # -- the pool

    def __len__(self) -> int:
        return len(self.in_hand)

    def __contains__(self, row: int) -> bool:
        return row in self.in_hand

    def rows(self) -> list[int]:
        return list(self.in_hand)

    def keys(self) -> list[str]:
        return [f"key-{row}" for row in self.in_hand]

    def finish(self, record: Any, outcome: Outcome) -> None:
        self.finished.append((record.id, outcome))

    def is_slow(self, record: Any) -> bool:
        return record.id in self.slow

    def drop_slow(self) -> list[int]:
        dropped, self.waiting = self.waiting, []
        self.size = 0 if dropped else self.size
        return dropped

    def drop_waiting(self) -> list[int]:
        return self.waiting

    # -- fetch and permission

    def go_on(self) -> None:
        self.noted.append(("go on", None))

    def ask(self, session: Any, batch: Any) -> None:
        assert session is self.session
        rows = [record.id for record in batch]
        self.wire.append(("ask", rows))
        self.unread += [] if rows in self.unread else [rows]

    def discard(self, session: Any) -> None:
        assert session is self.session
        self.wire += [("discard", rows) for rows in self.unread]
        self.unread.clear()

    def __call__(self, session: Any, batch: Any, tops: Any, *, alone: bool, ahead: Any = None) -> Missing:
        assert session is self.session
        self.tops.append(tops)
        rows = [record.id for record in batch]
        self.handed.append(Handed(rows, alone, self.rows()))
        self.wire.append(("read", rows))
        self.unread = [asked for asked in self.unread if asked != rows]
        if self.errors:
            raise self.errors.pop(0)
        self.in_hand |= {record.id: record.size for record in batch}
        self.size += sum(self.real_sizes.get(row, 0) for row in rows)
        return self.missing.get(rows[0], Missing())

    # -- whoever collects

    def collect(self, step: Step) -> None:
        if step.wait:
            assert step.wait == PATIENCE
            for row in [row for row in self.in_hand if row not in self.hangs][:1]:
                self.size -= min(self.size, self.in_hand.pop(row))

    def run(self, steps: Callable[..., Iterator[Step]], *given: Any) -> list[Step]:
        taken: list[Step] = []
        for step in steps(self.session, *given):
            taken.append(step)
            self.collect(step)
        return taken

    def work(self) -> list[Step]:
        return self.run(self.dispatch.work, {})

    def began_with(self, *suspects: Any) -> "Stages":
        self.suspicious = list(suspects)
        self.dispatch.begin()
        self.noted.clear()
        return self


WAIT, SETTLED, HANDED = Step(wait=PATIENCE), Step(settle=True), Step()


# -- what is handed over


def test_what_is_due_is_handed_over_by_folder_a_batch_at_a_time() -> None:
    stages = Stages(
        due(1, folder="Results"), due(2), due(3, folder="Results"), due(4), due(5), due(6), due(7, folder="Results")
    )
    tops: Any = {2: "top"}
    assert stages.run(stages.dispatch.work, tops) == [HANDED] * 3
    assert [one.rows for one in stages.handed] == [[2, 4, 5], [6], [1, 3, 7]]
    assert not any(one.alone for one in stages.handed)
    assert all(given is tops for given in stages.tops)
    assert stages.asked_due == [(NOW, LONGEST_AFTER.total_seconds())]
    assert stages.noted == [("go on", None)] * 3


def test_what_is_in_hand_has_no_turn() -> None:
    stages = Stages(due(1), due(2), due(3))
    stages.in_hand = {2: 1}
    stages.work()
    assert stages.asked_turns == [[1, 3]]
    assert [one.rows for one in stages.handed] == [[1, 3]]


def test_what_could_not_be_fetched_is_told_with_its_batch() -> None:
    stages = Stages(due(1), due(2, folder="Results"))
    missing = Missing(sought=2)
    stages.missing = {2: missing}
    assert stages.work() == [HANDED, Step(missing=missing)]


def test_what_is_in_a_folder_that_is_not_opened_now_waits_a_while() -> None:
    stages = Stages(due(1), due(2, folder="Failed"), due(3, folder="Failed"))
    missing = Missing(unopened=tuple(stages.records[1:]))
    stages.missing = {2: missing}
    assert stages.work() == [Step(missing=missing), HANDED]
    until = NOW + UNOPENED_WAIT
    assert ("postpone", {2: until, 3: until}) in stages.noted


def test_a_suspect_whose_folder_is_not_opened_now_stays_one() -> None:
    one, other = due(1), due(2)
    stages = Stages(one, other).began_with(one)
    stages.missing = {1: Missing(unopened=(one,))}
    stages.work()
    stages.missing, stages.handed = {}, []
    stages.in_hand.clear()
    stages.work()
    assert [(handed.rows, handed.alone) for handed in stages.handed] == [([1], True), ([2], False)]


@pytest.mark.parametrize(("turns", "trials", "more"), [(False, False, False), (True, False, True), (False, True, True)])
def test_there_is_more_if_more_turns_follow_or_a_trial_does(turns: bool, trials: bool, more: bool) -> None:
    stages = Stages(due(1))
    stages.more_turns, stages.more = turns, trials
    stages.work()
    assert stages.dispatch.has_more is more


def test_before_anything_was_handed_over_nothing_more_has_its_turn() -> None:
    assert not Stages().dispatch.has_more


@pytest.mark.parametrize("keeps", [False, True])
def test_order_is_kept_if_a_route_wants_it(keeps: bool) -> None:
    stages = Stages()
    stages.keep_order = keeps
    assert stages.dispatch.keeps_order is keeps


# -- what is asked for ahead


def small(*rows: int) -> list[Any]:
    return [due(row) for row in rows]


def asked_first(stages: Stages) -> list[tuple[str, list[int]]]:
    """What was asked for and read, without what was asked for again."""
    first: list[tuple[str, list[int]]] = []
    for one in stages.wire:
        if one not in first:
            first.append(one)
    return first


def test_each_batch_is_asked_for_before_the_one_before_it_is_read() -> None:
    stages = Stages(*small(1, 2, 3, 4, 5, 6, 7))
    stages.work()
    assert asked_first(stages) == [
        ("ask", [1, 2, 3]),
        ("ask", [4, 5, 6]),
        ("read", [1, 2, 3]),
        ("ask", [7]),
        ("read", [4, 5, 6]),
        ("read", [7]),
    ]


@pytest.mark.parametrize(("in_hand", "ahead"), [(0, True), (1, False)])
def test_in_hand_and_ahead_take_no_more_than_twice_the_bytes_of_a_batch(in_hand: int, ahead: bool) -> None:
    stages = Stages(due(1, size=10), due(2, size=10))
    stages.size = in_hand
    stages.work()
    assert (stages.wire[1] == ("ask", [2])) is ahead


def test_if_more_is_admitted_next_the_last_batch_is_only_asked_for() -> None:
    stages = Stages(*small(1, 2, 3, 4))
    tops: Any = {4: "top of 4"}
    for _ in stages.dispatch.work(stages.session, tops, more=True):
        pass
    assert asked_first(stages) == [("ask", [1, 2, 3]), ("ask", [4]), ("read", [1, 2, 3])]
    stages.wire.clear()
    stages.records = small(4, 5, 6, 7, 8)
    given: Any = {}
    for _ in stages.dispatch.work(stages.session, given):
        pass
    assert asked_first(stages)[:4] == [("ask", [4]), ("ask", [5, 6, 7]), ("read", [4]), ("ask", [8])]
    assert stages.tops[-1] == {4: "top of 4"}


def test_what_may_have_to_wait_for_another_message_is_not_left_for_later() -> None:
    stages = Stages(due(1))
    stages.holds_back = True
    for _ in stages.dispatch.work(stages.session, {}, more=True):
        pass
    assert stages.wire[-1] == ("read", [1])


def test_suspects_are_not_asked_for_ahead() -> None:
    suspects = small(1, 2)
    stages = Stages(*suspects, due(3)).began_with(*suspects)
    stages.work()
    assert stages.wire == [("read", [1]), ("read", [2]), ("ask", [3]), ("read", [3])]


def test_before_a_suspect_what_was_asked_for_is_thrown_away() -> None:
    """Otherwise it would come off the wire while the suspect is alone in hand."""
    suspect = due(1)
    stages = Stages(due(2)).began_with(suspect)  # which is due only later
    for _ in stages.dispatch.work(stages.session, {}, more=True):
        pass
    stages.records = [suspect, due(2)]
    stages.work()
    assert stages.wire == [("ask", [2]), ("discard", [2]), ("read", [1]), ("ask", [2]), ("read", [2])]


def test_while_a_suspect_waits_no_batch_is_left_for_later() -> None:
    suspects = small(1, 2)
    stages = Stages(*suspects, due(3), hangs=[1]).began_with(*suspects)
    for step in stages.dispatch.work(stages.session, {}, more=True):
        stages.collect(step)
    assert stages.wire == [("read", [1]), ("ask", [3]), ("read", [3])]


@pytest.mark.parametrize("forget", [Dispatch.begin, Dispatch.forget_asked])
def test_what_an_earlier_hold_of_the_lease_or_an_earlier_poll_asked_for_is_forgotten(
    forget: Callable[[Dispatch], None],
) -> None:
    stages = Stages(due(4))
    known: Any = {4: "top of 4"}
    for _ in stages.dispatch.work(stages.session, known, more=True):
        pass
    forget(stages.dispatch)
    stages.records = small(1, 4)
    stages.work()
    assert stages.wire == [("ask", [4]), ("discard", [4]), ("ask", [1, 4]), ("read", [1, 4])]
    assert stages.tops[-1] == {}


def test_what_was_asked_for_is_thrown_away_if_it_has_no_turn_any_more() -> None:
    stages = Stages(*small(1, 2))
    for _ in stages.dispatch.work(stages.session, {}, more=True):
        pass
    stages.records = small(2, 3)
    stages.work()
    assert stages.wire[1:] == [("discard", [1, 2]), ("ask", [2, 3]), ("read", [2, 3])]


def test_what_was_asked_for_and_finds_no_room_is_thrown_away() -> None:
    """The batch before it was larger than the server had said."""
    stages = Stages(due(1, size=10), due(2, size=10), due(3, size=5), hangs=[1])
    stages.real_sizes = {1: 11}
    stages.work()
    asked = [("ask", [1]), ("ask", [2]), ("read", [1])]
    assert asked_first(stages) == [*asked, ("discard", [2]), ("ask", [3]), ("read", [3])]


# -- suspects


def test_suspects_come_first_and_alone_with_the_fewest_deaths_first() -> None:
    worst, better = due(1, deaths=2, alone=True), due(3, deaths=1)
    stages = Stages(worst, due(2), better).began_with(worst, better)
    steps = stages.work()
    assert stages.handed == [Handed([3], True, []), Handed([1], True, []), Handed([2], False, [])]
    assert steps == [SETTLED, HANDED, WAIT, SETTLED, HANDED, WAIT, SETTLED, HANDED]
    stages.handed.clear()
    stages.in_hand.clear()
    stages.work()
    assert [(one.rows, one.alone) for one in stages.handed] == [([1, 2, 3], False)]


def test_before_a_suspect_what_is_in_hand_is_waited_for() -> None:
    suspect = due(1)
    stages = Stages(suspect).began_with(suspect)
    stages.in_hand = {8: 1, 9: 1}
    assert stages.work()[:3] == [WAIT, WAIT, SETTLED]
    assert stages.handed == [Handed([1], True, [])]


def test_beside_a_message_that_hangs_a_suspect_is_not_alone_and_neither_is_that_one() -> None:
    suspects = [due(1), due(2)]
    stages = Stages(*suspects, hangs=[9]).began_with(*suspects)
    stages.in_hand = {9: 1}
    stages.work()
    assert [one.rows for one in stages.handed] == [[1], [2]]
    assert [note for note in stages.noted if note[0] == "not alone"] == [("not alone", [9]), ("not alone", [9])]


def test_when_a_suspect_hangs_the_other_suspects_wait_and_other_mail_does_not() -> None:
    suspects = [due(1), due(2)]
    stages = Stages(*suspects, due(3), hangs=[1]).began_with(*suspects)
    steps = stages.work()
    assert stages.handed == [Handed([1], True, []), Handed([3], False, [1])]
    assert steps == [SETTLED, HANDED, WAIT, SETTLED, HANDED]
    assert ("not alone", [1]) in stages.noted
    stages.hangs.clear()
    stages.in_hand.clear()
    stages.records = [suspects[1]]
    stages.work()
    assert stages.handed[-1] == Handed([2], True, [])


def test_a_suspect_that_finds_no_room_waits_and_a_smaller_one_does_not() -> None:
    suspects = [due(1, size=3), due(2, size=2)]
    stages = Stages(*suspects, due(3), hangs=[9]).began_with(*suspects)
    stages.in_hand, stages.size = {9: 18}, 18
    for step in stages.dispatch.work(stages.session, {}, more=True):
        stages.collect(step)
    assert [(one.rows, one.alone) for one in stages.handed] == [([2], True), ([3], False)]
    stages.in_hand.clear()
    stages.size = 0
    stages.records = suspects[:1]
    stages.work()
    assert (stages.handed[-1].rows, stages.handed[-1].alone) == ([1], True)


def test_a_suspect_of_any_size_is_handed_over_once_nothing_is_in_hand() -> None:
    suspect = due(1, size=99)
    stages = Stages(suspect).began_with(suspect)
    stages.work()
    assert stages.handed == [Handed([1], True, [])]


def test_slow_mail_that_was_not_begun_makes_room_for_a_suspect() -> None:
    suspect = due(1, size=9)
    stages = Stages(suspect, hangs=[8]).began_with(suspect)
    stages.in_hand, stages.size, stages.waiting = {8: 15}, 15, [6, 7]
    stages.work()
    assert stages.handed == [Handed([1], True, [8])]
    assert ("put back", [6, 7]) in stages.noted


def test_for_a_suspect_only_its_own_return_counts() -> None:
    """What hung before may return meanwhile."""
    suspect = due(1)
    stages = Stages(suspect, hangs=[9]).began_with(suspect)
    stages.in_hand = {9: 1}
    steps = iter(stages.dispatch.work(stages.session, {}))
    assert [next(steps) for _ in range(3)] == [WAIT, SETTLED, HANDED]
    assert next(steps) == WAIT
    stages.in_hand = {9: 1}  # the suspect returned
    assert list(steps) == [SETTLED]


def test_at_the_begin_deaths_count_for_those_that_were_alone(logged: Logged) -> None:
    stages = Stages()
    stages.suspicious = [due(1, alone=True), due(2), due(3, alone=True)]
    stages.dispatch.begin()
    assert stages.died == [1, 3]
    assert stages.noted == [("begin", None)]
    (line,) = logged("message.suspects")
    assert (line["count"], line["alone"], line["log_level"]) == (3, 2, "warning")
    assert line["keys"] == "key-1, key-2, key-3"


def test_a_begin_without_suspects_is_no_news(logged: Logged) -> None:
    Stages().dispatch.begin()
    assert logged("message.suspects") == []


# -- waiting


def test_everything_in_hand_is_waited_for_and_settled() -> None:
    stages = Stages(due(1), due(2))
    assert stages.run(stages.dispatch.work_through) == [HANDED, WAIT, WAIT, SETTLED]
    assert stages.in_hand == {}
    assert stages.noted[-1] == ("resume", None)


def test_what_hangs_is_waited_for_once_and_then_left() -> None:
    stages = Stages(due(1), due(2), due(3), hangs=[2])
    assert stages.run(stages.dispatch.work_through) == [HANDED, WAIT, WAIT, WAIT, SETTLED]
    stages.records = []
    assert stages.run(stages.dispatch.work_through) == [SETTLED]
    stages.records = [due(4)]
    stages.noted.clear()
    assert stages.run(stages.dispatch.work_through) == [HANDED, WAIT, SETTLED]
    assert ("not alone", [2]) in stages.noted


def test_what_hung_before_is_waited_for_again_once_it_is_handed_over_again() -> None:
    stages = Stages(due(1), hangs=[1])
    stages.run(stages.dispatch.work_through)
    stages.in_hand.clear()
    assert stages.run(stages.dispatch.work_through) == [HANDED, WAIT, SETTLED]


def test_permission_is_asked_before_each_wait_and_after_one_that_brought_nothing() -> None:
    stages = Stages(due(1), hangs=[1])
    stages.run(stages.dispatch.work_through)
    assert [note for note, _ in stages.noted] == ["go on", "go on", "go on", "resume"]


# -- room


def test_mail_that_finds_no_room_waits_for_the_next_poll_and_smaller_mail_does_not() -> None:
    stages = Stages(due(1, size=9), due(2, size=2), due(3, size=9), hangs=[8])
    stages.in_hand, stages.size, stages.more_turns = {8: 18}, 18, True
    assert stages.work() == [WAIT, HANDED]  # for the third nobody waits any more
    assert [one.rows for one in stages.handed] == [[2]]
    assert not stages.dispatch.has_more


@pytest.mark.parametrize(("size", "waits"), [(10, 0), (11, 1)])
def test_as_much_as_two_batches_have_may_be_in_hand(size: int, waits: int) -> None:
    stages = Stages(due(1, size=10))
    stages.in_hand, stages.size = {8: size}, size
    assert stages.work() == [*[WAIT] * waits, HANDED]


def test_a_message_of_any_size_is_handed_over_once_nothing_is_in_hand() -> None:
    stages = Stages(due(1, size=99))
    assert stages.work() == [HANDED]


def test_slow_mail_that_was_not_begun_makes_room_for_others(logged: Logged) -> None:
    stages = Stages(due(1, size=9), due(2, size=1), hangs=[8])
    stages.in_hand, stages.size, stages.waiting, stages.slow = {8: 15}, 15, [6, 7], {2}
    assert stages.work() == [WAIT, HANDED]
    until = NOW + SLOW_WAIT
    assert [note for note in stages.noted if note[0] != "go on"] == [
        ("put back", [6, 7]),
        ("postpone", {6: until, 7: until}),
    ]
    (line,) = logged("message.makes_room")
    assert (line["count"], line["wait"], line["log_level"]) == (2, SLOW_WAIT, "warning")


def test_slow_mail_makes_no_room_for_slow_mail() -> None:
    stages = Stages(due(1, size=9), hangs=[8])
    stages.in_hand, stages.size, stages.waiting, stages.slow = {8: 15}, 15, [6, 7], {1}
    assert stages.work() == [WAIT]
    assert stages.waiting == [6, 7]


def test_where_nothing_slow_waits_no_room_is_made(logged: Logged) -> None:
    stages = Stages(due(1, size=9), hangs=[8])
    stages.in_hand, stages.size = {8: 15}, 15
    assert stages.work() == [WAIT]
    assert logged("message.makes_room") == []
    assert {note for note, _ in stages.noted} == {"go on"}


# -- what is broken off


def broken(error: Any, *records: Any) -> BrokenOff:
    return BrokenOff(cast("list[Record]", list(records)), error)


def test_a_fetch_that_no_message_broke_off_counts_for_none() -> None:
    one, other = due(1), due(2)
    stages = Stages(one, other)
    error = Throttled("wait", after=NOT_READY_WAIT)
    stages.errors = [broken(error, other)]
    with pytest.raises(Throttled) as raised:
        stages.work()
    assert raised.value is error
    assert stages.noted == [("go on", None), ("put back", [2])]
    assert stages.finished == []


def test_what_may_have_broken_off_a_fetch_is_tried_alone_next() -> None:
    one, other, third = due(1), due(2), due(3)
    stages = Stages(one, other, third)
    stages.errors = [broken(ConnectionLost("lost"), one, other)]
    with pytest.raises(ConnectionLost):
        stages.work()
    assert stages.noted == [("go on", None), ("suspect", [1, 2])]
    stages.work()
    assert [(one.rows, one.alone) for one in stages.handed[1:]] == [([1], True), ([2], True), ([3], False)]


def test_what_was_suspect_before_stays_so_beside_new_suspects() -> None:
    before, one = due(1), due(2)
    stages = Stages(one).began_with(before)
    stages.errors = [broken(ProtocolFault("odd"), before, one)]
    with pytest.raises(ProtocolFault):
        stages.work()
    stages.records = [before, one, due(3)]
    stages.work()
    assert [(one.rows, one.alone) for one in stages.handed[1:]] == [([1], True), ([2], True), ([3], False)]
    stages.handed.clear()
    stages.in_hand.clear()
    stages.work()
    assert [one.alone for one in stages.handed] == [False]


def test_what_breaks_off_its_fetch_even_alone_is_put_off() -> None:
    suspect = due(1)
    stages = Stages(suspect).began_with(suspect)
    stages.errors = [broken(ConnectionLost("lost"), suspect)]
    with pytest.raises(ConnectionLost):
        stages.work()
    assert stages.finished == [(1, Outcome(State.PENDING, reason="fetch-broken", after=NOT_READY_WAIT))]
    assert not [note for note, _ in stages.noted if note in {"suspect", "put back"}]


# -- the end


def test_at_the_end_what_was_not_begun_is_put_back() -> None:
    stages = Stages()
    stages.waiting = [4, 5]
    stages.dispatch.stop()
    assert stages.noted == [("put back", [4, 5])]


@pytest.mark.parametrize("rows", [[], [4, 5]])
def test_what_is_left_in_hand_is_told_and_no_crash_counts_for_it(rows: list[int], logged: Logged) -> None:
    stages = Stages()
    stages.in_hand = dict.fromkeys(rows, 1)
    stages.dispatch.leave()
    assert stages.noted == ([("not alone", rows)] if rows else [])
    assert [(line["count"], line["log_level"]) for line in logged("worker.left_in_hand")] == (
        [(2, "error")] if rows else []
    )
