"""Whether a person has paused the work: asked before each step, and by each thread before it begins a message."""

from collections.abc import Callable
from contextlib import suppress

from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts

ASKED_EVERY = 1.0
"""Seconds for which the journal's last word is good enough between two steps."""


class Pause:
    """The pause, as the journal has it. From any thread."""

    def __init__(self, facts: Facts, monotonic: Callable[[], float]) -> None:
        self._facts = facts
        self._monotonic = monotonic
        self._asked_at = float("-inf")
        self._is_on = False

    def now(self) -> bool:
        """Whether the work is paused at this moment. May raise `JournalUnavailable`."""
        self._is_on = self._facts.paused() is not None
        self._asked_at = self._monotonic()
        return self._is_on

    def lately(self) -> bool:
        """As the journal said last, about a second ago at most; where it can't be asked, what it said before."""
        if self._monotonic() - self._asked_at >= ASKED_EVERY:
            with suppress(JournalUnavailable):  # whoever writes next finds out
                return self.now()
        return self._is_on
