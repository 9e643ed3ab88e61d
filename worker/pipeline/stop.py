"""The permission to go on, which is asked for before each step."""

from typing import Protocol


class Stop(Exception):
    """Stop before the next step: the lease is lost, a person has paused the worker, or the process is to end."""


class Permission(Protocol):
    """Says before each step whether it may be taken."""

    def go_on(self) -> None:
        """Return if the next step may be taken.

        Raises:
            Stop: it may not.
        """
