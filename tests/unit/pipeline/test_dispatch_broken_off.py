"""What becomes of messages whose fetch an error of the mailbox breaks off."""

from typing import Any

import pytest

from tests.fakes.mailbox import INBOX, mail
from tests.fakes.world import World
from worker.journal.records import InHand
from worker.mailbox.errors import CommandRefused, ConnectionLost, MailboxError, ProtocolFault, Throttled
from worker.message.outcome import State
from worker.pipeline.fetch import NOT_READY_WAIT

AT_FETCH = [ConnectionLost("lost"), ProtocolFault("unreadable"), CommandRefused("no")]
"""Errors that one of the messages may have caused."""


def fail_once(world: World, error: MailboxError) -> None:
    """The next fetch of bodies ends with this error."""

    def before(name: str) -> None:
        if name == "bodies":
            world.server.before = lambda _name: None
            raise error

    world.server.before = before


@pytest.mark.parametrize(
    "error", [*AT_FETCH, Throttled("wait", after=NOT_READY_WAIT)], ids=lambda error: type(error).__name__
)
def test_a_poll_ends_with_the_very_error_that_broke_its_fetch_off(world: World, error: MailboxError) -> None:
    world.server.deliver(mail())
    fail_once(world, error)
    session: Any = world.server.session()
    session.folders()
    with pytest.raises(MailboxError) as raised:
        world.pipeline.poll(session)
    assert raised.value is error


@pytest.mark.parametrize("error", AT_FETCH, ids=lambda error: type(error).__name__)
def test_messages_that_may_have_ended_a_fetch_are_suspect_and_spend_no_try(world: World, error: MailboxError) -> None:
    for _ in range(2):
        world.server.deliver(mail())
    fail_once(world, error)
    world.tick()
    assert [(row.tries, row.in_hand) for row in world.rows()] == [(0, InHand.SUSPECT)] * 2
    world.drain()
    assert world.states() == {State.HANDLED: 2}


def test_messages_that_cannot_have_ended_their_fetch_are_put_back(world: World) -> None:
    """A server that asks for a pause means nobody's mail."""
    for _ in range(2):
        world.server.deliver(mail())
    fail_once(world, Throttled("wait", after=NOT_READY_WAIT))
    world.tick()
    assert [(row.tries, row.in_hand) for row in world.rows()] == [(0, None)] * 2
    world.drain()
    assert world.states() == {State.HANDLED: 2}


def test_a_message_that_ends_the_connection_even_alone_waits_and_spends_no_try(world: World) -> None:
    world.server.deliver(mail(), breaks=True)
    for _ in range(3):
        world.tick(30)
    (row,) = world.rows()
    assert (row.state, row.reason, row.tries) == (State.PENDING, "fetch-broken", 0)
    assert row.next_at is not None
    assert world.clock.now < row.next_at <= world.clock.now + NOT_READY_WAIT.total_seconds()
    assert row.waiting_since is not None
    assert row.next_at - row.waiting_since == NOT_READY_WAIT.total_seconds()


def test_a_message_that_ended_the_connection_once_stays_suspect_when_others_do(world: World) -> None:
    """Else it is fetched with others the next time, and ends their fetch as well."""
    for _ in range(2):
        world.server.deliver(mail(), breaks=True)
        for _ in range(3):
            world.tick(30)
    assert [row.reason for row in world.rows()] == ["fetch-broken"] * 2
    innocent = world.server.deliver(mail())
    world.clock.now += NOT_READY_WAIT.total_seconds()
    for _ in range(3):
        world.tick(0)
        assert [row.in_hand for row in world.rows()[2:]] in ([], [None])
        world.clock.now += 30
    assert world.server.folder_of(innocent) != INBOX
