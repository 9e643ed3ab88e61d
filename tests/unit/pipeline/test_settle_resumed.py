"""Settling that a death or a lost connection broke off is resumed on the next connection."""

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import Killed, World
from worker.journal.intents import Kind
from worker.message.outcome import State


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("meanwhile", ["", "renumbered", "taken", "folder gone"])
def test_settling_is_resumed_in_folders_that_are_not_watched(copied: bool, meanwhile: str) -> None:
    """As of a dead letter that is handled from where it lies, as there is no MOVE."""
    world = World(Server(capabilities=["UIDPLUS", "IDLE"]))
    dead = world.server.deliver(mail("reject"))
    world.drain()
    world.server.all_mail(FAILED)[0].raw = dead.raw.replace(b"reject", b"ok    ")
    world.intents.ask(Kind.RETRY, [world.rows()[0].key], reason="mended", actor="a person", now=world.clock())

    def die(name: str) -> None:
        if name == "copy":
            raise Killed

    setattr(world.server, "after" if copied else "before", die)
    world.tick()
    assert world.deaths == 1
    world.server.before = world.server.after = lambda _name: None
    assert [(row.state, row.settled, row.place.folder) for row in world.rows()] == [(State.HANDLED, False, FAILED)]
    match meanwhile:
        case "renumbered":
            world.server.renumber(FAILED)
        case "taken":
            world.server.move(world.server.all_mail(FAILED)[0], ELSEWHERE)
        case "folder gone":
            del world.server.folders[FAILED]
    world.drain()
    assert [row.settled for row in world.rows()] == [True]
    assert not (meanwhile != "folder gone" and world.server.folders[FAILED].mails)
    assert len(world.server.folders[PROCESSED].mails) == (1 if copied or meanwhile in ("", "renumbered") else 0)
    assert (len(handed(world)), len(handed(world, "notify"))) == (1, 2)


@pytest.mark.parametrize("renumbered", [False, True])
def test_a_look_alike_that_lies_in_the_target_is_not_taken_for_a_copy_of_ours(renumbered: bool) -> None:
    world = World(Server(capabilities=["UIDPLUS", "IDLE"]))
    raw = mail(junk=True)
    settled = world.server.deliver(raw)
    world.tick()
    assert world.server.find(settled) == (JUNK, 1)
    alike = [world.server.deliver(raw) for _ in range(3)]

    def die(name: str) -> None:
        if name == "copy":
            raise Killed

    world.server.before = die
    world.tick()
    world.server.before = lambda _name: None
    assert world.deaths == 1
    world.server.move(alike[0], JUNK)
    if renumbered:
        world.server.renumber(JUNK)
    world.drain()
    assert len(world.server.folders[JUNK].mails) == 4
    assert_balanced(world, junk=4, missing=0)


def test_what_is_recorded_before_a_mailbox_is_moved_is_settled_after_it(world: World) -> None:
    """The server is moved just then: other numbers, and sizes estimated anew."""
    one = world.server.deliver(mail(), size=100)
    world.server.refusing = {("move", INBOX), ("copy", INBOX)}
    world.tick()
    assert world.states() == {State.HANDLED: 1}
    world.server.refusing = set()
    world.server.renumber(INBOX)
    one.size = 130
    world.start()
    world.drain()
    assert len(set(handed(world))) == 1
    assert world.states() == {State.HANDLED: 1}
    assert not world.server.folders[INBOX].mails
