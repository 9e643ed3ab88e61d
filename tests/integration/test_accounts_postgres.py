"""The account of messages on PostgreSQL, where its statements have types of their own."""

import io
from datetime import timedelta

import pytest

from tests.fakes.mailbox import PROCESSED, mail
from tests.fakes.world import World
from worker.journal.database import Database
from worker.logs.log import configure as configure_logging
from worker.message.outcome import State


@pytest.fixture
def world(postgres_url: str) -> World:
    configure_logging(level="error", format="json", stream=io.StringIO(), hooks=False)
    return World(database=Database(postgres_url))


def test_what_is_waited_for_since_a_clock_that_was_ahead_is_a_dead_letter_after_an_hour(world: World) -> None:
    world.clock.ahead = 365 * 86_400.0
    world.server.deliver(mail(), bodiless=True)
    world.server.deliver(mail(), headless=True)
    world.tick()
    world.clock.ahead = 0.0
    for _ in range(16):
        world.tick(300)
    assert world.states() == {State.FAILED: 2}


def test_handled_mail_is_deleted_after_its_time(world: World) -> None:
    world.delete_handled_after = timedelta(days=2)
    world.server.deliver(mail())
    for hours in range(60):
        world.tick(3600)
        assert bool(world.server.folders[PROCESSED].mails) is (hours <= 48)
