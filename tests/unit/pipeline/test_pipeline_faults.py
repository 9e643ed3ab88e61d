"""The fault matrix: a death, a lost connection or a lost journal at every call, before it takes effect and after."""

from itertools import count

import pytest

from tests.fakes.checks import assert_balanced
from tests.fakes.mailbox import JUNK, PROCESSED, Server, mail
from tests.fakes.world import Fault, Killed, World
from worker.journal.database import JournalUnavailable
from worker.mailbox.errors import ConnectionLost
from worker.message.outcome import State

FEWEST = 15
"""Each kind of fault has more points than these."""
KINDS = ("ok", "ok", "twice", "reject")
CAPABILITIES = pytest.mark.parametrize(
    "capabilities", [("MOVE", "UIDPLUS", "IDLE"), ("UIDPLUS", "IDLE")], ids=["move", "uidplus"]
)
FAULTS = pytest.mark.parametrize(
    ("what", "after"),
    [
        (Killed, False),
        (Killed, True),
        (ConnectionLost, False),
        (ConnectionLost, True),
        (JournalUnavailable, False),  # by its meaning never after: nothing was recorded
    ],
    ids=["killed-before", "killed-after", "lost-before", "lost-after", "journal-before"],
)


def _run(world: World) -> None:
    for name in KINDS:
        world.server.deliver(mail(name))
    world.server.deliver(mail(serial=5 * 10**8))
    world.server.deliver(mail(serial=5 * 10**8))
    world.server.deliver(mail(junk=True))
    world.server.deliver(mail(), JUNK)
    world.tick()


def _struck_at(
    point: int, capabilities: tuple[str, ...], what: type[BaseException], *, after: bool, told: bool
) -> bool:
    """Whether there was such a point: only calls that can fail so are counted."""
    world = World(Server(capabilities=capabilities))
    world.server.copyuid = told
    world.faults.planned = Fault(point, after, what)
    _run(world)
    if world.faults.planned is not None:
        return False
    world.drain()
    assert world.states() == {State.HANDLED: 5, State.FAILED: 1, State.JUNK: 2}, point
    assert len(world.server.all_mail(PROCESSED)) == 5, point
    assert len(world.server.all_mail()) == 8, point
    assert_balanced(world, handled=5, failed=1, junk=2, missing=0)
    return True


@CAPABILITIES
@FAULTS
def test_fault_at_every_fifth_call(capabilities: tuple[str, ...], what: type[BaseException], after: bool) -> None:
    for point in count(len(what.__name__) % 5, 5):
        if not _struck_at(point, capabilities, what, after=after, told=point % 2 == 0):
            break
    assert point > FEWEST


@pytest.mark.slow
@CAPABILITIES
@FAULTS
@pytest.mark.parametrize("told", [True, False], ids=["copyuid", "no-copyuid"])
def test_fault_at_every_call(capabilities: tuple[str, ...], what: type[BaseException], after: bool, told: bool) -> None:
    for point in count():
        if not _struck_at(point, capabilities, what, after=after, told=told):
            break
    assert point > FEWEST
