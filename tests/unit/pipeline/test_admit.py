"""Which rows new UIDs get: look-alikes, mail that comes back, and moves into and out of the junk folder."""

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import FAILED, INBOX, JUNK, PROCESSED, mail
from tests.fakes.world import World
from tests.unit.pipeline.junk_in_hand import comes_back, in_hand_as_junk
from worker.message.outcome import State


def test_look_alikes_are_messages_of_their_own(world: World) -> None:
    for _ in range(3):
        world.server.deliver(mail(serial=1))
    world.drain()
    keys = handed(world)
    assert sorted(keys) == [keys[0], f"{keys[0]}-2", f"{keys[0]}-3"]
    assert_balanced(world, handled=3)


@pytest.mark.parametrize("copyuid", [True, False])
def test_mail_that_comes_back_is_settled_again_and_not_handed_over(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    back = world.server.deliver(mail())
    world.drain()
    sessions = world.server.sessions
    world.server.move(back, INBOX)
    world.tick()
    assert len(handed(world)) == 1
    assert world.server.folder_of(back) == PROCESSED
    assert world.server.sessions == sessions  # at once, and not by way of a new connection
    world.drain()
    assert_balanced(world, handled=1, missing=0)


@pytest.mark.parametrize("there", [INBOX, JUNK])
def test_pending_mail_between_inbox_and_junk_is_judged_anew(world: World, there: str) -> None:
    here = JUNK if there == INBOX else INBOX
    moved = world.server.deliver(mail("retry"), here)
    world.tick()
    world.server.move(moved, there)
    world.drain()
    assert world.states() == ({State.HANDLED: 1} if there == INBOX else {State.JUNK: 1})
    assert len({call.key for call in world.calls}) == 1
    assert_balanced(world)


def test_what_a_move_releases_while_the_junk_handler_has_it_is_handled_as_clean(world: World) -> None:
    world.move_releases = True
    junk = in_hand_as_junk(world)
    world.server.move(junk, INBOX)
    world.tick()
    assert world.told.keys_moved_out == {world.rows()[0].key}
    comes_back(world)
    assert [call.handler for call in world.finished] == ["quarantine", "archive", "notify"]
    assert_balanced(world, handled=1, missing=0)


@pytest.mark.parametrize("by_a_person", [True, False])
def test_a_release_by_a_move_ends_with_the_move_back_and_a_persons_does_not(by_a_person: bool) -> None:
    """A zero-hour purge moves mail both ways: the second move is the provider's word too."""
    world = World(move_releases=True)
    junk = world.server.deliver(mail("retry"), JUNK)
    world.drain()
    if by_a_person:
        world.release(world.rows()[0].key)
    else:
        world.server.move(junk, INBOX)
    world.tick(1)
    assert world.server.folder_of(junk) == INBOX
    assert [(row.state, row.released) for row in world.rows()] == [(State.PENDING, True)]
    world.server.move(junk, JUNK)
    world.drain()
    (row,) = world.rows()
    assert (row.state, row.released) == ((State.HANDLED, True) if by_a_person else (State.JUNK, False))
    assert_balanced(world)


def test_a_dead_letter_that_left_the_junk_folder_again_is_retried_as_clean(world: World) -> None:
    dead = world.server.deliver(mail("reject"))
    world.drain()
    (row,) = world.rows()
    for folder in (JUNK, INBOX):
        world.server.move(dead, folder)
        world.drain()
    assert world.server.folder_of(dead) == FAILED
    before = len(world.calls)
    world.retry(row.key)
    world.drain()
    assert [call.handler for call in world.calls[before:]] == ["notify"]
    assert_balanced(world, failed=1)
