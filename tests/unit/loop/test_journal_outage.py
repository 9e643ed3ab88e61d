"""That the journal can't be used is logged once for each reason, and again after an hour; in simulated time."""

from typing import Any

from tests.fakes.checks import Logged
from tests.fakes.mailbox import mail
from tests.fakes.world import Fault, World
from tests.unit.loop.world import Parts
from worker.journal.database import JournalUnavailable
from worker.loop.cycle import STANDBY
from worker.loop.journal_outage import AGAIN_AFTER, JournalOutage

FULL = JournalUnavailable("database or disk is full")
AWAY = JournalUnavailable("connection refused")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def reasons(logged: Logged) -> list[Any]:
    return [line["reason"] for line in logged("journal.unavailable")]


def test_it_is_logged_once_until_the_reason_changes_or_it_is_over(logged: Logged) -> None:
    outage = JournalOutage(Clock())
    for error in (FULL, FULL, AWAY, FULL, AWAY):
        outage.met(error)
    assert reasons(logged) == ["disk-full", "server-away"]
    outage.over()
    outage.met(FULL)
    assert reasons(logged) == ["disk-full", "server-away", "disk-full"]


def test_it_is_logged_again_each_hour_while_it_lasts(logged: Logged) -> None:
    clock = Clock()
    outage = JournalOutage(clock)
    for _ in range(3 * int(AGAIN_AFTER / STANDBY)):
        outage.met(FULL)
        clock.now += STANDBY
    assert len(reasons(logged)) == 3


def test_the_line_says_what_to_do(logged: Logged) -> None:
    JournalOutage(Clock()).met(FULL)
    (line,) = logged("journal.unavailable")
    assert line["advice"] == "Free space on the disk of the folder of `[state] dir`."


def test_a_day_without_a_journal_is_logged_once_an_hour_whoever_meets_it(logged: Logged) -> None:
    """Runs, notes, heartbeats and looks at what expires all meet it."""
    parts = Parts([FULL] * 20_000, look_fails=FULL)
    cycle = parts.cycle()
    while parts.now < 24 * AGAIN_AFTER - 1:
        wait = cycle()
        parts.fails["renew"] = FULL
        parts.hold.heartbeat()
        assert wait == STANDBY
        parts.now += wait
    assert len(reasons(logged)) == 24


def test_the_next_outage_is_logged_at_once(world: World, logged: Logged) -> None:
    world.tick()
    for told in (1, 1, 2):
        world.server.deliver(mail())
        if told == 2:
            world.faults.planned = None
            world.tick()  # it goes well
            world.server.deliver(mail())
        world.faults.planned = Fault(0, False, JournalUnavailable)
        world.tick()
        assert len(reasons(logged)) == told
    assert [line["trouble"] for line in logged("worker.recovered")] == ["journal"]


def test_a_replica_on_standby_that_reaches_the_journal_has_no_outage(logged: Logged) -> None:
    parts = Parts(held=False)
    cycle = parts.cycle()
    for fails in (True, False, True):
        if fails:
            parts.fails["acquire"] = AWAY
        assert cycle() == STANDBY
    assert reasons(logged) == ["server-away", "server-away"]
