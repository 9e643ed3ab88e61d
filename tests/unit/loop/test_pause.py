"""A pause: nothing is handed over or moved until it ends, and nothing is lost by it."""

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import PROCESSED, mail
from tests.fakes.world import World
from worker.journal.facts import Facts
from worker.loop.drain import Drained, Paused
from worker.message.message import Message
from worker.message.outcome import State


def test_paused_nothing_is_handed_over_and_resumed_all_is(world: World) -> None:
    facts = Facts(world.database)
    facts.pause("a person", 0.0)
    world.server.deliver(mail())
    for _ in range(3):
        world.tick()
    assert world.rows() == []
    facts.resume()
    world.tick()
    assert world.states() == {State.HANDLED: 1}


def pause_at(world: World, calls: int) -> Facts:
    """A person pauses while the n-th message is with its handlers."""
    facts = Facts(world.database)
    begun: list[str] = []

    def pause(message: Message) -> None:
        begun.append(message.key)
        if len(begun) == calls:
            facts.pause("a person", world.clock())
            world.clock.now += 2

    world.begun = pause
    return facts


def test_a_pause_holds_in_the_midst_of_a_poll(world: World) -> None:
    for _ in range(30):
        world.server.deliver(mail())
    facts = pause_at(world, 5)
    world.tick()
    assert len(handed(world)) <= 2 * world.bounds.batch_count  # what was fetched is with the handlers
    assert not world.server.folders[PROCESSED].mails
    for _ in range(3):
        world.tick()
    done = world.states()[State.HANDLED]
    assert done == len(handed(world))  # what came of them is written down, and nothing is moved
    assert not world.server.folders[PROCESSED].mails
    assert world.server.sessions == 1

    facts.resume()
    world.drain()
    assert len(handed(world)) == 30
    assert_balanced(world, handled=30, missing=0)


def test_a_drain_that_is_paused_says_so(world: World) -> None:
    for _ in range(30):
        world.server.deliver(mail())
    pause_at(world, 5)
    with pytest.raises(Paused):
        world.mailbox_drain.run(Drained())
    world.lease_hold.end(10.0)
    assert world.states()[State.HANDLED] == len(handed(world)) <= 2 * world.bounds.batch_count
    assert not world.server.folders[PROCESSED].mails


def test_a_stop_while_paused_records_what_was_in_hand_and_moves_nothing(world: World) -> None:
    world.hold = True
    world.start()
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.tick()
    facts = Facts(world.database)
    facts.pause("a person", world.clock())
    world.clock.now += 2
    world.end_hang()
    world.lease_hold.end(10.0)
    assert world.states() == {State.HANDLED: 1}
    assert not world.server.folders[PROCESSED].mails

    facts.resume()
    world.start()
    world.drain()
    assert len(handed(world)) == 1
    assert_balanced(world, handled=1, missing=0)


def test_in_a_pause_what_comes_back_is_recorded_and_the_rest_is_not_waited_for(world: World) -> None:
    world.hung.add("slow")
    world.start()
    world.server.deliver(mail("slow"))
    world.tick()
    Facts(world.database).pause("a person", world.clock())
    waits: list[float] = []
    world.hands.asked = waits.append
    world.tick()
    assert world.states() == {State.PENDING: 1}
    world.end_hang()
    world.tick()
    assert world.states() == {State.HANDLED: 1}
    assert waits == [0, 0]
    assert not world.server.folders[PROCESSED].mails
