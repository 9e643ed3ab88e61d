"""Old copies are removed: never a young or a needed one, all in the end, a little a day, whatever the clock does."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from tests.fakes.checks import Logged, fields
from tests.rig.messages import key_of
from worker.handling.retention import CopiesFailed, Retention
from worker.loop import removal
from worker.loop.removal import LOOKED_A_DAY, REMOVED_A_DAY, RETENTION, RemoveCopies
from worker.loop.steady_clock import CLOCK
from worker.message.copies import Look, OldCopies, OldCopy, RemovedCopies
from worker.message.outcome import State
from worker.pipeline.stop import Stop

HOUR, DAY = 3600.0, 86_400.0
START = 1_800_000_000.0


class Killed(BaseException):
    """The process dies."""


class Shelf:
    """A handler's copies: when each was received or made, by number."""

    def __init__(self, world: "Rig") -> None:
        self.world = world
        self.ages: dict[int, float] = {}
        self.removed: dict[int, float] = {}
        """When each was removed, by the true time."""
        self.locked: set[int] = set()
        self.looked = 0
        self.down = False
        self.versions = False
        self.left = 0
        self.kill_in: int | None = None

    def old_copies(self, look: Look) -> OldCopies:
        self.fail()
        names = sorted(name for name in map(key_of, self.ages) if look.after is None or name > look.after)
        numbers = {key_of(number): number for number in self.ages}
        found: list[OldCopy] = []
        oldest, looked = None, 0
        for name in names:
            if looked >= look.most or len(found) >= look.found:
                break
            looked += 1
            at = datetime.fromtimestamp(self.ages[numbers[name]], UTC)
            if at < look.before:
                found.append(OldCopy(name, name))
            elif oldest is None or at < oldest:
                oldest = at
        self.looked += looked
        after = None if looked == len(names) else names[looked - 1]
        return OldCopies(tuple(found), after, looked, oldest)

    def remove_copies(self, names: Sequence[str], before: datetime) -> RemovedCopies:
        self.fail()
        numbers = {key_of(number): number for number in self.ages}
        removed, refused = [], []
        for name in names:
            self.die()
            number = numbers[name]
            assert self.ages[number] < before.timestamp()
            if number in self.locked:
                refused.append(name)
                continue
            del self.ages[number]
            self.removed[number] = self.world.true
            removed.append(name)
            self.die()
        return RemovedCopies(tuple(removed), tuple(refused), self.left, self.versions)

    def fail(self) -> None:
        if self.down:
            raise CopiesFailed("ConnectionRefusedError")

    def die(self) -> None:
        if self.kill_in is not None:
            self.kill_in -= 1
            if self.kill_in < 0:
                self.kill_in = None
                raise Killed


