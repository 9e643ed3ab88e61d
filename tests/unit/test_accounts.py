"""The account of messages where things meet: what people do, what servers do, and when the worker writes it down."""

import io

import pytest

from tests.fakes.mailbox import Server, mail
from tests.fakes.world import World
from worker.observe import configure_logging
from worker.outcome import State

DAY = 86_400.0
KEEP = 400 * DAY


@pytest.fixture(autouse=True)
def quiet() -> None:
    configure_logging(level="error", format="json", stream=io.StringIO(), hooks=False)


@pytest.fixture(params=[("MOVE", "UIDPLUS", "IDLE"), ("UIDPLUS", "IDLE")], ids=["move", "uidplus"])
def world(request: pytest.FixtureRequest) -> World:
    return World(Server(capabilities=request.param))


def handed(world: World, handler: str = "archive") -> list[str]:
    return [call.key for call in world.calls if call.handler == handler]


def assert_balanced(world: World) -> None:
    balance = world.balance()
    assert (balance.unaccounted, balance.missing) == (0, 0)
    assert balance.seen == len(world.rows())


def test_a_clock_that_was_ahead_for_a_while_keeps_nothing_waiting(world: World) -> None:
    world.server.deliver(mail("twice"))
    world.clock.now += 3650 * DAY
    world.tick()
    world.clock.now -= 3650 * DAY
    for _ in range(20):
        world.tick(4000)
    assert world.states() == {State.HANDLED: 1}
