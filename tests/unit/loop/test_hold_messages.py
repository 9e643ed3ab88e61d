"""What becomes of messages in hand at a stop, at the end, and when the lease is lost."""

import pytest

from tests.fakes.checks import Logged
from tests.fakes.mailbox import INBOX, JUNK, PROCESSED, mail
from tests.fakes.world import World
from worker.message.outcome import State


def test_a_stop_records_and_settles_what_is_in_hand(world: World) -> None:
    world.hold = True
    world.start()
    for _ in range(3):
        world.server.deliver(mail())
    world.tick()
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.tick()
    world.lease_hold.stop()
    world.end_hang()
    world.lease_hold.end(10.0)
    assert world.states() == {State.HANDLED: 4}
    assert len(world.server.folders[PROCESSED].mails) == 4


@pytest.mark.parametrize("grace", [0.5, 10.0])
def test_a_stop_waits_for_a_handler_that_returns_within_the_grace_period(
    world: World, grace: float, logged: Logged
) -> None:
    world.hung.add("slow")
    world.start()
    world.server.deliver(mail("slow"))
    world.tick()
    waits: list[float] = []

    def slowly(wait: float) -> None:
        """The first wait is broken off; during the second the handler returns."""
        waits.append(wait)
        world.clock.now += grace * 0.4
        if len(waits) == 2:
            world.end_hang()

    world.hands.asked = slowly
    world.lease_hold.end(grace)
    assert waits == [pytest.approx(grace), pytest.approx(grace * 0.6, rel=1e-4)]
    assert world.states() == {State.HANDLED: 1}
    assert len(world.server.folders[PROCESSED].mails) == 1
    assert logged("worker.left_in_hand") == []


def test_a_stop_tells_how_many_are_left_in_hand(world: World, logged: Logged) -> None:
    world.hung.add("slow")
    world.start()
    for kind in ("slow", "ok", "slow"):
        world.server.deliver(mail(kind))
    world.tick()
    world.lease_hold.end(0.0)
    (line,) = logged("worker.left_in_hand")
    assert (line["count"], line["log_level"]) == (2, "error")
    slow = [row.key for row in world.rows() if row.in_hand is not None]
    assert sorted(line["keys"].split(", ")) == sorted(slow)


def test_without_the_lease_nothing_is_done(world: World) -> None:
    world.server.deliver(mail())
    world.lease.held = False
    for _ in range(3):
        world.tick()
    assert world.rows() == []
    assert world.server.sessions == 0
    world.lease.held = True
    world.tick()
    assert world.states() == {State.HANDLED: 1}


def test_nothing_is_kept_of_what_was_in_hand_when_the_lease_was_lost(world: World) -> None:
    """Nor is it settled from where it lay then."""
    world.hung = {"ok"}
    one = world.server.deliver(mail())
    world.tick()
    world.server.move(one, JUNK)
    world.tick()
    world.lease.held = False
    world.tick()
    world.hung = set()
    world.server.move(one, INBOX)
    world.lease.held = True
    world.tick()
    world.tick()
    assert world.states() == {State.HANDLED: 1}
    assert len(world.server.folders[PROCESSED].mails) == 1
