"""A handler that hangs is waited for once and stops nobody; deaths beside it aren't its own."""

import io

from tests.fakes.checks import Logged, handed
from tests.fakes.mailbox import INBOX, PROCESSED, mail
from tests.fakes.world import DEATHS, World
from worker.logs.log import configure as configure_logging
from worker.message.outcome import State


def test_a_message_that_hangs_does_not_stop_others_and_is_not_settled(world: World) -> None:
    world.hung.add("slow")
    world.start()
    slow = world.server.deliver(mail("slow"))
    world.tick()
    world.server.deliver(mail())
    world.tick()
    assert world.states() == {State.HANDLED: 1, State.PENDING: 1}
    assert world.server.find(slow) == (INBOX, 1)
    world.end_hang()
    world.drain()
    assert world.states() == {State.HANDLED: 2}
    assert len(handed(world)) == 2


def test_suspects_are_tried_one_at_a_time_beside_a_message_that_hangs(world: World) -> None:
    world.hold = True
    world.poison = lambda message: b"X-Kind: later" in message.raw and world.deaths == 0
    world.start()
    world.server.deliver(mail("slow"))
    world.server.deliver(mail("later"))
    world.server.deliver(mail())
    world.tick()
    assert world.deaths == 1
    world.hung.add("slow")
    world.hands.most = 0
    for _ in range(3):
        world.tick()
    assert world.hands.most == 2
    assert world.states() == {State.HANDLED: 2, State.PENDING: 1}
    world.hands.hold = False
    world.end_hang()
    world.drain()
    assert world.states() == {State.HANDLED: 3}


def test_what_hangs_is_waited_for_once(world: World) -> None:
    world.hung.add("slow")
    world.start()
    waits: list[float] = []

    def count(wait: float) -> None:
        if wait > 0:
            waits.append(wait)

    world.hands.asked = count
    world.server.deliver(mail("slow"))
    world.tick()
    assert len(waits) == 1
    for _ in range(3):
        world.server.deliver(mail())
        world.tick()
    assert len(waits) == 1
    assert world.states() == {State.HANDLED: 3, State.PENDING: 1}
    world.end_hang()
    world.drain()
    assert world.states() == {State.HANDLED: 4}


def test_a_handler_that_returns_after_others_is_waited_for(world: World, logged: Logged) -> None:
    for _ in range(5):
        world.server.deliver(mail())
    world.hands.one_at_a_time = True
    world.tick()
    assert world.states() == {State.HANDLED: 5}
    assert len(world.server.folders[PROCESSED].mails) == 5
    assert logged("handler.stuck") == []


def test_that_other_mail_goes_on_without_it_calls_nothing_stuck(world: World, logged: Logged) -> None:
    world.hung.add("slow")
    world.start()
    for kind in ("slow", "ok", "slow"):
        world.server.deliver(mail(kind))
    world.tick()
    assert world.states() == {State.HANDLED: 1, State.PENDING: 2}
    assert logged("handler.stuck") == []


def test_a_death_beside_a_message_that_hangs_counts_for_the_one_that_was_tried(world: World) -> None:
    world.hold = True
    world.poison = lambda message: b"X-Kind: later" in message.raw
    world.start()
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.server.deliver(mail("later"))
    for _ in range(4 * DEATHS):
        world.tick()
    assert world.states() == {State.FAILED: 1, State.PENDING: 1}
    world.hands.hold = False
    world.end_hang()
    world.drain()
    assert world.states() == {State.FAILED: 1, State.HANDLED: 1}


def test_stops_beside_a_message_that_hangs_are_no_deaths(world: World) -> None:
    world.hung.add("slow")
    slow = world.server.deliver(mail("slow"))
    world.tick()
    for _ in range(DEATHS + 2):
        world.lease_hold.end(0.0)
        world.start()
        world.tick()
    assert [(row.state, row.deaths) for row in world.rows()] == [(State.PENDING, 0)]
    assert world.server.find(slow) == (INBOX, 1)


def test_a_death_beside_others_that_were_handed_over_is_not_counted_for_what_hangs_alone(world: World) -> None:
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.tick()
    world.start()  # killed: the slow one is tried alone, and hangs
    world.poison = lambda message: b"X-Kind: bad" in message.raw
    world.server.deliver(mail("bad"))
    world.tick()
    assert world.deaths == 1
    world.tick()
    assert [row.deaths for row in world.rows()] == [0, 0]


def test_a_death_alone_counts_however_long_it_took(world: World) -> None:
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.tick()
    for _ in range(DEATHS + 2):
        world.start()  # killed by it, long after it was given up waiting for
        world.tick()
    assert world.states() == {State.FAILED: 1}


def test_a_wait_that_a_stop_ends_is_no_hang(world: World) -> None:
    log = io.StringIO()
    configure_logging(level="error", format="json", stream=log, hooks=False)
    world.hung.add("slow")
    world.server.deliver(mail("slow"))

    def stop_meanwhile(wait: float) -> None:
        if wait > 0:
            world.lease_hold.stop()

    world.hands.asked = stop_meanwhile
    world.tick()
    assert "handler.stuck" not in log.getvalue()


def test_a_call_that_has_not_returned_does_not_make_one_poll_follow_the_other() -> None:
    world = World()
    world.hung.add("slow")
    world.start()
    world.server.deliver(mail("slow"))
    world.tick()
    assert len(world.hands) == 1
    assert world.tick() is None  # the usual time: the call's end wakes the schedule
    world.end_hang()
    world.tick(0)
    assert world.states() == {State.HANDLED: 1}
