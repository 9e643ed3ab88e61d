"""Whose turn it is: of a paused handler's mail, the message that is tried is one whose turn it is by order as well."""

from tests.fakes.mailbox import mail
from tests.fakes.world import World
from worker.message.outcome import State


def test_the_message_that_is_tried_after_a_pause_is_its_senders_first() -> None:
    world = World(pause_after=3, ordered=True)
    world.down = True
    earlier = {sender: mail(sender=sender) for sender in "abcdef"}
    for raw in (*earlier.values(), *(mail(sender=sender) for sender in "abcdef")):
        world.server.deliver(raw)
    world.tick()
    for _ in range(4):  # within `order_retry_wait`
        world.calls.clear()
        world.tick(130)
        assert {call.raw for call in world.calls if call.handler == "archive"} <= set(earlier.values())
    world.down = False
    world.drain()
    assert set(world.states()) <= {State.HANDLED, State.FAILED}
    assert world.states()[State.HANDLED] >= 6
