"""During a pause: counts what has come, and says so in the journal and the log. A pause may be forgotten."""

from collections.abc import Callable

from worker.journal.facts import Facts, PauseNote
from worker.logs.log import get_logger
from worker.logs.redaction import as_word
from worker.mailbox.session import Session
from worker.pipeline.arrivals import Arrivals

log = get_logger()

DAY = 86_400.0
"""Seconds between two reminders of a pause."""


class PauseWatch:
    """Asked by the cycle in each of its runs. For one thread."""

    def __init__(
        self,
        facts: Facts,
        arrivals: Arrivals,
        *,
        every: float,
        remind_after: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """every: seconds between two counts. remind_after: seconds until the log says that the pause goes on."""
        self._facts = facts
        self._arrivals = arrivals
        self._every = every
        self._remind_after = remind_after
        self._clock = clock
        self._monotonic = monotonic
        self._count_at = 0.0
        self._told: PauseNote | None = None
        self._reminded = 0

    def look(self, session: Session) -> None:
        """A run found the worker paused: count what has come, if that is due.

        Raises:
            MailboxError: the mailbox can't be looked at. JournalUnavailable: the count can't be written down.
        """
        if self._told is None or self._monotonic() >= self._count_at:
            self._count_at = self._monotonic() + self._every
            self._facts.arrived(self._arrivals.count(session), self._clock())
        note = self._facts.pause_note()
        if note is not None:
            self._tell(note)

    def over(self) -> None:
        """A run found the worker not paused."""
        if self._told is not None:
            log.info("worker.resumed")
            self._told = None

    def _tell(self, note: PauseNote) -> None:
        before, self._told = self._told, note
        if before is None or before.since != note.since:
            self._reminded = 0
        if before is None or (before.since, before.actor, before.reason) != (note.since, note.actor, note.reason):
            log.warning("worker.paused", **_fields(note))
        reminders = self._reminders(note)
        if reminders > self._reminded:
            log.error("worker.still_paused", **_fields(note))
        self._reminded = reminders

    def _reminders(self, note: PauseNote) -> int:
        """How many reminders are due by now: one after `remind_after`, and one each day from then on."""
        late = -1.0 if note.since is None else self._clock() - note.since - self._remind_after
        return 0 if late < 0 else 1 + int(late // DAY)


def _fields(note: PauseNote) -> dict[str, object]:
    fields: dict[str, object] = {"since": note.since, "actor": as_word(note.actor), "count": note.arrived}
    return fields | ({"words": note.reason} if note.reason else {})
