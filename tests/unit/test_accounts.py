"""The account of messages where things meet: what people do, what servers do, and when the worker writes it down."""

import io
from typing import Any

import pytest

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import World
from worker.mailbox.errors import CommandRefused
from worker.observe import configure_logging
from worker.outcome import State
from worker.upkeep import Rebuild

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
        if selects[0] == 4 and world.server.find(one)[0] == ELSEWHERE:  # type: ignore[index]
            world.server.after = real
            world.server.move(one, INBOX)
            world.tick()

    world.server.after = after
    world.compact(keep=KEEP)
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


def rebuild(world: World) -> Any:
    return Rebuild(
        world.journal,
        world._walk(),
        handled=PROCESSED,
        failed=FAILED,
        junk=[JUNK],
        assume_handled_before=None,
        clock=world.clock,
    )


@pytest.mark.parametrize("how", ["no-copyuid", "renumbered"])
def test_a_rebuild_enters_nothing_that_the_journal_knows(world: World, how: str) -> None:
    world.server.copyuid = how != "no-copyuid"
    world.server.deliver(mail())
    world.server.deliver(mail("reject"))
    world.drain()
    if how == "renumbered":
        world.server.renumber(PROCESSED)
        world.server.renumber(FAILED)
    session: Any = world.server.session()
    rebuild(world)(session)
    assert world.states() == {State.HANDLED: 1, State.FAILED: 1}


def test_a_clock_that_was_ahead_for_a_while_keeps_nothing_waiting(world: World) -> None:
    world.server.deliver(mail("twice"))
    world.clock.now += 3650 * DAY
    world.tick()
    world.clock.now -= 3650 * DAY
    for _ in range(20):
        world.tick(4000)
    assert world.states() == {State.HANDLED: 1}


def test_gone_mail_is_compacted_after_two_walks_too(world: World) -> None:
    one = world.server.deliver(mail("always"))
    world.tick()
    world.server.delete(one)
    world.drain()
    assert world.states() == {State.GONE: 1}
    world.clock.now += KEEP + DAY
    assert world.compact(keep=KEEP) == 0
    assert world.compact(keep=KEEP) == 1
