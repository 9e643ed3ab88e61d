"""Moves in flight, and mail with the same headers that is admitted meanwhile: it is a message of its own."""

import pytest

from tests.fakes.mailbox import Server, mail
from tests.fakes.world import World
from worker.message.outcome import State


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("copyuid", [False, True])
@pytest.mark.parametrize("pipelines", [False, True])
def test_the_same_mail_sent_again_is_handled_although_the_first_is_just_being_moved(
    monkeypatch: pytest.MonkeyPatch, pipelines: bool, copyuid: bool, at_once: int
) -> None:
    """Whether or not the server says where it moves messages to."""
    monkeypatch.setattr("worker.pipeline.header_suspects.HEADS_AT_ONCE", at_once)
    monkeypatch.setattr("worker.pipeline.outbox.SETTLE_AT_ONCE", 1)
    server = Server()
    server.pipelines, server.copyuid = pipelines, copyuid
    world = World(server)
    again = mail()
    for raw in (again, mail(), mail(), again, mail(), mail(), mail(), again):
        server.deliver(raw)
    world.drain()
    assert len({call.key for call in world.calls if call.raw == again}) == 3
    assert world.states() == {State.HANDLED: 8}
    balance = world.balance()
    assert (balance.seen, balance.unaccounted_keys) == (8, ())
