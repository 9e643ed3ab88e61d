"""Warnings before something expires, each once: for a password as before, and over a year and a half for everything."""

from collections import Counter, defaultdict
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.journal import Texts
from tests.unit.login.expiry_world import START, Year, warn_of, window
from tests.unit.login.world import World
from worker.login.advice import moment
from worker.login.expiry import TABLE, Found, Plan, Thing, Way
from worker.login.expiry_watch import ExpiryWatch, noted
from worker.login.password_policy import DAY


def watch(world: World, memory: Texts, which: int = 0, **plan: Any) -> ExpiryWatch:
    """A watch of a process of this world, whose password the guard knows."""
    return ExpiryWatch(
        Plan(Way("password"), **plan),
        installation="worker-1",
        login=world.processes[which][1],
        files=cast("Any", SimpleNamespace(found=lambda _before: Found())),
        memory=memory,
        notify=lambda event, fields: world.events.append((event, fields)),
        clock=lambda: world.now,
    )


def test_nothing_is_told_of_a_password_that_nobody_has_seen() -> None:
    world = World()
    watch(world, Texts()).look()
    assert world.events == []


def test_a_passwords_end_is_told_with_what_to_do() -> None:
    changed = START - 5 * DAY
    world = World(changed=changed, max_age=30 * DAY)
    world.now += 20 * DAY
    watch(world, Texts(), password_changed=changed, password_lasts=30 * DAY, password_warn=14 * DAY).look()
    ends = {"days_left": 5, "expires_at": moment(world.now + 5 * DAY)}
    assert world.events == [("password.expiring", {**ends, "what": "password", "advice": TABLE[Thing.PASSWORD].do})]


def test_each_warning_comes_once_over_restarts_and_replicas() -> None:
    world, memory = World(), Texts()
    world.login(0)
    world.events.clear()
    world.now += 75 * DAY
    for hour in range(18 * 24):
        watch(world, memory, hour % 2, password_warn=14 * DAY).look()
        if hour % 50 == 0:
            world.processes = [world.start(), world.start()]
        world.now += DAY / 24
    warned = [fields["days_left"] for name, fields in world.events if name == "password.expiring"]
    assert warned == [14, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2, -3]


def test_a_secret_is_told_of_from_a_month_before_and_daily_in_the_last_week() -> None:
    told: list[object] = []
    now = [START]
    memory = Texts()
    for _ in range(40 * 24):
        looks = ExpiryWatch(
            Plan(Way("oauth2-client", has_secret=True), secret_expires=START + 38 * DAY),
            installation="worker-1",
            login=cast("Any", SimpleNamespace(status=lambda: SimpleNamespace(age=None))),
            files=cast("Any", SimpleNamespace(found=lambda _before: Found())),
            memory=memory,
            notify=lambda event, fields: told.append((event, fields["what"], fields["days_left"])),
            clock=lambda: now[0],
        )
        looks.look()
        now[0] += 3600
    days = [30, 21, 14, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2]
    assert told == [("credential.expiring", "client-secret", number) for number in days]


def test_what_the_files_say_is_noted_for_those_who_only_read() -> None:
    memory = Texts()
    assert noted(memory, "worker-1") == Found()
    found = Found(certificate_ends=START + DAY, sign_in="a", signed_in_at=START, used_at=START)
    ExpiryWatch(
        Plan(Way("oauth2-browser", has_certificate=True)),
        installation="worker-1",
        login=cast("Any", SimpleNamespace(status=lambda: SimpleNamespace(age=None))),
        files=cast("Any", SimpleNamespace(found=lambda _before: found)),
        memory=memory,
        notify=lambda _event, _fields: None,
        clock=lambda: START,
    ).look()
    assert noted(memory, "worker-1") == found
    assert noted(memory, "worker-2") == Found(), "another host has files of its own"
    memory.remember("expiry.found.worker-1", '{"unheard": 1}')
    assert noted(memory, "worker-1") == Found()
    memory.remember("expiry.found.worker-1", "no JSON")
    assert noted(memory, "worker-1") == Found()


@given(seed=st.integers(0, 2**40))
@settings(max_examples=40)
def test_in_a_year_and_a_half_nothing_expires_untold_and_nothing_is_told_twice(seed: int) -> None:
    """Whatever is renewed, restarted, killed or down meanwhile, and with two replicas on one journal."""
    year = Year(seed)
    year.run()
    told: Counter[object] = Counter()
    first_told: dict[object, float] = {}
    again: Counter[object] = Counter()
    for one in year.tellings:
        expiry = cast("Any", SimpleNamespace(thing=one.thing, expires_at=one.expires_at))
        of = window(expiry, one.at, warn_of(expiry, year.plan))
        assert of is not None, "told too early"
        assert one.days_left == (one.expires_at - one.at) // DAY
        told[of] += 1
        again[of] += one.killed
        first_told.setdefault(of, one.at)
    looked: dict[object, list[float]] = defaultdict(list)
    for at, found in year.looks:
        for each in found:
            if each.expires_at is not None and (of := window(each, at, warn_of(each, year.plan))) is not None:
                looked[of].append(at)
    for stretch, times in looked.items():
        if stretch in year.told_astray:
            continue
        assert told[stretch] >= 1, "expires unseen"
        assert first_told[stretch] <= times[0], "told late"
    assert all(number <= 1 + again[stretch] + year.may_repeat[stretch] for stretch, number in told.items()), (
        "told too often"
    )
