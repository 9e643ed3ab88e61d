"""What was asked for ahead, and a poll that is broken off before it is read."""

from itertools import count

import pytest

from tests.fakes.mailbox import INBOX, mail
from tests.fakes.world import ACCOUNT, World
from worker.journal.database import JournalUnavailable
from worker.mailbox.errors import ConnectionLost
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.message.outcome import State


@pytest.mark.parametrize("what", [ConnectionLost, JournalUnavailable])
def test_a_header_that_a_poll_showed_that_was_broken_off_does_not_say_what_is_there_now(
    monkeypatch: pytest.MonkeyPatch, world: World, what: type[Exception]
) -> None:
    """In between, the folder may have become another one with the same UIDVALIDITY."""
    monkeypatch.setattr("worker.pipeline.header_suspects.HEADS_AT_ONCE", 1)
    for _ in range(3):
        world.server.deliver(mail())
    headers = count(1)

    def end_at_the_second_header(command: str) -> None:
        if command == "heads" and next(headers) == 2:
            raise what("at the second header")

    world.server.before = end_at_the_second_header
    world.tick()
    assert (len(world.rows()), world.calls) == (1, []), "the first message is only asked for"
    mails = world.server.folders[INBOX].mails
    mails[1], mails[3] = mails[3], mails[1]
    world.drain()
    for call in world.calls:
        assert call.key.startswith(fingerprint(ACCOUNT, Headers.from_bytes(call.raw))), "another message's key"
    assert len({call.raw for call in world.calls}) == world.states()[State.HANDLED] == 3
