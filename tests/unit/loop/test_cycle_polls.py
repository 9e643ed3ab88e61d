"""What a run that failed leaves for the next one."""

from tests.fakes.checks import Logged
from tests.fakes.mailbox import INBOX, mail
from tests.fakes.world import Fault, World
from worker.journal.database import JournalUnavailable
from worker.loop.cycle import CHATTY
from worker.message.outcome import State


def test_what_arrived_while_the_journal_was_away_is_found_at_the_next_poll(world: World) -> None:
    world.tick()
    world.server.deliver(mail())
    world.faults.planned = Fault(0, False, JournalUnavailable)
    world.tick()
    world.faults.planned = None
    world.tick()
    assert world.states() == {State.HANDLED: 1}


def test_a_poll_says_how_many_messages_wait_and_not_how_many_tries_it_made(world: World, logged: Logged) -> None:
    for kind in ("retry", "retry", "ok"):
        world.server.deliver(mail(kind))
    world.tick()
    first = logged("poll.done")[-1]
    assert (first["new"], first["handled"], first["pending"]) == (3, 1, 2)
    world.server.deliver(mail())
    world.tick()  # the two aren't due yet, so this poll tries neither
    assert logged("poll.done")[-1]["pending"] == 2
    assert world.states() == {State.HANDLED: 2, State.PENDING: 2}


def test_mail_that_arrives_just_as_idle_begins_is_handled_at_once(world: World) -> None:
    world.tick()
    coming = [mail(), mail(), mail()]

    def come(command: str) -> None:
        if command == "idle" and coming:
            world.server.deliver(coming.pop())

    world.server.after = come
    assert [world.tick() for _ in range(4)] == [0.0, 0.0, 0.0, None]
    assert world.states() == {State.HANDLED: 3}


def test_a_server_that_always_has_news_when_idle_begins_does_not_keep_us_looping(world: World) -> None:
    world.tick()

    def chat(command: str) -> None:
        if command == "idle":
            world.server.folders[INBOX].changes += 1

    world.server.after = chat
    assert [world.tick() for _ in range(4)] == [0.0, CHATTY, CHATTY, CHATTY]
    world.server.deliver(mail())
    assert [world.tick() for _ in range(3)] == [0.0, CHATTY, CHATTY]
