"""A message whose place holds another one, because another folder has the same UIDVALIDITY."""

import pytest

from tests.fakes.checks import Logged, assert_balanced, fields
from tests.fakes.mailbox import ELSEWHERE, INBOX, Mail, mail
from tests.fakes.world import ACCOUNT, World
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.pipeline.fetch import NOT_READY_WAIT


def changed_places(world: World, pending: Mail) -> Mail:
    """Another message takes the place of this one, which lies in the same folder now, and the server tells nobody."""
    folder = world.server.folders[INBOX]
    other = world.server.deliver(mail(), ELSEWHERE)
    place = world.server.find(pending)
    assert place is not None
    folder.mails[folder.uidnext] = pending
    folder.uidnext += 1
    folder.mails[place[1]] = other
    world.server.folders[ELSEWHERE].mails.clear()
    return other


@pytest.mark.parametrize("beside", [0, 2])
def test_another_message_in_its_place_is_not_handed_over_for_it(world: World, logged: Logged, beside: int) -> None:
    """The try doesn't count, the row's message is found again, and the other one is a message of its own."""
    pending = world.server.deliver(mail("retry"))
    for _ in range(beside):
        world.server.deliver(mail("retry"))
    world.tick()
    first, *others = world.rows()
    other = changed_places(world, pending)
    world.tick(700)
    assert fields(logged, "mailbox.folder_replaced") == [{"folder": INBOX}]
    assert world.row(first.key).tries == 1
    assert [world.row(one.key).tries for one in others] == [2] * beside
    assert len([call for call in world.calls if call.key == first.key and call.handler == "notify"]) == 1

    world.drain()
    for call in world.calls:
        assert call.key == fingerprint(ACCOUNT, Headers.from_bytes(call.raw))
    assert other.raw in {call.raw for call in world.calls}
    assert world.row(first.key).state is State.HANDLED
    assert_balanced(world, handled=2 + beside, gone=0)


def test_a_header_that_differs_in_the_whole_message_alone_is_no_other_message(world: World, logged: Logged) -> None:
    """A gateway that marks what it shows: each try counts, and the place stays known."""
    one = world.server.deliver(mail("retry"))
    world.tick()
    one.other_in_full = one.raw.replace(b"Subject: ", b"Subject: [external] ")
    world.tick(700)
    (row,) = world.rows()
    assert (row.tries, row.place.uid) == (2, 1)
    assert [call.raw for call in world.calls if call.handler == "notify"] == [one.raw, one.other_in_full]
    assert logged("mailbox.folder_replaced") == []


def test_a_message_whose_content_is_not_shown_says_so_and_is_asked_for_later(world: World) -> None:
    world.server.deliver(mail(), bodiless=True)
    world.tick()
    (row,) = world.rows()
    assert (row.state, row.reason, row.tries) == (State.PENDING, "not-ready", 0)
    assert row.next_at == world.clock.now + NOT_READY_WAIT.total_seconds()
