"""The alerter: told once, told when over, by each channel for itself, and remembered over restarts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import Lines
from tests.unit.observe import views
from worker.observe.alerter import Alerter
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.delivery import NotSent
from worker.observe.view import LeaseView, StatusView


class Box:
    """A channel that keeps what it is given."""

    def __init__(self, name: str = "box") -> None:
        self.name = name
        self.got: list[tuple[Rule, Phase, int | None]] = []
        self.broken: int | bool | Exception | None = False
        self.asked = 0

    def send(self, alert: Alert) -> None:
        self.asked += 1
        if isinstance(self.broken, Exception):
            raise self.broken
        if self.broken is not False:
            raise NotSent(self.broken if isinstance(self.broken, int) else None)
        self.got.append((alert.rule, alert.phase, alert.number))

    def taken(self) -> list[tuple[Rule, Phase, int | None]]:
        got, self.got = self.got, []
        return got


class Kept:
    """A journal's part in it."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.broken = False

    def load(self) -> str | None:
        if self.broken:
            raise OSError("lost")
        return self.text

    def store(self, text: str) -> None:
        if self.broken:
            raise OSError("lost")
        self.text = text


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def memory() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def alerter(box: Box, memory: Kept, clock: Clock) -> Alerter:
    return Alerter([box], memory=memory, clock=clock)


def test_told_once_and_told_when_over(alerter: Alerter, box: Box) -> None:
    for _ in range(5):
        alerter.check(views.COOLING)
    assert box.taken() == [(Rule.COOLING_TWICE, Phase.FIRING, 2)]
    for _ in range(5):
        alerter.check(views.WORKING)
    assert box.taken() == [(Rule.COOLING_TWICE, Phase.RESOLVED, None)]


def test_a_restart_tells_nothing_twice(alerter: Alerter, box: Box, memory: Kept) -> None:
    alerter.check(views.HALTED)
    assert len(box.taken()) == 2
    Alerter([box], memory=Kept(memory.text)).check(views.HALTED)
    assert box.taken() == []
    Alerter([box], memory=Kept(memory.text)).check(views.WORKING)
    assert {phase for _, phase, _ in box.taken()} == {Phase.RESOLVED}


def test_a_pause_is_told_each_day_and_once_when_it_is_over(
    alerter: Alerter, box: Box, memory: Kept, clock: Clock
) -> None:
    for hour in range(3 * 24):
        if hour == 30:  # a restart forgets nothing
            alerter = Alerter([box], memory=Kept(memory.text), clock=clock)
        alerter.check(views.FORGOTTEN)
        clock.now += 3600
    assert [(rule, phase) for rule, phase, _ in box.taken()] == [(Rule.PAUSED, Phase.FIRING)] * 3
    alerter.check(views.WORKING)
    assert box.taken() == [(Rule.PAUSED, Phase.RESOLVED, None)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"box": {"no-such-rule": [1, 2]}}', '{"box": 7}'])
def test_a_memory_that_makes_no_sense_is_begun_anew(box: Box, text: str) -> None:
    Alerter([box], memory=Kept(text)).check(views.COOLING)
    assert len(box.got) == 1


def test_what_could_not_be_sent_is_sent_later_and_each_channel_has_its_own_count(memory: Kept, lines: Lines) -> None:
    good, bad = Box("good"), Box("bad")
    bad.broken = 503
    clock = Clock()
    alerter = Alerter([bad, good], memory=memory, clock=clock)
    alerter.check(views.HALTED)
    alerter.check(views.HALTED)
    assert len(good.taken()) == 2
    assert [(line["event"], line["sender"], line.get("status")) for line in lines.all] == [
        ("alert.not_sent", "bad", 503),
        ("alert.sent", "good", None),
        ("alert.sent", "good", None),
        ("alert.not_sent", "bad", 503),
    ]
    bad.broken = False
    clock.now += 60
    alerter.check(views.HALTED)
    assert len(bad.taken()) == 2
    assert good.taken() == []
    bad.broken = True
    alerter.check(views.WORKING)
    bad.broken = False
    alerter.check(views.WORKING)
    assert len(bad.taken()) == len(good.taken()) == 2


