"""Which messages compaction keeps, whatever happens to them during its walk."""

import pytest

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, mail
from tests.fakes.world import World
from worker.mailbox.errors import CommandRefused
from worker.message.outcome import State

DAY = 86_400.0
KEEP = 400 * DAY
YEAR = 365 * DAY


def test_what_is_taken_up_again_during_a_walk_is_not_compacted(world: World) -> None:
    one = world.server.deliver(mail())
    world.drain()
    world.server.move(one, ELSEWHERE)
    world.clock.now += KEEP + DAY
    assert world.compact(keep=KEEP) == 0
    selects = [0]
    real = world.server.after

    def after(name: str) -> None:
        real(name)
        selects[0] += name == "select"
        if selects[0] == 4 and world.server.folder_of(one) == ELSEWHERE:
            world.server.after = real
            world.server.move(one, INBOX)
            world.tick()

    world.server.after = after
    world.compact(keep=KEEP)
    assert [row.state for row in world.rows()] == [State.HANDLED]


def test_what_a_doubtful_message_may_be_is_not_compacted() -> None:
    """It is in INBOX again, fetched and not yet compared. Without its row it would be handled again."""
    world = World()
    one = world.server.deliver(mail())
    world.drain()
    world.clock.now += KEEP + DAY
    world.server.move(one, INBOX)
    one.bodiless = True
    for _ in range(3):
        world.tick()
        assert world.compact(keep=KEEP) == 0
        balance = world.balance()
        assert (balance.seen, balance.handled, balance.pending, balance.unaccounted) == (1, 1, 0, 0)
    one.bodiless = False
    world.drain()
    assert [call.handler for call in world.calls] == ["archive", "notify"]
    assert [row.state for row in world.rows()] == [State.HANDLED]


def test_a_folder_that_cannot_be_looked_into_holds_what_it_held(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    world.clock.now += KEEP + DAY
    world.server.refusing = {("select", JUNK)}  # then comes the folder for handled mail
    for _ in range(2):
        with pytest.raises(CommandRefused):
            world.compact(keep=KEEP)
    assert len(world.rows()) == 1


def test_gone_mail_is_compacted_after_two_walks_too(world: World) -> None:
    one = world.server.deliver(mail("always"))
    world.tick()
    world.server.delete(one)
    world.drain()
    assert world.states() == {State.GONE: 1}
    world.clock.now += KEEP + DAY
    assert world.compact(keep=KEEP) == 0
    assert world.compact(keep=KEEP) == 1


def test_a_dead_letter_without_a_header_is_not_forgotten_when_its_folder_is_renumbered(world: World) -> None:
    one = world.server.deliver(mail(), headless=True)
    world.drain()
    assert [row.reason for row in world.rows()] == ["header-not-shown"]
    world.server.renumber(FAILED)
    world.clock.now += 2 * YEAR
    for _ in range(3):
        assert world.compact(keep=YEAR) == 0
    world.server.delete(one)
    assert [world.compact(keep=YEAR) for _ in range(2)] == [0, 1]
