"""What is settled when, and on which connection."""

from typing import Any

import pytest

from tests.fakes.mailbox import PROCESSED, mail
from tests.fakes.world import World
from worker.message.outcome import State


@pytest.fixture
def world() -> World:
    return World()


def test_an_end_without_anything_to_settle_asks_the_server_for_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a dead line the answer would never come."""
    world.server.deliver(mail())
    world.tick()
    session: Any = world.connector.current()
    assert session.idling
    monkeypatch.setattr(session, "idle_done", lambda: pytest.fail("asked the server"))
    world.lease_hold.end(1.0)
    assert world.states() == {State.HANDLED: 1}


def test_an_end_settles_on_a_connection_that_idles(world: World) -> None:
    world.hold = True
    world.start()
    world.server.deliver(mail("slow"))
    world.hung.add("slow")
    world.tick()
    assert world.connector.current().idling  # type: ignore[union-attr] # it is there
    world.hung.clear()
    world.hands.end_hang()
    world.lease_hold.end(1.0)
    assert len(world.server.all_mail(PROCESSED)) == 1
