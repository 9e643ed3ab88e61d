"""Logs that the journal can't be used: once for each reason, and again after an hour, until it can be used again."""

import threading
from collections.abc import Callable
from typing import Final

from worker.journal.trouble_words import trouble_with_journal
from worker.logs.log import get_logger

log = get_logger()

AGAIN_AFTER: Final = 3600.0
"""Seconds after which an outage that lasts is logged again."""


class JournalOutage:
    """One for each process. Thread-safe, because the heartbeat meets the same outage as the polls."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}
        """When each reason was logged in this outage."""

    def met(self, error: Exception) -> None:
        """Log it, unless this reason was logged in the same outage within the last hour."""
        trouble = trouble_with_journal(error)
        with self._lock:
            told, now = self._told.get(trouble.name), self._monotonic()
            if told is not None and now - told < AGAIN_AFTER:
                return
            self._told[trouble.name] = now
        log.error("journal.unavailable", reason=trouble.name, advice=trouble.advice)

    def over(self) -> None:
        """The journal can be used: the next outage is logged at once."""
        with self._lock:
            self._told.clear()
