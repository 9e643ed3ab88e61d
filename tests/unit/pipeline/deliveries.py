"""Mail that comes, and what the first handler was given of it."""

from tests.fakes.mailbox import mail
from tests.fakes.world import World


def deliver(world: World, count: int, *, sender: str = "", kind: str = "ok", route: str = "") -> list[bytes]:
    """So many messages of one sender and one kind come; returns them."""
    raws = [mail(kind, sender=sender, route=route) for _ in range(count)]
    for raw in raws:
        world.server.deliver(raw)
    return raws


def archived(world: World) -> list[bytes]:
    """The messages that the first handler was given, in order."""
    return [call.raw for call in world.calls if call.handler == "archive"]
