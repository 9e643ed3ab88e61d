"""Whether work may continue: we hold the lease, nobody has paused the worker, and the process isn't stopping."""

import threading

from worker.journal.lease import Lease
from worker.loop.pause import Pause
from worker.pipeline.observer import Observer
from worker.pipeline.stop import Stop


class GoAhead:
    """The pipeline asks it before each step. Each thread of the pool asks it before it starts a message."""

    def __init__(self, lease: Lease, pause: Pause, observer: Observer) -> None:
        self._lease = lease
        self._pause = pause
        self._observer = observer
        self._stopping = threading.Event()

    def go_on(self) -> None:
        """Return if the next step may be taken.

        Raises:
            Stop: the process is stopping, somebody has paused the worker, or the lease is lost.
        """
        self._observer.beat()
        if self._stopping.is_set() or not self.may_begin():
            raise Stop

    def may_begin(self) -> bool:
        """Whether a thread of the pool may start a message. Safe from any thread."""
        return self._lease.is_held() and not self._pause.lately()

    def is_paused(self) -> bool:
        """Whether the worker is paused now. Reads the journal, so it may raise `JournalUnavailable`."""
        return self._pause.now()

    def was_paused(self) -> bool:
        """Whether the worker was paused within the last second. Falls back to the last answer and never raises."""
        return self._pause.lately()

    def stop(self) -> None:
        """Let no new step start. Safe from any thread."""
        self._stopping.set()

    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def let_finish(self) -> None:
        """Allow steps again after the last run, so that finished messages can still be settled."""
        self._stopping.clear()

    def wait(self, seconds: float) -> None:
        """Wait this long, or until `stop`; then check as `go_on` does."""
        self._stopping.wait(seconds)
        self.go_on()
