"""Mail that the server counts and doesn't list at first, as Exchange does right after it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import INBOX, JUNK, mail
from tests.fakes.world import World
from worker.message.outcome import State
from worker.pipeline.poll import RARELY


def listings(world: World, looks: int) -> list[int]:
    """In which of so many looks the inbox is listed."""
    commands: list[str] = []
    world.server.before = commands.append
    found = []
    for look in range(1, looks + 1):
        commands.clear()
        world.tick(0.1)  # seconds; far from the hour after which all is listed in any case
        if "search" in commands:
            found.append(look)
    return found


@pytest.mark.parametrize("folder", [INBOX, JUNK])
def test_mail_that_is_listed_late_is_handled_without_another_change(world: World, folder: str) -> None:
    world.server.deliver(mail(), folder)
    world.tick()
    late = world.server.deliver(mail(), folder, unlisted=True)
    for _ in range(3):
        world.tick()
    assert len(world.rows()) == 1

    late.unlisted = False
    for _ in range(4):
        world.tick()

    assert world.states() == {State.HANDLED if folder == INBOX else State.JUNK: 2}
    assert_balanced(world)


def test_what_is_never_listed_is_asked_for_ever_more_seldom_and_never_given_up(world: World) -> None:
    world.tick()
    world.server.deliver(mail(), unlisted=True)
    world.tick()
    assert listings(world, 2 * RARELY) == [1, 2, 4, 8, 16, 32, RARELY, 2 * RARELY]


def test_a_new_change_begins_anew(world: World) -> None:
    world.tick()
    world.server.deliver(mail(), unlisted=True)
    world.tick()
    assert listings(world, 10) == [1, 2, 4, 8]
    world.server.deliver(mail(), unlisted=True)
    assert listings(world, 5) == [1, 2, 3, 5]


def test_a_folder_that_lists_what_it_counts_is_not_listed_again(world: World) -> None:
    world.server.deliver(mail())
    for _ in range(3):
        world.tick()
    assert listings(world, 10) == []


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=6))
def test_whenever_mail_is_listed_all_of_it_is_handled_once(mails: list[tuple[int, int]]) -> None:
    """Each message comes at some look and is listed so many looks later."""
    world = World()
    due: dict[int, list[object]] = {}
    for look in range(14):
        for came, late in mails:
            if came == look:
                due.setdefault(look + late, []).append(world.server.deliver(mail(), unlisted=late > 0))
        for one in due.get(look, []):
            one.unlisted = False  # type: ignore[attr-defined] # a Mail
        world.tick(1.0)
    for _ in range(8):
        world.tick(1.0)
    assert world.states() == {State.HANDLED: len(mails)}
    assert len(set(handed(world))) == len(handed(world)) == len(mails)
    world.database.close()
