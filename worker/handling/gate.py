"""Before each handler stands a gate: how many messages it has at once, for how long, and whether it is called at all.

A handler is somebody else's code, and what it talks to may be down or slow. It must not take the others' share with it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from worker.handling.circuit import Circuit, CircuitRules
from worker.handling.handler_observer import HandlerObserver, Unobserved
from worker.handling.stopwatch import Stopwatch
from worker.logs import get_logger

log = get_logger()


class Busy(Exception):
    """The handler has as many messages as it may have. Not an error: the message waits, and its thread is free.

    done: the handlers that returned before. slots: call a function once the handler has room.
    """

    def __init__(self, done: tuple[str, ...], slots: "Slots") -> None:
        super().__init__("the handler is busy")
        self.done = done
        self.slots = slots


class Slots:
    """So many messages at once. Who finds no room is called when there may be some, in order of asking, and says
    whether it still wants it.
    """

    def __init__(self, count: int | None) -> None:
        """count: None: any number."""
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], bool]] = deque()

    def take(self) -> bool:
        """Whether there was room; then it is to be given back."""
        with self._lock:
            if self._free is None or self._free > 0:
                self._free = None if self._free is None else self._free - 1
                return True
            return False

    def release(self) -> None:
        """There is room for another one."""
        with self._lock:
            if self._free is not None:
                self._free += 1
        while (waiting := self._next()) is not None:
            if waiting():
                return

    def when_free(self, call: Callable[[], bool]) -> None:
        """Call this when there is room; at once where there is some by now."""
        with self._lock:
            if self._free == 0:
                self._waiting.append(call)
                return
        call()

    def _next(self) -> Callable[[], bool] | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None


class Gate:
    """One handler's. Safe between threads."""

    def __init__(
        self,
        name: str,
        *,
        circuit: CircuitRules,
        concurrency: int | None,
        time_limit: float | None,
        stopwatch: Stopwatch,
        monotonic: Callable[[], float],
        observer: HandlerObserver | None = None,
    ) -> None:
        """time_limit: s; None: the handler itself ends what takes too long."""
        self.name = name
        self.slots = Slots(concurrency)
        self.circuit = Circuit(circuit, monotonic, _PauseLog(name))
        self._time_limit = time_limit
        self._stopwatch = stopwatch
        self._observer = observer or Unobserved()

    @contextmanager
    def room(self, done: tuple[str, ...]) -> Iterator[None]:
        """Room for one message, for as long as the block lasts. Raises `Busy` where there is none."""
        if not self.slots.take():
            raise Busy(done, self.slots)
        try:
            yield
        finally:
            self.slots.release()

    @contextmanager
    def timed(self, key: str) -> Iterator[None]:
        """The handler is at work on this message, for as long as the block lasts."""
        if self._time_limit is None:
            yield
            return
        with self._stopwatch.watch(self._time_limit, lambda: self._overdue(key)):
            yield

    def held(self, key: str) -> timedelta | None:
        """How long this message waits, as the handler is paused; None: call it, and say what came of it."""
        wait = self.circuit.admit(key)
        return None if wait is None else timedelta(seconds=wait)

    def call_ended(self, word: str, key: str) -> None:
        """What came of a call: done, retry, reject, error, unreadable; anything else says nothing."""
        if word in ("done", "reject"):
            self.circuit.succeeded()
        elif word in ("retry", "error"):
            self.circuit.failed(key)
        else:
            self.circuit.inconclusive(key)

    def _overdue(self, key: str) -> None:
        log.error("handler.overdue", handler=self.name, key=key, seconds=self._time_limit)
        self._observer.overdue(self.name)
        self.circuit.failed(key)


class _PauseLog:
    """Logs when a handler is paused, and when it is called again."""

    def __init__(self, handler: str) -> None:
        self._handler = handler

    def opened(self, pause: float) -> None:
        log.error("handler.paused", handler=self._handler, wait=pause)

    def closed(self) -> None:
        log.info("handler.resumed", handler=self._handler)
