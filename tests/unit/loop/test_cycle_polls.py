"""What a run that failed leaves for the next one."""

from tests.fakes.checks import Logged
from tests.fakes.mailbox import mail
from tests.fakes.world import Fault, World
from worker.journal.database import JournalUnavailable
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
