"""The interface for whoever wants to hear of handlers' calls, such as the metrics."""

from typing import Protocol


class HandlerObserver(Protocol):
    """Told of handlers' calls. Called from the pool's threads and the stopwatch's; must not raise."""

    def handled(self, handler: str, outcome: str, seconds: float) -> None:
        """A call ended after this many seconds. outcome: `done`, `retry`, `reject` or `error`."""

    def overdue(self, handler: str) -> None:
        """A call has exceeded its time limit. `handled` is still called when it ends."""


class Unobserved:
    """Does nothing."""

    def handled(self, handler: str, outcome: str, seconds: float) -> None:
        """Do nothing."""

    def overdue(self, handler: str) -> None:
        """Do nothing."""
