"""Whether the work may go on: we hold the lease, nobody has paused the work, and the process isn't to end."""

import threading

from worker.journal.lease import Lease
from worker.loop.pause import Pause
from worker.pipeline.observer import Observer
from worker.pipeline.stop import Stop


class GoAhead:
    """Asked before each step of the pipeline, and by each thread of the pool before it begins a message."""

    def __init__(self, lease: Lease, pause: Pause, observer: Observer) -> None:
        self._lease = lease
        self._pause = pause
        self._observer = observer
        self._stopping = threading.Event()

    def go_on(self) -> None:
        """Ask before each step.

        Raises:
            Stop: the process is to end, a person has paused the work, or the lease is lost.
        """
        self._observer.beat()
        if self._stopping.is_set() or not self.may_begin():
            raise Stop

    def may_begin(self) -> bool:
        """Whether a thread of the pool may begin a message; from any thread."""
        return self._lease.is_held() and not self._pause.lately()

    def is_paused(self) -> bool:
        """Whether the work is paused at this moment. May raise `JournalUnavailable`."""
        return self._pause.now()

    def was_paused(self) -> bool:
        """As the journal said about a second ago at most; where it can't be asked, what it said before."""
        return self._pause.lately()

    def stop(self) -> None:
        """Let nothing more begin; from any thread."""
        self._stopping.set()

    def is_stopping(self) -> bool:
        """Whether the process is to end."""
        return self._stopping.is_set()

    def let_finish(self) -> None:
        """After the last run: what is in hand may still be settled."""
        self._stopping.clear()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the process is to end; then as `go_on`."""
        self._stopping.wait(seconds)
        self.go_on()
