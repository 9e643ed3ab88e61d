"""Watches how long each call of a handler takes, and reports calls that are overdue."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from worker.logs.log import get_logger

log = get_logger()


class OverdueObserver(Protocol):
    """Told of every call that is overdue. Called from the stopwatch's thread."""

    def overdue(self, thread: int) -> None:
        """The call in the thread with this identifier has exceeded its limit."""


class Stopwatch:
    """Reports calls that exceed their limit, once each. Starts a thread of its own with the first call."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._calls: dict[object, tuple[float, int, Callable[[int], None]]] = {}
        self._observers: list[OverdueObserver] = []
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None
        self._ended = False

    def tell(self, observer: OverdueObserver) -> None:
        """Report overdue calls to this observer as well."""
        with self._changed:
            self._observers.append(observer)

    @contextmanager
    def watch(self, limit: float, overdue: Callable[[], None]) -> Iterator[None]:
        """Watch a call in this thread while the block runs. After `limit` seconds `overdue` is called, once.

        The observers are told as well.
        """

        def tell(thread: int) -> None:
            overdue()
            for observer in self._observers:
                observer.overdue(thread)

        with self.after(limit, tell):
            yield

    @contextmanager
    def after(self, seconds: float, call: Callable[[int], None]) -> Iterator[None]:
        """While the block runs: after so many seconds `call` is called, once, with this thread's identifier."""
        ticket, deadline = object(), self._monotonic() + seconds
        with self._changed:
            self._calls[ticket] = (deadline, threading.get_ident(), call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="time-limits", daemon=True)
                self._thread.start()
            elif deadline < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._calls.pop(ticket, None)

    def close(self) -> None:
        """Stop watching, and end the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._ended:
                now = self._monotonic()
                for ticket, (deadline, thread, call) in list(self._calls.items()):
                    if deadline <= now:
                        del self._calls[ticket]
                        try:
                            call(thread)
                        except Exception as error:  # the other calls must be watched all the same
                            log.error("worker.fault", exc_info=error)
                self._wakes_at = min((deadline for deadline, _, _ in self._calls.values()), default=now + 3600)
                self._changed.wait(max(0.0, self._wakes_at - now))