def test_a_channel_that_fails_is_tried_less_and_less_often(alerter: Alerter, box: Box, clock: Clock) -> None:
    box.broken = 451
    alerter.check(views.COOLING)
    alerter.check(views.COOLING)
    assert box.asked == 2
    for _ in range(120):
        clock.now += 30
        alerter.check(views.COOLING)
    assert box.asked == 10  # after 1, 2, 5, and then each 10 minutes
    box.broken = False
    clock.now += 600
    alerter.check(views.COOLING)
    alerter.check(views.WORKING)
    assert [phase for _, phase, _ in box.taken()] == [Phase.FIRING, Phase.RESOLVED]


def test_a_clock_that_was_set_back_does_not_prolong_a_wait(alerter: Alerter, box: Box, clock: Clock) -> None:
    box.broken = 451
    for _ in range(3):
        alerter.check(views.COOLING)
    assert box.asked == 2
    clock.now -= 86_400
    alerter.check(views.COOLING)
    assert box.asked == 3


def test_a_fault_in_a_channel_ends_nothing_and_is_no_delivery(alerter: Alerter, box: Box, lines: Lines) -> None:
    box.broken = UnicodeError("label empty")
    alerter.check(views.COOLING)
    assert (lines.one["event"], lines.one["error"]["class"]) == ("alert.not_sent", "UnicodeError")
    assert "label empty" not in lines.raw
    box.broken = False
    alerter.check(views.COOLING)
    assert len(box.taken()) == 1


def test_a_lease_that_goes_and_comes_back_tells_nothing_twice(memory: Kept, clock: Clock) -> None:
    """While another replica had the lease, it was that one's to tell: what it told is read anew."""
    boxes = {"one": Box(), "two": Box()}
    alerters = {name: Alerter([box], memory=memory, clock=clock) for name, box in boxes.items()}

    def turn(holder: str, view: StatusView) -> None:
        lease = LeaseView(holder=holder, expires_at=views.NOW.replace(year=2030))
        for name, each in alerters.items():
            each.check(replace(view, replica=name, lease=lease))

    turn("one", views.messages(failed=1))
    turn("two", views.messages(failed=1))
    turn("two", views.messages(failed=0))
    turn("one", views.messages(failed=0))
    assert [phase for _, phase, _ in boxes["one"].got] == [Phase.FIRING]
    assert [phase for _, phase, _ in boxes["two"].got] == [Phase.RESOLVED]


def test_more_dead_letters_are_told_of_but_not_each_minute(alerter: Alerter, box: Box, clock: Clock) -> None:
    alerter.check(views.messages(failed=1))
    clock.now += 60
    alerter.check(views.messages(failed=2))
    assert box.taken() == [(Rule.DEAD_LETTERS, Phase.FIRING, 1)]
    clock.now += 3600
    alerter.check(views.messages(failed=3))
    alerter.check(views.messages(failed=3))
    assert box.taken() == [(Rule.DEAD_LETTERS, Phase.FIRING, 3)]
    alerter.check(views.messages(failed=1))
    clock.now += 3600
    alerter.check(views.messages(failed=2))
    assert box.taken() == [(Rule.DEAD_LETTERS, Phase.FIRING, 2)]


def test_a_moments_trouble_with_the_journal_is_not_told(alerter: Alerter, box: Box) -> None:
    alerter.check(views.NO_JOURNAL)
    alerter.check(views.WORKING)
    assert box.taken() == []


def test_with_the_journal_lost_nothing_else_is_said_to_be_over(
    alerter: Alerter, box: Box, memory: Kept, lines: Lines
) -> None:
    alerter.check(views.COOLING)
    memory.broken = True
    for _ in range(3):
        alerter.check(replace(views.COOLING, journal_ok=False))
    assert [rule for rule, _, _ in box.taken()] == [Rule.COOLING_TWICE, Rule.JOURNAL]
    assert "alert.not_remembered" in lines.raw
    memory.broken = False
    alerter.check(views.COOLING)
    assert box.taken() == [(Rule.JOURNAL, Phase.RESOLVED, None)]


