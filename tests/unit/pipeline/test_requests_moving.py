"""Requests about messages that were being moved as the last run ended, so that the journal doesn't know it."""

from typing import Any

import pytest

from tests.fakes.mailbox import FAILED, INBOX, JUNK, Server, mail
from tests.fakes.world import Killed, World, kind
from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.mailbox.errors import CommandRefused, ConnectionLost
from worker.message.outcome import State
from worker.message.verdict import MailPath

AWAY = "Junk of last year"
LATER = 1_700_000_900.0
"""When other mail arrived (epoch s)."""


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


@pytest.mark.parametrize("refused", [False, True])
def test_junk_that_came_back_as_it_was_released_is_brought_back(refused: bool) -> None:
    """Its move is in flight when the request is carried out. refused: the server refuses it at first."""
    world = World()
    world.hung = {"slow"}
    world.start()
    world.server.deliver(mail("slow", junk=True))
    world.tick()
    (row,) = world.rows()
    world.release(row.key)
    moves: list[str] = []

    def refuse(command: str) -> None:
        moves.extend([command] if command == "move" else [])
        if refused and moves == ["move"]:
            moves.append("refused")
            raise CommandRefused("no")

    world.server.before = refuse
    world.end_hang()
    world.tick()
    assert moves.count("move") == 3 + int(refused)  # to the junk folder, back, and to where handled mail goes
    assert {call.folder for call in world.calls if call.path is MailPath.CLEAN} == {INBOX}
    assert world.states() == {State.HANDLED: 1}
    assert world.balance().unaccounted_keys == ()


def test_a_dead_letter_whose_old_folder_was_renumbered_is_tried_again_from_where_it_is() -> None:
    """And not from where other mail with its headers lies now."""
    world = ended_as_it_moved(mail("reject", serial=7001), Killed, moved=True)
    (row,) = [row for row in world.rows() if row.state is State.FAILED]
    world.server.deliver(mail(serial=7001, body=b"another result\r\n"), received_at=LATER)
    world.server.renumber(INBOX)
    world.retry(row.key)
    world.drain()
    tries = [call.key for call in world.calls if kind(call.raw) == "reject" and call.handler == "notify"]
    assert tries == [row.key] * 2
    assert world.states() == {State.FAILED: 1, State.HANDLED: 2}
    assert world.balance().unaccounted_keys == ()


def test_a_request_settles_no_other_message_by_its_headers_alone() -> None:
    """Mail that came meanwhile would be moved in its place, and nobody would handle it."""
    world = World()
    world.server.deliver(mail("reject"), nailed=True)
    world.start()
    world.tick()
    (dead,) = world.rows()
    assert dead.is_moving
    world.server.deliver(mail(serial=7001))

    def end(command: str) -> None:
        if command == "move":
            world.server.after = lambda _name: None
            raise Killed("as it moved")

    world.server.after = end
    world.tick()
    other = mail(serial=7001, body=b"another result\r\n")
    world.server.deliver(other, received_at=LATER)
    world.server.renumber(INBOX)
    world.retry(dead.key)
    world.drain()
    assert [call.handler for call in world.calls if call.raw == other] == ["archive", "notify"]
    assert world.states() == {State.FAILED: 1, State.HANDLED: 2}
    assert world.balance().unaccounted_keys == ()
