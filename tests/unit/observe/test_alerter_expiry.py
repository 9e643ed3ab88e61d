"""Alerts on what expires: each warning once by each channel, over a year and a half."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.journal import Texts
from tests.unit.login.expiry_world import Year, warn_of, window
from tests.unit.observe import views
from worker.login.expiry import Thing
from worker.login.expiry_watch import noted
from worker.observe.alerter import Alerter
from worker.observe.alerts import EXPIRING, Alert, Phase, Rule
from worker.observe.delivery import NotSent
from worker.observe.expiry_plan import expiry_views
from worker.observe.view import StatusView

THINGS = {rule: thing for thing, rule in EXPIRING.items()}


class Channel:
    """Takes alerts, or is out of order."""

    name = "box"

    def __init__(self) -> None:
        self.got: list[tuple[Rule, Phase, object]] = []
        self.works = True

    def send(self, alert: Alert) -> None:
        if not self.works:
            raise NotSent
        self.got.append((alert.rule, alert.phase, alert.number))


class Told:
    """What was sent, in the journal."""

    def __init__(self, memory: Texts) -> None:
        self._memory = memory

    def load(self) -> str | None:
        return self._memory.recall("alerts")

    def store(self, text: str) -> None:
        self._memory.remember("alerts", text)


@pytest.mark.parametrize("thing", Thing)
@pytest.mark.parametrize("restarts", [False, True])
def test_the_alert_comes_on_each_day_of_the_last_week_and_is_over_when_it_is_renewed(
    thing: Thing, *, restarts: bool
) -> None:
    channel, memory, now = Channel(), Texts(), [0.0]

    def start() -> Alerter:
        return Alerter([channel], memory=Told(memory), clock=lambda: now[0])

    alerter = start()
    for quarter in range(4 * 33, -10, -1):
        alerter = start() if restarts else alerter
        alerter.check(view_of(thing, quarter / 4))
        now[0] += 6 * 3600
    days = [30, 21, 14, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2, -3]
    assert channel.got == [(EXPIRING[thing], Phase.FIRING, number) for number in days]
    channel.got.clear()
    alerter.check(view_of(thing, 400))
    alerter.check(view_of(thing, 2.5))
    assert channel.got == [(EXPIRING[thing], Phase.RESOLVED, None), (EXPIRING[thing], Phase.FIRING, 2)]


def view_of(thing: Thing, days: float) -> StatusView:
    """So many days before one and the same end."""
    one = replace(views.expiring(days, thing), expires_at=views.NOW)
    return StatusView(account=views.WORKING.account, now=views.NOW, expiries=(one,))


def test_what_an_earlier_program_has_sent_is_understood() -> None:
    channel, memory = Channel(), Texts()
    memory.remember("alerts", '{"box": {"password-expiring": [14, 5.0], "halted": [3, 6.0]}}')
    view = replace(views.HALTED, expiries=(views.expiring(3),))
    Alerter([channel], memory=Told(memory), clock=lambda: 10.0).check(view)
    assert channel.got == [(Rule.COOLING_TWICE, Phase.FIRING, 5), (Rule.PASSWORD_EXPIRING, Phase.FIRING, 3)]
    channel.got.clear()
    Alerter([channel], memory=Told(memory), clock=lambda: 20.0).check(view)
    assert channel.got == []


@given(seed=st.integers(0, 2**40))
@settings(max_examples=25)
def test_in_a_year_and_a_half_each_warning_is_alerted_once_though_the_channel_fails(seed: int) -> None:
    year, channel = Year(seed), Channel()
    told: Counter[object] = Counter()
    due_at: dict[object, float] = {}
    first: dict[object, float] = {}
    astray: set[object] = set()
    alerters: list[tuple[int, Alerter]] = []

    def alert() -> None:
        channel.works = year.random.random() < 0.9
        if not alerters or alerters[-1][0] != year.restarts:
            alerters.append((year.restarts, Alerter([channel], memory=Told(year.memory), clock=lambda: year.now)))
        found = noted(year.memory, "worker-1")
        shown = expiry_views(year.plan, year.age(), found, year.now)
        at = datetime.fromtimestamp(year.now, UTC)
        alerters[-1][1].check(StatusView(account=views.WORKING.account, now=at, expiries=shown))
        ends = {one.thing: one for one in year.expected()}
        for rule, phase, number in channel.got:
            one = ends[THINGS[rule]]
            of = window(one, year.now, warn_of(one, year.plan))
            if year.is_astray:
                astray.add(of)
            elif phase is Phase.FIRING:
                assert of is not None, "alerted too early"
                assert number == one.days_left
                told[of] += 1
                first.setdefault(of, year.now)
        channel.got.clear()
        for one in () if year.is_astray else ends.values():
            of = None if one.expires_at is None else window(one, year.now, warn_of(one, year.plan))
            if of is not None and channel.works:
                due_at.setdefault(of, year.now)

    year.run(alert)
    assert due_at.keys() - astray <= told.keys(), "expires unseen"
    assert told.keys() <= due_at.keys(), "alerted by a channel that didn't work"
    assert all(number <= 1 + year.may_repeat[of] for of, number in told.items()), "alerted too often"
    assert all(first[of] <= at for of, at in due_at.items() if of not in astray), "alerted late"
