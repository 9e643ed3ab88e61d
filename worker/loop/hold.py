"""The lease and the connection, held together."""

from dataclasses import dataclass, field

STANDBY = 5.0
"""Seconds between two looks at whether the lease is free, or the pause over."""


@dataclass
class Condition:
    """What the worker is doing, for health and page: read from other threads, written by the cycle.

    trouble: a word of ours; None: all is well. next_at: epoch s of the next login or connection, where one is awaited.
    """

    trouble: str | None = None
    advice: str = ""
    last_good_poll: float | None = None
    holds_lease: bool = False
    runs: int = field(default=0)
