"""Writes down how the last poll went, for `status`."""

from collections.abc import Callable

from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts, LastPoll
from worker.logs import get_logger

log = get_logger()


class PollNotes:
    """The journal's note of the last poll."""

    def __init__(self, facts: Facts, clock: Callable[[], float]) -> None:
        self._facts = facts
        self._clock = clock

    def went_well(self, *, new: int) -> None:
        """A poll has done its work. May raise `JournalUnavailable`."""
        now = self._clock()
        self._facts.polled(LastPoll(now, ok=True, new=new, good_at=now))

    def failed(self, trouble: str, *, new: int = 0) -> None:
        """A poll didn't go well. trouble: what kept it from its work, in a word."""
        try:
            before = self._facts.last_poll()
            good_at = None if before is None else before.good_at
            self._facts.polled(LastPoll(self._clock(), ok=False, new=new, good_at=good_at, trouble=trouble))
        except JournalUnavailable:
            log.error("journal.unavailable")
