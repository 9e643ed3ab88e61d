"""What tests look at in a `World`, and in what was logged meanwhile."""

from collections.abc import Callable

from structlog.types import EventDict

from tests.fakes.world import World

Logged = Callable[[str], list[EventDict]]
"""The lines of an event."""


def handed(world: World, handler: str = "archive") -> list[str]:
    """The keys of the messages that the handler was given, in order."""
    return [call.key for call in world.calls if call.handler == handler]


def assert_balanced(world: World, **counts: int) -> None:
    """Every message is accounted for. counts: what the balance says, by name."""
    balance = world.balance()
    assert balance.unaccounted_keys == ()
    assert balance.seen == sum(world.states().values())
    for name, count in counts.items():
        assert getattr(balance, name) == count, balance


def fields(logged: Logged, event: str) -> list[EventDict]:
    """The lines of an event, without its name and its level."""
    return [
        {name: value for name, value in line.items() if name not in ("event", "log_level")} for line in logged(event)
    ]
