"""Whether the clock has gone on evenly of late: asked before what can't be undone is done because of the time."""

from collections.abc import Callable

from worker.journal.facts import Facts

CLOCK = "clock"
"""The fact that says since when it has gone on evenly, and when it was looked at last."""
ENOUGH = 86_400.0
"""Seconds for which the clock must have gone on evenly; and how far it may be on from one look to the next."""


class SteadyClock:
    """Looks at the clock, over restarts. A clock that was put ahead or back has to go on evenly for a day first.

    What a stopped worker didn't see for a day counts as put ahead. Less than a day ahead doesn't show, nor does much
    harm: what is deleted after weeks is then deleted so much too early.
    """

    def __init__(self, facts: Facts, clock: Callable[[], float]) -> None:
        self._facts = facts
        self._clock = clock

    def is_steady(self) -> bool:
        """Whether it has. May raise `JournalUnavailable`."""
        now = self._clock()
        since, last = map(float, (self._facts.recall(CLOCK) or f"{now!r} {now!r}").split())
        if not 0 <= now - last <= ENOUGH:
            since = now
        self._facts.remember(CLOCK, f"{since!r} {now!r}")
        return now - since >= ENOUGH
