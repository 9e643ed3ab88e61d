"""Whether the clock can be trusted. Asked before anything irreversible that depends on the time."""

from collections.abc import Callable

from worker.journal.facts import Facts

CLOCK = "clock"
"""The journal's fact that holds since when the clock has been steady, and when it was last checked."""
ENOUGH = 86_400.0
"""Seconds for which the clock must have been steady, and the largest step forward that counts as steady."""


class SteadyClock:
    """Watches the clock across restarts. After a jump in either direction it must run steadily for a day.

    A worker that was stopped for longer than a day sees a jump forward. A smaller jump forward goes unnoticed and does
    little harm: mail that is kept for weeks is deleted too early by the size of that jump.
    """

    def __init__(self, facts: Facts, clock: Callable[[], float]) -> None:
        self._facts = facts
        self._clock = clock

    def is_steady(self) -> bool:
        """Whether it has run steadily for long enough. May raise `JournalUnavailable`."""
        now = self._clock()
        since, last = map(float, (self._facts.recall(CLOCK) or f"{now!r} {now!r}").split())
        if not 0 <= now - last <= ENOUGH:
            since = now
        self._facts.remember(CLOCK, f"{since!r} {now!r}")
        return now - since >= ENOUGH
