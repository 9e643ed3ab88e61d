"""Content that the server doesn't show yet, or shows a stand-in for, is waited for."""

from typing import Any

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import INBOX, mail
from tests.fakes.world import World
from worker.message.outcome import State

STAND_IN = (
    b"From: Microsoft Exchange Server 2019\r\n"
    b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 7\r\n\r\n"
    b"The server couldn't retrieve the following message:\r\n"
)


def test_content_that_comes_late_is_waited_for(world: World) -> None:
    late = [world.server.deliver(mail(), headless=True), world.server.deliver(mail(), bodiless=True)]
    for _ in range(5):
        world.tick()
    assert handed(world) == []
    assert world.balance().pending == 2
    for one in late:
        one.headless = one.bodiless = False
    world.drain()
    assert world.states() == {State.HANDLED: 2}


def test_content_that_never_comes_is_a_dead_letter_after_an_hour_of_waiting(world: World) -> None:
    world.server.deliver(mail(), bodiless=True)
    started = world.clock.now
    while world.states()[State.FAILED] == 0:
        world.tick(120)
    assert 3600 <= world.clock.now - started < 3600 + 900


def test_waiting_for_content_begins_when_it_is_first_missed(world: World) -> None:
    old = world.server.deliver(mail("twice"))
    world.tick()
    world.clock.now += 86_400
    old.bodiless = True
    for _ in range(3):
        world.tick(400)
    assert world.states() == {State.PENDING: 1}
    old.bodiless = False
    world.drain()
    assert world.states() == {State.HANDLED: 1}


def test_a_stand_in_is_waited_for_and_never_handled(world: World) -> None:
    raw = (
        mail()
        .replace(b"From: lab@lab.nhs.uk", b"From: Microsoft Exchange Server <server@nhs.net>")
        .replace(b"Subject: ", b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 1")
        .replace(b"hello", b"The server couldn't retrieve the following message:")
    )
    world.server.deliver(raw)
    world.tick()
    assert world.states() == {State.PENDING: 1}
    world.drain()
    assert world.states() == {State.FAILED: 1}
    assert world.calls == []


def test_waiting_for_content_spends_no_try(world: World) -> None:
    one = world.server.deliver(mail(), bodiless=True)
    for _ in range(9):
        world.tick(301)
    one.bodiless = False
    fail = [True]

    def flush() -> None:
        if fail:
            fail.clear()
            raise OSError("full")

    world.flush = flush
    world.drain()
    assert world.states() == {State.HANDLED: 1}


@pytest.mark.parametrize("shown", ["stand-in", "nothing"])
def test_a_message_that_was_waited_for_and_comes_back_is_settled_again(world: World, shown: str) -> None:
    """What the server showed at first has another size, and a stand-in for it has another header."""
    real = mail()
    stand_in = (
        real.replace(b"From: lab@lab.nhs.uk", b"From: Microsoft Exchange Server <server@nhs.net>")
        .replace(b"Subject: ", b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 1")
        .replace(b"hello", b"The server couldn't retrieve the following message:")
    )
    quirks: dict[str, Any] = {} if shown == "stand-in" else {"bodiless": True, "size": 10}
    one = world.server.deliver(stand_in if shown == "stand-in" else real, **quirks)
    world.tick()
    (row,) = world.rows()
    assert row.waiting_since is not None
    one.raw, one.bodiless, one.size = real, False, None
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    world.server.move(one, INBOX)
    world.drain()
    assert handed(world) == [row.key]
    assert world.states() == {State.HANDLED: 1}
    assert not world.server.folders[INBOX].mails


def test_a_stand_in_like_one_of_before_is_a_message_of_its_own(world: World) -> None:
    stand_in = mail().replace(
        b"Subject: ", b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 1"
    )
    stand_in = stand_in.replace(b"From: lab@lab.nhs.uk", b"From: Microsoft Exchange Server <server@nhs.net>")
    stand_in = stand_in.replace(b"hello", b"The server couldn't retrieve the following message:")
    for _ in range(2):
        mails = [world.server.deliver(stand_in) for _ in range(2)]
        world.tick()
        assert world.states()[State.PENDING] == 2
        for one in mails:
            one.raw = mail()
        world.drain()
    assert world.states() == {State.HANDLED: 4}
    assert len(set(handed(world))) == len(handed(world)) == 4
    assert_balanced(world)


def test_a_stand_in_below_the_header_of_the_message_itself_is_waited_for_too(world: World) -> None:
    """The server shows the header by itself, and fails to convert the whole."""
    one = world.server.deliver(mail("ok"))
    one.other_in_full = STAND_IN
    world.tick()
    assert world.calls == []
    one.other_in_full = None
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert [call.raw for call in world.calls if call.handler == "archive"] == [one.raw]
