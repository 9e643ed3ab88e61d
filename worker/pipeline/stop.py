"""Whether the work may go on, asked before each step."""

from typing import Protocol


class Stop(Exception):
    """Stop before the next command: the lease is lost, a person has paused, or the process was asked to end."""


class Permission(Protocol):
    """Says before each step whether it may be taken."""

    def go_on(self) -> None:
        """Return where the next step may be taken.

        Raises:
            Stop: it must not.
        """
