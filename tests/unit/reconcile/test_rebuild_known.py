"""A rebuild beside a journal that knows the mailbox."""

from typing import Any

import pytest

from tests.fakes.mailbox import FAILED, JUNK, PROCESSED, mail
from tests.fakes.world import World, classify, sender_of
from worker.message.outcome import State
from worker.reconcile.rebuild import Rebuild


def rebuild(world: World) -> Any:
    return Rebuild(
        world.journal,
        world.walk(),
        handled=PROCESSED,
        failed=FAILED,
        junk=[JUNK],
        assume_handled_before=None,
        clock=world.clock,
        classify=classify,
        sender_of=sender_of,
    )


@pytest.mark.parametrize("how", ["no-copyuid", "renumbered"])
def test_a_rebuild_enters_nothing_that_the_journal_knows(world: World, how: str) -> None:
    world.server.copyuid = how != "no-copyuid"
    world.server.deliver(mail())
    world.server.deliver(mail("reject"))
    world.drain()
    if how == "renumbered":
        world.server.renumber(PROCESSED)
        world.server.renumber(FAILED)
    session: Any = world.server.session()
    rebuild(world)(session)
    assert world.states() == {State.HANDLED: 1, State.FAILED: 1}
