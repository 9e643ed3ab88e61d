"""What a run that failed leaves for the next one."""

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
