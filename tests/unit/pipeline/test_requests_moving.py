"""Requests about messages that were being moved as the last run ended, so that the journal doesn't know it."""

from typing import Any

import pytest

from tests.fakes.mailbox import FAILED, INBOX, JUNK, Server, mail
from tests.fakes.world import Killed, World, kind
from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.mailbox.errors import ConnectionLost
from worker.message.outcome import State

AWAY = "Junk of last year"


def ended_as_it_moved(raw: bytes, how: Any, *, moved: bool, **settings: Any) -> World:
    """A world whose last run ended as this message was moved, or just before. how: what ended it; None: a pause."""
    world = World(Server(folders=[AWAY]), **settings)
    world.server.deliver(raw)
    world.server.deliver(mail())

    def end(command: str) -> None:
        if command != "move":
            return
        world.server.before = world.server.after = lambda _name: None
        if how is not None:
            raise how("as it moved")
        Facts(world.database).pause("a person", world.clock())
        world.clock.now += 5

    if moved:
        world.server.after = end
    else:
        world.server.before = end
    world.start()
    world.tick()
    return world


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is moved while the next one's header is still to be read."""
    monkeypatch.setattr("worker.pipeline.header_suspects.HEADS_AT_ONCE", 1)
    monkeypatch.setattr("worker.pipeline.outbox.SETTLE_AT_ONCE", 1)


HOW = pytest.mark.parametrize(
    ("how", "moved"),
    [
        (None, True),
        (Killed, True),
        (ConnectionLost, True),
        (JournalUnavailable, True),
        (Killed, False),
        (ConnectionLost, False),
    ],
)


@HOW
def test_a_dead_letter_is_tried_again_from_where_it_is(how: Any, moved: bool) -> None:
    world = ended_as_it_moved(mail("reject"), how, moved=moved)
    (row,) = [row for row in world.rows() if row.state is State.FAILED]
    assert (row.place.folder, row.is_moving) == (INBOX, True)
    assert len(world.server.all_mail(FAILED)) == int(moved)
    world.retry(row.key)
    Facts(world.database).resume()
    world.drain()
    assert sum(kind(call.raw) == "reject" and call.handler == "notify" for call in world.calls) == 2
    assert world.states() == {State.FAILED: 1, State.HANDLED: 1}
    assert world.balance().unaccounted_keys == ()


@HOW
@pytest.mark.parametrize("junk", [JUNK, AWAY])
def test_junk_is_released_from_where_it_is(how: Any, moved: bool, junk: str) -> None:
    """Also from a folder that nobody watches."""
    world = ended_as_it_moved(mail(junk=True), how, moved=moved, junk=junk)
    (row,) = [row for row in world.rows() if row.state is State.JUNK]
    assert (row.place.folder, row.is_moving) == (INBOX, True)
    world.release(row.key)
    Facts(world.database).resume()
    world.drain()
    assert world.states() == {State.HANDLED: 2}
    assert world.balance().unaccounted_keys == ()
