"""A move that the server refuses stops no other message, and is asked for again."""

from datetime import UTC, datetime

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, PROCESSED, mail
from tests.fakes.world import World
from worker.journal.intents import Kind
from worker.message.outcome import State

DAY = 86_400.0
YEAR = 365 * DAY
HOUR = 3600.0


@pytest.mark.parametrize("count", [1, 7])
def test_a_message_that_the_server_refuses_to_move_stops_nobody(world: World, count: int) -> None:
    stays = world.server.deliver(mail(), nailed=True)
    for _ in range(count - 1):
        world.server.deliver(mail())
    world.tick()
    assert world.states() == {State.HANDLED: count}
    world.server.deliver(mail())
    for _ in range(10):
        world.tick()
    assert world.states() == {State.HANDLED: count + 1}
    assert world.server.all_mail(INBOX) == [stays]
    assert world.server.sessions == 1
    assert_balanced(world, handled=count + 1, missing=0)

    stays.nailed = False
    world.drain()
    assert not world.server.folders[INBOX].mails
    assert len(handed(world)) == count + 1
    assert world.server.sessions == 2  # the other one is the balance's
    assert_balanced(world, handled=count + 1, missing=0)


def test_mail_with_the_headers_of_what_was_taken_away_is_not_moved_in_its_place(world: World) -> None:
    """It is older than `poll.since`. What was taken away lay in a renumbered folder, so nobody knows its UID."""
    world.since = datetime(2024, 6, 1, tzinfo=UTC)
    world.start()
    january, july = (datetime(2024, month, 1, tzinfo=UTC).timestamp() for month in (1, 7))
    old = world.server.deliver(mail(serial=7002, body=b"an old result\r\n"), received_at=january)
    taken = world.server.deliver(mail(serial=7002), nailed=True, received_at=july)
    world.server.deliver(mail(), nailed=True, received_at=july)
    world.tick()
    world.server.renumber(INBOX)
    world.server.delete(taken)
    world.start()
    for _ in range(4):
        world.tick(500)  # by then the server is asked again to move what it refused to
    assert world.server.folder_of(old) == INBOX


def test_a_target_that_takes_nothing_stops_nobody(world: World) -> None:
    """As the mailbox that is full."""
    for _ in range(40):
        world.server.deliver(mail(), nailed=True)
    world.tick()
    world.server.deliver(mail())
    world.faults.record = True
    for _ in range(10):
        world.tick()
    assert world.states() == {State.HANDLED: 41}
    assert world.server.sessions == 1
    assert sum(name in ("move", "copy") for name in world.faults.calls) < 30
    for one in world.server.all_mail(INBOX):
        one.nailed = False
    world.drain()
    assert_balanced(world, handled=41, missing=0)
    assert len(handed(world)) == 41


def test_a_target_that_is_not_there_ends_the_connection(world: World) -> None:
    """A new one makes it anew."""
    world.tick()
    there = world.server.folders.pop(PROCESSED)
    world.server.deliver(mail())
    world.tick()
    world.server.folders[PROCESSED] = there
    world.drain()
    assert world.server.sessions == 2
    assert_balanced(world, handled=1, missing=0)


def test_a_message_that_was_refused_and_is_taken_away_is_asked_for_no_more(world: World) -> None:
    stays = world.server.deliver(mail(), nailed=True)
    world.tick()
    world.server.move(stays, ELSEWHERE)
    world.drain()
    world.faults.record, world.faults.calls = True, []
    for _ in range(3):
        world.tick()
    assert not {"move", "copy", "search"} & set(world.faults.calls)
    assert_balanced(world, handled=1, missing=1)


def test_a_dead_letter_that_the_server_refuses_to_bring_back_is_handled_from_where_it_lies(world: World) -> None:
    dead = world.server.deliver(mail("reject"))
    world.drain()
    world.server.all_mail(FAILED)[0].raw = dead.raw.replace(b"reject", b"ok    ")
    world.server.all_mail(FAILED)[0].nailed = True
    intents = world.intents
    intents.ask(Kind.RETRY, [world.rows()[0].key], reason="mended", actor="a person", now=world.clock())
    world.server.deliver(mail())
    sessions = world.server.sessions
    for _ in range(3):
        world.tick()
    assert world.states() == {State.HANDLED: 2}
    assert intents.open() == []
    world.server.all_mail(FAILED)[0].nailed = False
    world.drain()
    assert not world.server.folders[FAILED].mails
    assert world.server.sessions == sessions
    assert_balanced(world, handled=2, missing=0)


def test_a_move_that_was_refused_is_asked_for_again_after_the_clock_was_put_back(world: World) -> None:
    world.server.deliver(mail())
    world.clock.ahead = YEAR
    world.server.refusing = {("move", INBOX), ("copy", INBOX)}
    world.tick()
    world.server.refusing = set()
    world.clock.ahead = 0.0
    for _ in range(4):
        world.tick(HOUR / 4)
    assert len(world.server.folders[PROCESSED].mails) == 1
