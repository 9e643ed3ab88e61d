"""What is told of handlers' calls as they happen: metrics listen."""

from typing import Protocol


class HandlerObserver(Protocol):
    """Told from the pool's threads and the stopwatch's. Never raises."""

    def handled(self, handler: str, outcome: str, seconds: float) -> None:
        """A call ended, after so many seconds, as `done`, `retry`, `reject` or `error`."""

    def overdue(self, handler: str) -> None:
        """A call takes longer than it may. How it ends is told besides."""


class Unobserved:
    """Nobody listens."""

    def handled(self, handler: str, outcome: str, seconds: float) -> None:
        """Nothing is done with it."""

    def overdue(self, handler: str) -> None:
        """Nothing is done with it."""