def test_a_replica_that_stands_by_tells_nothing(alerter: Alerter, box: Box) -> None:
    lease = LeaseView(holder="two", expires_at=views.NOW.replace(year=2030))
    alerter.check(replace(views.HALTED, lease=lease))
    assert box.taken() == []


@given(
    st.lists(
        st.tuples(st.sampled_from([*views.ALL.values(), views.messages(failed=2)]), st.booleans(), st.booleans()),
        max_size=30,
    )
)
def test_whatever_happens_each_channel_gets_firing_and_over_in_turn(steps: list[tuple[StatusView, bool, bool]]) -> None:
    box, memory, clock = Box(), Kept(), Clock()
    alerter = Alerter([box], memory=memory, clock=clock)
    for view, broken, restart in steps:
        clock.now += 30
        box.broken = broken
        if restart:
            alerter = Alerter([box], memory=memory, clock=clock)
        alerter.check(view)
    for rule in Rule:
        phases = [phase for told, phase, _ in box.got if told is rule]
        assert phases[::2] == [Phase.FIRING] * len(phases[::2])
        assert phases[1::2] == [Phase.RESOLVED] * len(phases[1::2])


def test_a_holder_that_does_not_poll_and_says_nothing_is_told_of_by_the_replica_on_standby(
    alerter: Alerter, box: Box, clock: Clock
) -> None:
    """A `once` that somebody left hanging sends no alerts, and holds the lease for ever."""
    for _ in range(5):
        alerter.check(views.LEFT_RUNNING)
    assert box.taken() == [(Rule.NOT_POLLING, Phase.FIRING, 7200)]
    alerter.check(views.STANDING_BY)
    assert box.taken() == [(Rule.NOT_POLLING, Phase.RESOLVED, None)]
    alerter.check(views.STANDING_BY)
    assert box.taken() == []


def test_it_takes_over_the_lease_and_tells_that_it_is_over(alerter: Alerter, box: Box) -> None:
    for _ in range(2):
        alerter.check(views.LEFT_RUNNING)
    box.taken()
    alerter.check(views.WORKING)
    assert box.taken() == [(Rule.NOT_POLLING, Phase.RESOLVED, None)]


@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_of_two_replicas_one_tells_that_the_polls_have_stopped(steps: list[tuple[int, bool, bool]]) -> None:
    """age: seconds since the last good poll. mute: the holder has nobody to tell. dies: the lease changes hands."""
    clock, memory = Clock(), Kept()
    box, unheard = Box(), Box()
    replicas = {name: Alerter([box], memory=memory, clock=clock) for name in ("one", "two")}
    silent = Alerter([unheard], memory=Kept(), clock=clock)
    holder, told = "one", False
    for age, mute, dies in steps:
        if dies:
            holder = "two" if holder == "one" else "one"
        for _ in range(3):  # more checks than a rule must hold for
            for name, alerter in replicas.items():
                lease = LeaseView(holder=holder, expires_at=views.NOW.replace(year=2030))
                view = replace(views.WORKING, replica=name, lease=lease, last_good_poll_at=views.ago(age))
                (silent if mute and name == holder else alerter).check(view)
        rules = [(rule, phase) for rule, phase, _ in box.taken()]
        assert set(rules) <= {(Rule.NOT_POLLING, Phase.FIRING), (Rule.NOT_POLLING, Phase.RESOLVED)}
        if age > 210 + 600:
            assert told or (Rule.NOT_POLLING, Phase.FIRING) in rules, "somebody is told, whoever holds the lease"
        told = (told or (Rule.NOT_POLLING, Phase.FIRING) in rules) and (Rule.NOT_POLLING, Phase.RESOLVED) not in rules
