"""Releases and retries are carried out, whoever has the message in hand."""

from typing import Any

import pytest

from tests.fakes.checks import assert_balanced
from tests.fakes.mailbox import JUNK, PROCESSED, mail
from tests.fakes.world import World
from tests.unit.pipeline.junk_in_hand import comes_back, in_hand_as_junk
from worker.mailbox.errors import ConnectionLost
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict


@pytest.mark.parametrize("copyuid", [True, False])
def test_what_is_released_while_the_junk_handler_has_it_is_handled_as_clean(world: World, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    in_hand_as_junk(world)
    world.release(world.rows()[0].key)
    world.tick()
    comes_back(world)
    assert [call.handler for call in world.finished] == ["quarantine", "archive", "notify"]
    assert world.states() == {State.HANDLED: 1}
    assert len(world.server.folders[PROCESSED].mails) == 1
    assert_balanced(world, handled=1, missing=0)


def test_a_release_at_which_the_connection_is_lost_holds_too(world: World) -> None:
    def lose(name: str) -> None:
        if name == "present":
            world.server.before = lambda _name: None
            raise ConnectionLost("the connection to the mail server was lost")

    in_hand_as_junk(world)
    world.release(world.rows()[0].key)
    world.server.before = lose
    world.tick()
    comes_back(world)
    assert [call.handler for call in world.finished] == ["quarantine", "archive", "notify"]
    assert_balanced(world, handled=1, missing=0)


def test_junk_whose_path_says_clean_can_be_released(world: World) -> None:
    """A row as an earlier version could leave it."""
    world.server.deliver(mail(), JUNK)
    world.drain()
    (row,) = world.rows()
    world.journal.noted([(row.id, Verdict(MailPath.CLEAN))])
    world.release(row.key)
    world.drain()
    assert [call.handler for call in world.finished] == ["quarantine", "archive", "notify"]


def test_a_poll_that_opened_a_message_says_so(world: World) -> None:
    world.server.deliver(mail("reject"))
    world.tick()
    world.retry(world.rows()[0].key)
    session: Any = world.server.session()
    world.pipeline.look_anew(connected=True)
    assert world.pipeline.poll(session).opened == 1


def test_a_dead_letter_that_is_retried_has_all_its_tries_again(world: World) -> None:
    world.server.deliver(mail())
    fails = [True] * 99

    def flush() -> None:
        if fails and fails.pop():
            raise OSError("full")

    world.flush = flush
    world.drain()
    assert world.states() == {State.FAILED: 1}
    fails[:] = [True]
    world.retry(world.rows()[0].key)
    world.tick()
    assert world.states() == {State.PENDING: 1}
    world.drain()
    assert world.states() == {State.HANDLED: 1}
