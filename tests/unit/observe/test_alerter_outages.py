"""Outages of one alert channel of two, restarts and crashes: on the other nothing is lost, and nothing comes twice."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.observe import views
from worker.observe.alerter import Alerter
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.delivery import NotSent
from worker.observe.send_failure import Why
from worker.observe.view import MessagesView, StatusView

LONGEST_WAIT = 600.0
"""Seconds after which the worst channel is tried again."""
COOLING, LETTERS, WAITING = Rule.COOLING_TWICE, Rule.DEAD_LETTERS, Rule.OLDEST_MESSAGE
CONDITIONS = (COOLING, LETTERS, WAITING)


class Killed(BaseException):
    """The process died."""


@dataclass
class Box:
    """A channel. fault: what it does to an alert instead of taking it; lossy: it takes it, and fails to say so."""

    name: str
    got: list[tuple[Rule, Phase]] = field(default_factory=list)
    fault: Callable[[], Exception] | None = None
    lossy: bool = False
    kills: bool = False
    unsaid: set[Rule] = field(default_factory=set)

    def send(self, alert: Alert) -> None:
        if self.kills:
            self.kills = False
            raise Killed
        if self.fault is not None:
            if self.lossy and self.fault not in SAYS_NO:
                self.got.append((alert.rule, alert.phase))
                self.unsaid.add(alert.rule)
            raise self.fault()
        self.got.append((alert.rule, alert.phase))

    def of(self, rule: Rule) -> list[Phase]:
        return [phase for told, phase in self.got if told is rule]


@dataclass
class Memory:
    text: str | None = None

    def load(self) -> str | None:
        return self.text

    def store(self, text: str) -> None:
        self.text = text


def view_of(conditions: set[Rule]) -> StatusView:
    login = views.COOLING.login if COOLING in conditions else views.WORKING.login
    messages = MessagesView(
        failed=int(LETTERS in conditions), pending=1, oldest_pending_seconds=7200 if WAITING in conditions else 0
    )
    return replace(views.WORKING, login=login, messages=messages)


SAYS_NO: tuple[Callable[[], Exception], ...] = (
    lambda: NotSent(451, Why.THROTTLED),
    lambda: NotSent(404, Why.GONE),
    lambda: NotSent(None, Why.UNREACHABLE),
)
"""What is raised for an answer, or where there was no connection: nothing was taken."""
FAULTS = (
    *SAYS_NO,
    lambda: NotSent(None, Why.SLOW),
    lambda: NotSent(None, Why.DROPPED),
    lambda: OSError("lost"),
    lambda: KeyError("a fault of our own"),
)


class Outages(RuleBasedStateMachine):
    """One channel is well, and stands first or last; the other fails, recovers, loses answers and kills the process."""

    @initialize(first=st.booleans())
    def begin(self, first: bool) -> None:
        self.healthy, self.other = Box("healthy"), Box("other")
        self.boxes = [self.healthy, self.other] if first else [self.other, self.healthy]
        self.now = 1_000.0
        self.memory = Memory()
        self.conditions: set[Rule] = set()
        self.expected: dict[Rule, list[Phase]] = {one: [] for one in CONDITIONS}
        self.restart()

    @rule()
    def restart(self) -> None:
        self.alerter = Alerter(self.boxes, memory=self.memory, clock=lambda: self.now)

    @rule(condition=st.sampled_from(CONDITIONS))
    def begins_or_ends(self, condition: Rule) -> None:
        self.conditions ^= {condition}
        self.check()

    @rule(fault=st.sampled_from(FAULTS), lossy=st.booleans())
    def breaks(self, fault: Callable[[], Exception], lossy: bool) -> None:
        self.other.fault, self.other.lossy = fault, lossy

    @rule()
    def recovers(self) -> None:
        self.other.fault = None

    @rule(seconds=st.floats(1, 2 * LONGEST_WAIT))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.check()

    @rule()
    def dies_at_the_next_alert_to_the_other(self) -> None:
        self.other.kills = True

    def check(self) -> None:
        try:
            self.alerter.check(view_of(self.conditions))
        except Killed:
            self.restart()
            self.alerter.check(view_of(self.conditions))
        for one in CONDITIONS:
            told = self.expected[one]
            now = Phase.FIRING if one in self.conditions else Phase.RESOLVED
            if told[-1:] != [now] and (told or now is Phase.FIRING):
                told.append(now)

    @invariant()
    def the_healthy_one_is_told_each_thing_once(self) -> None:
        for one in CONDITIONS:
            assert self.healthy.of(one) == self.expected[one]

    def teardown(self) -> None:
        """Once the other one is well, it soon knows what holds, and of nothing that is over."""
        if not hasattr(self, "alerter"):
            return
        self.other.fault = None
        for _ in range(2):
            self.now += LONGEST_WAIT
            self.check()
        for one in CONDITIONS:
            told = self.other.of(one)[-1:] == [Phase.FIRING]
            # Of what it took without saying so, and was over before the next try, it isn't told the end.
            assert told is (one in self.conditions) or (told and one in self.other.unsaid)
        self.the_healthy_one_is_told_each_thing_once()


Outages.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestOutages = Outages.TestCase


class OutagesAtLength(Outages):
    """The same at length."""


OutagesAtLength.TestCase.settings = settings(max_examples=250, stateful_step_count=60, deadline=None)
TestOutagesAtLength = pytest.mark.slow(OutagesAtLength.TestCase)


def test_an_alert_that_is_refused_for_its_text_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Filter:
        name = "relay"

        def __init__(self) -> None:
            self.got: list[tuple[Rule, Phase]] = []

        def send(self, alert: Alert) -> None:
            if alert.rule in (COOLING, WAITING):
                raise NotSent(554)
            self.got.append((alert.rule, alert.phase))

    now, found, box = [1e9], {COOLING: 1, WAITING: 900, LETTERS: 3}, Filter()
    monkeypatch.setattr("worker.observe.alerter.firing", lambda *_: dict(found))
    alerter = Alerter([box], memory=Memory(), clock=lambda: now[0])

    def pass_by() -> None:
        for _ in range(int(LONGEST_WAIT / 30) + 3):
            alerter.check(views.WORKING)
            now[0] += 30

    pass_by()
    assert box.got == [(LETTERS, Phase.FIRING)]
    del found[LETTERS]
    pass_by()
    assert box.got == [(LETTERS, Phase.FIRING), (LETTERS, Phase.RESOLVED)]
