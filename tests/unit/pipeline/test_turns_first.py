"""Which mail a sender's earlier mail doesn't hold back."""

from tests.fakes.mailbox import JUNK, mail
from tests.fakes.world import World
from worker.message.outcome import State


def test_mail_whose_route_has_no_order_is_not_held_back_once_its_route_is_known() -> None:
    """Its second try doesn't wait for earlier mail of the sender, which a route with order holds."""
    world = World(ordered=True)
    free = world.server.deliver(mail("retry", sender="a", route="unordered"), received_at=1_700_000_100.0)
    world.tick()
    earlier = world.server.deliver(mail("retry", sender="a"), received_at=1_700_000_000.0)
    world.tick(300)
    world.tick(301)
    tried = [call.raw for call in world.calls if call.handler == "notify"]
    assert tried == [free.raw, earlier.raw, free.raw]


def test_junk_is_not_held_back_by_its_senders_clean_mail() -> None:
    world = World(ordered=True)
    world.server.deliver(mail("retry", sender="a"))
    world.server.deliver(mail(sender="a", junk=True))
    world.server.deliver(mail(sender="a"), JUNK)
    world.tick()
    assert world.states() == {State.PENDING: 1, State.JUNK: 2}
