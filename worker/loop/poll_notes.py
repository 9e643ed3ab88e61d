"""Notes in the journal how the last poll went, for `status`."""

from collections.abc import Callable

from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts, LastPoll
from worker.loop.handler_notes import HandlerNotes
from worker.loop.journal_outage import JournalOutage


class PollNotes:
    """Writes the journal's note of the last poll."""

    def __init__(
        self,
        facts: Facts,
        clock: Callable[[], float],
        outage: JournalOutage,
        handlers: HandlerNotes | None = None,
    ) -> None:
        """handlers: notes with each good poll which handlers aren't called."""
        self._facts = facts
        self._clock = clock
        self._outage = outage
        self._handlers = handlers

    def went_well(self, *, new: int) -> None:
        """Note a good poll. May raise `JournalUnavailable`."""
        now = self._clock()
        self._facts.polled(LastPoll(now, ok=True, new=new, good_at=now))
        if self._handlers is not None:
            self._handlers.write()

    def failed(self, trouble: str, *, new: int = 0) -> None:
        """Note a failed poll, or log that it can't be noted. trouble: what stopped it, in one word."""
        try:
            before = self._facts.last_poll()
            good_at = None if before is None else before.good_at
            self._facts.polled(LastPoll(self._clock(), ok=False, new=new, good_at=good_at, trouble=trouble))
        except JournalUnavailable as error:
            self._outage.met(error)
