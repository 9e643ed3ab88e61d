"""The state for frequent readers: read at most once a second, and the last known one while it can't be read.

On a large journal reading takes longer. Then it is read less often, so that page, probes and scrapes together take no
more than a twentieth of the time.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from worker.logs.log import get_logger
from worker.observe.view import StatusSource, StatusView

log = get_logger()

FRESH_FOR = 1.0
SHARE = 20
"""After a read, the next one waits so many times as long as that took: large journals are read less often."""
LONGEST = 30.0
"""But never less often than each so many seconds."""


class LastKnown:
    """The state, read at most once a second and by one thread at a time; the last known one if it can't be read."""

    def __init__(
        self,
        status: StatusSource,
        *,
        account: str,
        clock: Callable[[], float] = time.time,
        fresh_for: float = FRESH_FOR,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._status = status
        self._clock = clock
        self._fresh_for = fresh_for
        self._lock = threading.Lock()
        self._view = StatusView(account=account, now=self._now(), journal_ok=False)
        self._read_at = float("-inf")
        self._monotonic = monotonic
        self._took = 0.0

    def view(self) -> StatusView:
        """The state. Never raises. Doesn't wait while another thread is reading it."""
        fresh_for = max(self._fresh_for, min(SHARE * self._took, LONGEST))
        if self._clock() - self._read_at < fresh_for or not self._lock.acquire(blocking=False):
            return self._view
        began = self._monotonic()
        try:
            self._view = self._status.view()
            self._took = self._monotonic() - began
        except Exception:  # any fault: people must see a page, which says that the journal is in trouble
            log.warning("http.status_unreadable", exc_info=True)
            self._took = 0.0  # so that it is tried again at once
            self._view = replace(self._view, now=self._now(), journal_ok=False)
        finally:
            self._read_at = self._clock()
            self._lock.release()
        return self._view

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
