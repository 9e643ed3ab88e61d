"""A message that the junk path's handler has while something happens to it."""

from tests.fakes.mailbox import JUNK, Mail, mail
from tests.fakes.world import World


def in_hand_as_junk(world: World) -> Mail:
    """A message that the junk path's handler has, and gives back later."""
    world.hung.add("slow")
    world.start()
    junk = world.server.deliver(mail("slow"), JUNK)
    world.tick()
    assert len(world.hands) == 1
    return junk


def comes_back(world: World) -> None:
    """Its handler returns, and the worker does what there is to do."""
    world.end_hang()
    world.drain()
