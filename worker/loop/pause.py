"""Whether somebody has paused the worker."""

from collections.abc import Callable
from contextlib import suppress

from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts

ASKED_EVERY = 1.0
"""Seconds for which the journal's last answer counts as current."""


class Pause:
    """Reads the pause from the journal. Safe from any thread."""

    def __init__(self, facts: Facts, monotonic: Callable[[], float]) -> None:
        self._facts = facts
        self._monotonic = monotonic
        self._asked_at = float("-inf")
        self._is_on = False

    def now(self) -> bool:
        """Whether the worker is paused now. May raise `JournalUnavailable`."""
        self._is_on = self._facts.paused() is not None
        self._asked_at = self._monotonic()
        return self._is_on

    def lately(self) -> bool:
        """Whether it was paused within the last second. Falls back to the last answer if the journal is unavailable."""
        if self._monotonic() - self._asked_at >= ASKED_EVERY:
            with suppress(JournalUnavailable):  # the next write reports it
                return self.now()
        return self._is_on
