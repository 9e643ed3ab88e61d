"""Whether a restart would help (`livez`), and whether this replica is at work (`readyz`).

The two answer different questions. A container that isn't live is restarted, and logs in again. So no state of the
login, least of all a rejected one, makes the worker not live. It makes it not ready, which does no harm.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from worker.handling.output import handler_in

if TYPE_CHECKING:
    from worker.observe.view import StatusView

STUCK_AFTER = 3600.0
STALLED_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A probe's answer. reasons: words of ours, one for each thing that is wrong."""

    ok: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StuckCall:
    """A handler call that doesn't return. number: its own. key: of its message. handler: None: it isn't known."""

    number: int
    key: str
    handler: str | None


class Health:
    """The health of the running parts, as they report it. Safe between threads.

    pool: how many handlers can work at once. stuck_after: s; a handler that works longer on one message is stuck.
    stalled_after: s; the scheduler's thread is stalled when it hasn't called `beat()` for so long, unless it waits for
    a handler that isn't stuck. It must be longer than any wait of the schedule (every poll beats) and any read timeout.
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
        self._working: dict[int, tuple[float, str, int]] = {}
        """Of each call: since when, the message's key, the thread."""
        self._next = 0
        self._beat = clock()
        self._alive: Callable[[], bool] = lambda: True
        self._replaced: Callable[[], int] = lambda: 0
        self._stopping = False

    def watch(self, alive: Callable[[], bool]) -> None:
        """From now on, ask this whether the scheduler's thread is alive (`thread.is_alive`)."""
        self._alive = alive
        self.beat()

    def count_replaced(self, replaced: Callable[[], int]) -> None:
        """From now on, ask this how many threads of the pool hang and have been replaced by another."""
        self._replaced = replaced

    def beat(self) -> None:
        """The scheduler's thread makes progress: called at each poll, each answer of the server, each settled batch."""
        self._beat = self._clock()

    def stopping(self) -> None:
        """The process is ending in order: from now on its thread may be gone, and it takes no more work."""
        self._stopping = True

    @contextmanager
    def working(self, key: str = "") -> Iterator[None]:
        """A thread of the pool works on the message with this key while the block runs."""
        with self._lock:
            self._next += 1
            ticket = self._next
            self._working[ticket] = self._clock(), key, threading.get_ident()
        try:
            yield
        finally:
            with self._lock:
                del self._working[ticket]

    def stuck(self) -> int:
        """How many threads of the pool have worked on one message for longer than `stuck_after`."""
        return len(self.stuck_calls())

    def stuck_calls(self) -> tuple[StuckCall, ...]:
        """The calls that are stuck, the oldest first."""
        with self._lock:
            return self._stuck()

    def _stuck(self) -> tuple[StuckCall, ...]:
        now = self._clock()
        return tuple(
            StuckCall(number, key, handler_in(thread))
            for number, (since, key, thread) in self._working.items()
            if now - since > self._stuck_after
        )

    def _calls(self) -> tuple[int, int]:
        """How many handler calls haven't returned, and how many of these are stuck."""
        with self._lock:
            return len(self._working), len(self._stuck())

    def live(self) -> Answer:
        """Whether this process can still do its work; False only if a restart would help."""
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

    def ready(self, view: "StatusView") -> Answer:
        """Whether this replica is at work on the mailbox. A pause counts as work."""
        reasons = readiness(view)
        if self._stopping:
            reasons = (*reasons, "stopping")
        if not self._stopping and not self._alive():
            reasons = (*reasons, "scheduler-dead")
        return Answer(not reasons, reasons)


def readiness(view: "StatusView") -> tuple[str, ...]:
    """What keeps the worker from being ready; empty: it is ready."""
    from worker.observe.view import LoginState  # here, because who has a view has loaded it, and `once` has none

    checks = {
        "journal-unavailable": not view.journal_ok,
        f"login-{view.login.state.value}": view.login.state is not LoginState.READY,
        "standing-by": view.standing_by,
        "not-polled": view.last_good_poll_at is None,
        "poll-overdue": view.last_good_poll_at is not None and view.overdue,
    }
    return tuple(reason for reason, holds in checks.items() if holds)