class Notes:
    """The journal's facts, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def remember(self, name: str, text: str) -> None:
        self.kept[name] = text

    def recall(self, name: str) -> str | None:
        return self.kept.get(name)


class Rig:
    """The chore in simulated time.

    true: the true time, by which the mail server dates what it receives. ahead: how far our clock is ahead of it.
    """

    def __init__(self, keep: float = 30 * DAY) -> None:
        self.true, self.ahead = START, 0.0
        self.facts: Any = Notes()
        self.shelf = Shelf(self)
        self.keep: dict[str, float] = {"archive": keep}
        self.place = "file:///srv/mail"
        self.newest: float | None = START
        self.records: dict[str, Any] = {}
        self.stopped = False
        self.trail: list[tuple[str, str]] = []
        self.trail_works = True
        self.counted = 0
        self.kept: list[str] = []
        self.oldest: float | None = None

    def clock(self) -> float:
        return self.true + self.ahead

    # what the chore asks

    def received_last(self) -> float | None:
        return self.newest

    def with_keys(self, keys: Sequence[str]) -> list[Any]:
        return [self.records[key] for key in keys if key in self.records]

    def go_on(self) -> None:
        if self.stopped:
            raise Stop

    def removal_announced(self, handler: str, seconds: float) -> None:
        self.trail.append(("announced", f"{handler} {seconds:g}"))

    def copies_to_be_removed(self, handler: str, keys: Sequence[str]) -> bool:
        if self.trail_works:
            self.trail += [("removed", key) for key in keys]
        return self.trail_works

    def copies_removed(self, handler: str, count: int, kept: Sequence[str]) -> None:
        self.counted += count
        self.kept += kept

    def oldest_copy(self, handler: str, at: float | None) -> None:
        self.oldest = at

    # what happens

    def holds(self, number: int, state: State, *, settled: bool = True) -> None:
        key = key_of(number)
        self.records[key] = SimpleNamespace(key=key, state=state, settled=settled)

    def visit(self) -> None:
        """A process that has just started, or not: it keeps nothing in memory."""
        me: Any = self
        copies: Any = self.shelf
        chore = RemoveCopies(
            {name: Retention(timedelta(seconds=keep), copies, self.place) for name, keep in self.keep.items()},
            messages=me,
            facts=self.facts,
            go_ahead=me,
            recorder=me,
            clock=self.clock,
            monotonic=lambda: self.true,
        )
        chore.do(me)

    def run(self, days: float, *, mail: bool = True, every: float = HOUR) -> None:
        """So many days pass, with a visit and mail each hour, or each `every` seconds."""
        for _ in range(round(days * DAY / every)):
            self.true += every
            if mail:
                self.newest = self.true
            self.visit()

    def begin(self) -> None:
        """Pass the time until removals begin."""
        self.run(2.2)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_what_is_old_goes_and_what_is_young_stays(rig: Rig) -> None:
    rig.shelf.ages = {1: START - 31 * DAY, 2: START - 20 * DAY, 3: START}
    rig.begin()
    assert sorted(rig.shelf.ages) == [2, 3]
    assert rig.trail == [("announced", f"archive {30 * DAY:g}"), ("removed", key_of(1))]
    rig.run(9)
    assert sorted(rig.shelf.ages) == [3]
    assert rig.oldest == START
    assert rig.counted == 2


def test_the_first_removal_is_announced_a_day_before(rig: Rig, logged: Logged) -> None:
    rig.shelf.ages = dict.fromkeys(range(7), START - 31 * DAY)
    rig.run(1.05)  # the clock must have been steady for a day
    begins = rig.true + DAY
    (said,) = fields(logged, "copies.removal_announced")
    assert (said["handler"], said["days"], said["count"]) == ("archive", 30.0, 7)
    assert said["next_at"].timestamp() == pytest.approx(begins, abs=HOUR)
    assert len(rig.shelf.ages) == 7
    rig.run(0.9)
    assert len(rig.shelf.ages) == 7
    rig.run(0.1)
    assert rig.shelf.ages == {}
    assert fields(logged, "copies.removed") == [{"handler": "archive", "count": 7}]


def test_a_shorter_time_is_announced_anew_and_a_longer_one_holds_at_once(rig: Rig, logged: Logged) -> None:
    rig.begin()
    rig.shelf.ages = {1: rig.true - 20 * DAY, 2: rig.true - 40 * DAY}
    rig.keep["archive"] = 50 * DAY
    rig.run(9)
    assert sorted(rig.shelf.ages) == [1, 2]
    rig.keep["archive"] = 10 * DAY
    rig.run(0.9)
    assert sorted(rig.shelf.ages) == [1, 2]
    rig.run(0.2)
    assert rig.shelf.ages == {}
    assert len(fields(logged, "copies.removal_announced")) == 2


def check_announced_anew(rig: Rig, logged: Logged) -> None:
    """What lies there is removed a day after a second announcement, and not before."""
    rig.run(0.9)
    assert rig.shelf.ages
    assert len(fields(logged, "copies.removal_announced")) == 2
    rig.run(0.2)
    assert not rig.shelf.ages


def test_another_folder_is_announced_before_anything_in_it_is_removed(rig: Rig, logged: Logged) -> None:
    rig.begin()
    rig.place = "file:///srv/all-our-mail"
    rig.shelf.ages = {1: rig.true - 40 * DAY}
    check_announced_anew(rig, logged)


def test_a_time_that_was_taken_out_is_announced_when_it_comes_back(rig: Rig, logged: Logged) -> None:
    rig.begin()
    rig.keep = {}
    rig.run(0.1)
    rig.keep = {"archive": 30 * DAY}
    rig.shelf.ages = {1: rig.true - 40 * DAY}
    check_announced_anew(rig, logged)


def test_what_one_handler_was_told_is_forgotten_beside_another(rig: Rig, logged: Logged) -> None:
    rig.keep = {"archive": 30 * DAY, "other": 900 * DAY}
    rig.begin()
    rig.keep = {"other": 900 * DAY}
    rig.run(0.1)
    rig.keep = {"archive": 30 * DAY, "other": 900 * DAY}
    rig.run(0.1)
    said = [line["handler"] for line in fields(logged, "copies.removal_announced")]
    assert said == ["archive", "other", "archive"]


def test_without_the_setting_nothing_is_asked_or_written(rig: Rig) -> None:
    rig.keep = {}
    rig.shelf.ages = {1: 0.0}
    rig.run(3)
    assert (rig.shelf.looked, rig.facts.recall(RETENTION), rig.facts.recall(CLOCK)) == (0, None, None)


@pytest.mark.parametrize(
    ("state", "settled", "goes"),
    [
        (State.HANDLED, True, True),
        (State.HANDLED, False, False),
        (State.JUNK, True, True),
        (State.JUNK, False, False),
        (State.PENDING, False, False),
        (State.FAILED, True, False),
        (State.FAILED, False, False),
        (State.GONE, True, False),
        (None, True, True),
    ],
)
def test_a_copy_stays_while_its_message_is_not_done(rig: Rig, state: State | None, settled: bool, goes: bool) -> None:
    rig.shelf.ages = {1: 0.0, 2: 0.0}
    if state is not None:
        rig.holds(1, state, settled=settled)
    rig.begin()
    assert sorted(rig.shelf.ages) == ([] if goes else [1])
    rig.holds(1, State.HANDLED)
    rig.run(1.1)
    assert rig.shelf.ages == {}


def test_nothing_goes_that_the_audit_trail_does_not_hold(rig: Rig) -> None:
    rig.shelf.ages = {1: 0.0}
    rig.trail_works = False
    rig.run(4)
    assert rig.shelf.ages
    rig.trail_works = True
    rig.run(1.1)
    assert not rig.shelf.ages


def test_what_the_store_refuses_stops_no_other_and_is_told_once_a_day(rig: Rig, logged: Logged) -> None:
    rig.shelf.ages = dict.fromkeys(range(250), 0.0)
    rig.shelf.locked = {0, 120}
    rig.begin()
    assert sorted(rig.shelf.ages) == [0, 120]
    assert fields(logged, "copies.not_removed") == [{"handler": "archive", "error": "refused", "count": 2}]
    assert sorted(rig.kept) == sorted(map(key_of, (0, 120)))
    rig.run(2)
    assert len(fields(logged, "copies.not_removed")) == 3
    rig.shelf.locked = set()
    rig.run(1.1)
    assert rig.shelf.ages == {}


def test_a_store_that_is_away_is_told_and_asked_again(rig: Rig, logged: Logged) -> None:
    rig.shelf.ages = {1: 0.0}
    rig.shelf.down = True
    rig.run(1.1)
    assert fields(logged, "copies.not_removed")[0] == {"handler": "archive", "error": "ConnectionRefusedError"}
    rig.shelf.down = False
    rig.run(1.2)
    assert rig.shelf.ages == {}


def test_what_is_not_the_handlers_and_versions_that_stay_are_told(rig: Rig, logged: Logged) -> None:
    rig.shelf.ages = {1: 0.0}
    rig.shelf.left, rig.shelf.versions = 3, True
    rig.begin()
    assert fields(logged, "copies.left_alone")
    assert fields(logged, "copies.versions_kept") == [{"handler": "archive"}]


def test_a_stop_ends_it(rig: Rig) -> None:
    rig.shelf.ages = {1: 0.0}
    rig.run(2)
    rig.stopped = True
    with pytest.raises(Stop):
        rig.run(1)
    assert rig.shelf.ages


def test_a_day_removes_no_more_than_its_share(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "REMOVED_A_DAY", 300)
    rig.shelf.ages = dict.fromkeys(range(1000), 0.0)
    rig.begin()
    assert len(rig.shelf.removed) == 300
    rig.run(1)
    assert len(rig.shelf.removed) == 600
    rig.run(2)
    assert rig.shelf.ages == {}


def test_a_day_looks_at_no_more_than_its_share(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "LOOKED_A_DAY", 400)
    rig.shelf.ages = {number: START if number < 900 else 0.0 for number in range(1000)}
    rig.run(1.05)
    rig.shelf.looked = 0
    rig.run(1.1)
    assert rig.shelf.looked == 400
    rig.run(1)
    assert rig.shelf.looked == 800
    rig.run(1)
    assert len(rig.shelf.ages) == 900


def test_an_hour_takes_no_longer_than_its_share(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.shelf.ages = dict.fromkeys(range(1000), 0.0)
    rig.run(2)
    real = rig.shelf.remove_copies

    def slow(names: Sequence[str], before: datetime) -> RemovedCopies:
        rig.true += 6.0
        return real(names, before)

    monkeypatch.setattr(rig.shelf, "remove_copies", slow)
    rig.run(0.1)
    assert 100 <= len(rig.shelf.removed) <= 400
    rig.run(1)
    assert rig.shelf.ages == {}


def test_while_all_are_young_it_looks_once_a_week(rig: Rig) -> None:
    rig.shelf.ages = dict.fromkeys(range(50), START)
    rig.begin()
    rig.shelf.looked = 0
    rig.run(21)
    assert rig.shelf.looked <= 3 * 50
    rig.run(10)
    assert rig.shelf.ages == {}


@pytest.mark.parametrize("years", [0.02, 1, 10, 100, -1, -20])
def test_a_clock_that_is_wrong_for_long_removes_nothing_that_is_young(rig: Rig, years: float) -> None:
    """Wrong for so long that it counts as steady: the newest mail, dated by the server, tells."""
    rig.shelf.ages = {1: START - 15 * DAY, 2: START - 31 * DAY}
    rig.begin()
    assert sorted(rig.shelf.ages) == [1]
    rig.ahead = years * 365 * DAY
    rig.run(7)
    assert sorted(rig.shelf.ages) == [1]
    rig.ahead = 0.0
    rig.run(14)
    assert rig.shelf.ages == {}


def test_a_quiet_mailbox_only_delays(rig: Rig) -> None:
    rig.shelf.ages = {1: START - 20 * DAY}
    rig.begin()
    rig.run(20, mail=False)
    assert rig.shelf.ages
    rig.run(1.1)
    assert not rig.shelf.ages


def test_an_empty_journal_removes_nothing(rig: Rig) -> None:
    rig.newest = None
    rig.shelf.ages = {1: 0.0}
    rig.run(5, mail=False)
    assert rig.shelf.ages


EVENTS = strategies.lists(
    strategies.one_of(
        strategies.tuples(strategies.just("days"), strategies.floats(0.1, 12)),
        strategies.tuples(strategies.just("quiet"), strategies.floats(0.1, 6)),
        strategies.tuples(strategies.just("clock"), strategies.floats(-4000, 40_000)),
        strategies.tuples(strategies.just("keep"), strategies.integers(1, 90)),
        strategies.tuples(strategies.just("kill"), strategies.integers(0, 12)),
        strategies.tuples(strategies.just("add"), strategies.integers(0, 120)),
        strategies.tuples(strategies.just("state"), strategies.sampled_from(list(State))),
        strategies.tuples(strategies.just("down"), strategies.booleans()),
        strategies.tuples(strategies.just("trail"), strategies.booleans()),
    ),
    max_size=14,
)


@settings(max_examples=150)
@given(events=EVENTS)
def test_whatever_happens_no_young_or_needed_copy_goes_and_all_old_ones_do(events: list[tuple[str, Any]]) -> None:
    rig = Rig()
    received: dict[int, float] = {}
    needed: dict[int, State] = {}
    number = 0

    def check() -> None:
        for one, at in list(rig.shelf.removed.items()):
            # Two days: how far our clock may be ahead of the newest mail, by which we measure.
            assert at + removal.QUIET - received[one] >= min(keeps), "too young"
            assert needed.get(one) in (None, State.HANDLED, State.JUNK), "needed"
        assert {key_of(one) for one in rig.shelf.removed} <= {key for kind, key in rig.trail if kind == "removed"}

    keeps = [rig.keep["archive"]]
    for kind, value in events:
        if kind == "add":
            for _ in range(3):
                number += 1
                received[number] = rig.shelf.ages[number] = rig.true - value * DAY
        elif kind == "state" and number:
            needed[number] = value
            if number in rig.shelf.ages:
                rig.holds(number, value)
            else:
                del needed[number]
        elif kind == "clock":
            rig.ahead = value * DAY
        elif kind == "keep":
            rig.keep = {"archive": value * DAY}
            keeps.append(value * DAY)
        elif kind == "kill":
            rig.shelf.kill_in = value
        elif kind == "down":
            rig.shelf.down = value
        elif kind == "trail":
            rig.trail_works = value
        elif kind in ("days", "quiet"):
            try:
                rig.run(value, mail=kind == "days")
            except Killed:
                rig.run(0.1)
        check()
    rig.ahead, rig.shelf.down, rig.trail_works, rig.shelf.kill_in = 0.0, False, True, None
    rig.run(100 + 12, every=4 * HOUR)
    check()
    stay = {one for one, state in needed.items() if state not in (State.HANDLED, State.JUNK)}
    assert set(rig.shelf.ages) <= stay


def test_what_is_stored_can_be_read_by_a_later_version() -> None:
    """The names in the journal's fact are a format: a new one needs a default."""
    names = [field.name for field in dataclasses.fields(removal.Progress)]
    assert names[:2] == ["keep", "begins_at"]
    assert removal.Progress(1.0, 2.0).total == 0
    rig = Rig()
    rig.shelf.ages = {1: 0.0}
    rig.begin()
    rig.facts.kept[RETENTION] = rig.facts.kept[RETENTION].replace('"keep"', '"later":[1],"keep"')
    rig.run(1)
    assert rig.shelf.ages == {}
    assert (LOOKED_A_DAY, REMOVED_A_DAY) == (400_000, 10_000)
