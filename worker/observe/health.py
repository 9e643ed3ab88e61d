"""Whether a restart would help (`livez`), and whether this replica is at work (`readyz`).

The two answer different questions. A container that isn't live is replaced, and logs in again: so nothing that a login
has to do with, above all a rejected one, ever makes the worker not live. It makes it not ready, which harms nobody.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from worker.observe.view import LoginState, StatusView

STUCK_AFTER = 3600.0
STALLED_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A probe's answer. reasons: words of ours, one for each thing that speaks against it."""

    ok: bool
    reasons: tuple[str, ...] = ()


class Health:
    """What the running parts say of themselves. Safe between threads.

    pool: how many handlers can work at once. stuck_after: s; a handler that works longer on one message is stuck.
    stalled_after: s; the scheduler's thread is stalled when, with no handler at work but such as are stuck, it has not
    said `beat()` for so long. It has to be longer than any wait of the schedule's own (every poll beats) and any read
    timeout.
    """

    def __init__(
        self,
        *,
        pool: int,
        stuck_after: float = STUCK_AFTER,
        stalled_after: float = STALLED_AFTER,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._pool = pool
        self._stuck_after = stuck_after
        self._stalled_after = stalled_after
        self._clock = clock
        self._lock = threading.Lock()
        self._working: dict[int, float] = {}
        self._next = 0
        self._beat = clock()
        self._alive: Callable[[], bool] = lambda: True
        self._replaced: Callable[[], int] = lambda: 0
        self._stopping = False

    def watch(self, alive: Callable[[], bool]) -> None:
        """From now on the scheduler's thread lives as long as this says so (`thread.is_alive`)."""
        self._alive = alive
        self.beat()

    def count_replaced(self, replaced: Callable[[], int]) -> None:
        """From now on this says how many threads of the pool hang and have another working in their place."""
        self._replaced = replaced

    def beat(self) -> None:
        """The scheduler's thread gets on: at each poll, each answer of the server, each batch settled."""
        self._beat = self._clock()

    def stopping(self) -> None:
        """The process is ending in order: its thread may be gone now, and it takes no more work."""
        self._stopping = True

    @contextmanager
    def working(self) -> Iterator[None]:
        """A thread of the pool is with a message for as long as the block lasts."""
        with self._lock:
            self._next += 1
            ticket = self._next
            self._working[ticket] = self._clock()
        try:
            yield
        finally:
            with self._lock:
                del self._working[ticket]

    def stuck(self) -> int:
        """How many threads of the pool have been with one message for longer than is reasonable."""
        with self._lock:
            return self._stuck()

    def _stuck(self) -> int:
        return sum(self._clock() - since > self._stuck_after for since in self._working.values())

    def _calls(self) -> tuple[int, int]:
        """How many calls of handlers have not returned, and how many of these are stuck."""
        with self._lock:
            return len(self._working), self._stuck()

    def live(self) -> Answer:
        """Whether this process can still do its work; False only where a restart would help."""
        if self._stopping:
            return Answer(ok=True)
        reasons = []
        if not self._alive():
            reasons.append("scheduler-dead")
        calls, stuck = self._calls()
        if stuck >= self._pool + self._replaced():
            reasons.append("pool-stuck")
        if calls == stuck and self._clock() - self._beat > self._stalled_after:
            reasons.append("scheduler-stalled")
        return Answer(not reasons, tuple(reasons))

    def ready(self, view: StatusView) -> Answer:
        """Whether this replica is at work on the mailbox, as the state and the parts have it. A pause is work too."""
        reasons = readiness(view)
        if self._stopping:
            reasons = (*reasons, "stopping")
        if not self._stopping and not self._alive():
            reasons = (*reasons, "scheduler-dead")
        return Answer(not reasons, reasons)


def readiness(view: StatusView) -> tuple[str, ...]:
    """What of the state speaks against being ready; nothing: ready."""
    checks = {
        "journal-unavailable": not view.journal_ok,
        f"login-{view.login.state.value}": view.login.state is not LoginState.READY,
        "standing-by": view.standing_by,
        "not-polled": view.last_good_poll_at is None,
        "poll-overdue": view.last_good_poll_at is not None and view.overdue and not view.paused,
    }
    return tuple(reason for reason, holds in checks.items() if holds)
