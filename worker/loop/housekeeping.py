"""Once a day: what is old in the journal is forgotten."""

from collections.abc import Callable, Sequence

from worker.journal.facts import Facts
from worker.logs import get_logger
from worker.mailbox.session import Session

log = get_logger()


UPKEEP = "upkeep"
"""The fact that says when it was done last."""


EVERY = 86_400.0
"""Seconds between two upkeeps."""


class Upkeep:
    """Once a day, over restarts: what is older than it need be kept goes from the journal."""

    def __init__(
        self,
        facts: Facts,
        *,
        compact: Callable[[Session], int],
        forget: Sequence[Callable[[float], object]],
        keep: float,
        clock: Callable[[], float],
    ) -> None:
        """compact: rows of messages. forget: other rows, those that were done with before a time (epoch s). keep: s."""
        self._facts = facts
        self._compact = compact
        self._forget = forget
        self._keep = keep
        self._clock = clock

    def __call__(self, session: Session) -> None:
        """Do it where a day has passed. Leaves another folder selected, perhaps."""
        now, last = self._clock(), self._facts.recall(UPKEEP)
        if last is not None and 0 <= now - float(last) < EVERY:
            return
        self._facts.remember(UPKEEP, repr(now))
        for forget in self._forget:
            forget(now - self._keep)
        if count := self._compact(session):
            log.info("journal.compacted", count=count)
