"""The daily upkeep: what it takes out of the journal, when, and at what cost."""

import pytest
from sqlalchemy import func, select

from tests.fakes.mailbox import INBOX, mail
from tests.fakes.world import World
from worker.journal.facts import Facts
from worker.journal.intents import Intent, Intents, Kind
from worker.journal.schema import intent
from worker.loop.housekeeping import Upkeep
from worker.message.outcome import State

DAY = 86_400.0
KEEP = 400 * DAY


@pytest.fixture
def world() -> World:
    return World()


class Rows:
    """Rows beside those of messages: from before which time they were to go."""

    def __init__(self) -> None:
        self.compacted: list[float] = []
        self.forgotten: list[float] = []

    def compact(self, before: float) -> None:
        self.compacted.append(before)

    def forget(self, before: float) -> None:
        self.forgotten.append(before)


def with_upkeep(world: World, rows: Rows | None = None) -> World:
    """A process that has just started."""
    rows = rows or Rows()
    upkeep = Upkeep(
        Facts(world.database),
        compact=lambda _session: world.compact(keep=KEEP),
        attempts=rows,
        requests=rows,
        keep=KEEP,
        clock=world.clock,
    )
    world.chores = (upkeep,)
    world.start()
    return world


def test_old_mail_that_two_daily_walks_missed_is_compacted_and_still_counted(world: World) -> None:
    taken = world.server.deliver(mail())
    world.server.deliver(mail())
    world.drain()
    world.server.delete(taken)
    with_upkeep(world).tick(KEEP)
    for _ in range(30):
        world.tick(3600)
    assert len(world.rows()) == 1
    assert world.journal.compacted() == {State.HANDLED: 1}
    assert world.balance().handled == 2


def test_it_is_done_once_a_day_whatever_restarts(world: World) -> None:
    rows = Rows()
    with_upkeep(world, rows)
    for _ in range(49):
        world.tick(3600)
        with_upkeep(world, rows)
    assert len(rows.compacted) == 3
    assert rows.compacted[0] == pytest.approx(world.clock.now - KEEP - 48 * 3600)
    assert rows.forgotten == rows.compacted


def test_while_nothing_is_old_it_asks_the_server_nothing(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    world.faults.record = True
    assert world.compact(keep=KEEP) == 0
    assert world.faults.calls == []


def test_what_was_asked_for_and_done_long_ago_is_forgotten(world: World) -> None:
    intents = Intents(world.database)
    intents.ask(Kind.RETRY, ["a", "b", "c"], reason="x", actor="p", now=0.0)
    first, second, _ = intents.open()
    intents.done([first.id], 10.0)
    intents.done([second.id], 20.0)
    intents.forget(20.0)
    with world.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(intent)).scalar() == 2
    assert intents.open() == [Intent(3, Kind.RETRY, "c", "p")]


def test_paused_there_is_none(world: World) -> None:
    rows = Rows()
    world.server.deliver(mail(), INBOX)
    with_upkeep(world, rows)
    Facts(world.database).pause("a person", world.clock())
    world.tick(DAY)
    assert not rows.compacted
