"""What was asked for ahead, and a poll that is broken off before it is read."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from tests.fakes.mailbox import INBOX, Asked, FakeSession, Mail, mail
from tests.fakes.world import ACCOUNT, DEATHS, Killed, World
from worker.journal.database import JournalUnavailable
from worker.journal.records import Record
from worker.mailbox.errors import ConnectionLost
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.pipeline.dispatch import Bounds


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


GUILTY = 50
"""The UID of the message whose content ends the process."""
MOST = 40_000
"""Bytes that may be in hand and on their way together: twice a batch."""


def sized(size: int, kind: str = "ok") -> bytes:
    head = mail(kind, body=b"")
    return head + b"x" * (size - len(head))


def contents_on_the_way(world: World) -> list[Mapping[int, Mail]]:
    session = world.connector.current()
    assert session is not None
    return [asked.answer for asked in session.in_flight if asked.name == "bodies"]


class Taken:
    """Notes what is in hand and on its way as messages are taken in hand."""

    def __init__(self, world: World) -> None:
        self.most = 0
        """Bytes."""
        self.beside: dict[int, int] = {}
        """How many contents were on their way, by row, for those that were to be alone."""
        self._world = world
        self._take = world.hands.take
        world.hands.take = self  # type: ignore[method-assign]

    def __call__(self, record: Record, *given: Any, **named: Any) -> None:
        self._take(record, *given, **named)
        ahead = [len(one.raw) for answer in contents_on_the_way(self._world) for one in answer.values()]
        self.most = max(self.most, self._world.hands.size + sum(ahead))
        if self._world.row(record.key).was_alone:
            self.beside[record.id] = len(ahead)


@pytest.fixture
def full() -> World:
    """A world with small batches. The handlers of the kind "hang" don't return."""
    world = World()
    world.bounds = Bounds(batch_bytes=MOST // 2, batch_count=100, patience=1.0)
    world.hung = {"hang"}
    world.start()
    return world


def test_what_finds_no_room_after_all_takes_none_while_other_mail_is_fetched(full: World) -> None:
    taken = Taken(full)
    for _ in range(10):
        full.server.deliver(sized(2_060, "hang"), size=2_000)  # the server says too little
    for size in (20_000, 18_000):
        full.server.deliver(sized(size, "hang"))
    full.tick()
    assert len(full.hands) == 11, "the one that needs less room is in hand"
    assert taken.most == 10 * 2_060 + 20_000, "what the server said of the first ten, and what came besides"
    assert contents_on_the_way(full) == []


def with_suspects(world: World, size: int) -> World:
    """The process has died with six messages in hand. Their handlers hang from now on."""
    for _ in range(6):
        world.server.deliver(sized(size, "hang"))
    world.hung, world.hold = set(), True
    world.start()
    world.poison = lambda _message: len(world.hands) == 6
    world.tick()
    assert world.deaths == 1
    world.poison = lambda _message: False
    world.hung, world.hold = {"hang"}, False
    world.start()
    return world


def test_no_content_is_on_its_way_beside_a_suspect_and_suspects_take_no_more_room_than_others(full: World) -> None:
    taken = Taken(with_suspects(full, 6_000))
    for _ in range(700):
        full.server.deliver(sized(400))
    full.tick()
    assert taken.beside == dict.fromkeys(range(1, 7), 0)
    assert taken.most <= MOST


def test_a_death_at_what_was_asked_for_is_not_counted_against_a_suspect(
    monkeypatch: pytest.MonkeyPatch, full: World
) -> None:
    """The suspects hang, one after the other, and the process dies whenever one content comes off the wire."""
    full.bounds = replace(full.bounds, batch_bytes=1_000_000)  # a batch of headers makes one batch of contents
    with_suspects(full, 400)
    for _ in range(300):
        full.server.deliver(mail())
    read_up_to = FakeSession.read_up_to

    def die_at_it(session: FakeSession, asked: Asked | None) -> None:
        read = session.in_flight
        if asked is not None:
            read = read[: read.index(asked) + 1] if asked in read else []
        if any(one.name == "bodies" and GUILTY in one.uids for one in read):
            session.close()
            raise Killed("out of memory")
        read_up_to(session, asked)

    monkeypatch.setattr(FakeSession, "read_up_to", die_at_it)
    for _ in range(60):
        full.tick(5)
    deaths = {row.place.uid if row.state is State.PENDING else GUILTY: row.deaths for row in full.rows() if row.deaths}
    assert deaths == {GUILTY: DEATHS}
