"""Mail under a forged name, in any mixture, doesn't delay mail whose sender the provider confirmed."""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fakes.world import World
from tests.unit.pipeline.machines import quietly
from tests.unit.pipeline.timeline import EVERY, Timeline
from worker.pipeline.order import OrderRules

RULES = OrderRules(wait=60.0, retry_wait=600.0)


@dataclass(frozen=True)
class Arrival:
    """A message: how many seconds after the one before it, whether it is forged, and what becomes of it."""

    after: float
    forged: bool
    kind: str
    hidden: str
    confirmed: bool | None


AFTER = st.sampled_from([0.0, 0.0, 1.0, 5.0, 30.0, 59.0, 60.0, 61.0, 200.0])
FORGED = st.builds(
    Arrival,
    after=AFTER,
    forged=st.just(True),
    kind=st.sampled_from(["ok", "twice", "retry", "always", "reject", "slow", "poison", "unroutable"]),
    hidden=st.sampled_from(["", "scan", "bodiless"]),
    confirmed=st.sampled_from([False, None]),
)
GENUINE = st.builds(
    Arrival, after=AFTER, forged=st.just(False), kind=st.just("ok"), hidden=st.just(""), confirmed=st.just(True)
)
RESTART = "restart"


def play(line: Timeline, arrivals: list[Arrival | str]) -> list[str]:
    """Let this mail come. Returns the keys of what is genuine, in order."""
    world, genuine = line.world, []
    world.hung.add("slow")
    world.start()
    for one in arrivals:
        if isinstance(one, str):
            world.start()
            continue
        line.wait(one.after)
        key = line.deliver(one.kind, hidden=one.hidden, confirmed=one.confirmed)
        if not one.forged:
            genuine.append(key)
    line.wait(2 * RULES.wait)
    return genuine


def few(wanted: int) -> settings:
    return settings(
        max_examples=wanted, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )


def none_is_delayed(arrivals: list[Arrival | str]) -> None:
    """What is genuine is handled in its order, and none of it waits longer than for placeholders."""
    quietly()
    line = Timeline(World(order={"all": RULES}))
    genuine = play(line, arrivals)
    assert [key for key in line.order if key in genuine] == genuine
    assert all(line.waited(key) <= RULES.wait for key in genuine), [line.waited(key) for key in genuine]
    line.world.database.close()


ANY_FORGERY = st.lists(FORGED | GENUINE | st.just(RESTART), min_size=1, max_size=25)


@pytest.mark.slow
@pytest.mark.timeout(600)
@few(25)
@given(ANY_FORGERY)
def test_forged_mail_never_delays_confirmed_mail(arrivals: list[Arrival | str]) -> None:
    none_is_delayed(arrivals)


def test_a_message_that_ends_the_process_beside_one_that_hangs_delays_nothing_genuine() -> None:
    """Beside a call that hangs it never dies alone, so it ends only once all its tries are spent."""
    none_is_delayed(
        [
            Arrival(after=0.0, forged=True, kind="twice", hidden="", confirmed=False),
            Arrival(after=61.0, forged=True, kind="slow", hidden="", confirmed=None),
            Arrival(after=1.0, forged=True, kind="poison", hidden="", confirmed=False),
            Arrival(after=200.0, forged=False, kind="ok", hidden="", confirmed=True),
        ]
    )


@pytest.mark.long
@pytest.mark.timeout(7200)
@few(1000)
@given(ANY_FORGERY)
def test_forged_mail_never_delays_confirmed_mail_at_length(arrivals: list[Arrival | str]) -> None:
    none_is_delayed(arrivals)


UNSAID = st.builds(
    Arrival,
    after=AFTER,
    forged=st.just(True),
    kind=st.sampled_from(["ok", "reject"]),
    hidden=st.sampled_from(["", "scan", "scan", "bodiless"]),
    confirmed=st.none(),
)


PLACEHOLDERS = st.lists(
    UNSAID | st.just(Arrival(7.0, False, "ok", "", None)) | st.just(RESTART), min_size=1, max_size=25
)


@pytest.mark.slow
@pytest.mark.timeout(600)
@few(25)
@given(PLACEHOLDERS)
def test_where_the_provider_says_nothing_placeholders_delay_by_the_routes_wait(arrivals: list[Arrival | str]) -> None:
    none_is_delayed(arrivals)


@pytest.mark.long
@pytest.mark.timeout(7200)
@few(1000)
@given(PLACEHOLDERS)
def test_where_the_provider_says_nothing_placeholders_delay_by_the_routes_wait_at_length(
    arrivals: list[Arrival | str],
) -> None:
    none_is_delayed(arrivals)


def test_a_row_of_placeholders_delays_by_the_routes_wait() -> None:
    quietly()
    line = Timeline(World(order={"all": RULES}))
    line.deliver(hidden="scan")
    for _ in range(60):
        line.queue(hidden="scan")
    genuine = [line.queue(confirmed=confirmed) for confirmed in (None, True)]
    line.wait(RULES.wait + EVERY)
    assert [line.waited(key) for key in genuine] == [RULES.wait, 0]
