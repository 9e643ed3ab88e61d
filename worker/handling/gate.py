"""The gate in front of each handler: how many messages it may have at once, for how long, and whether it is paused.

A handler is somebody else's code, and the system that it talks to may be down or slow. Messages for other handlers must
not wait for it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from worker.handling.circuit import TRIAL_WAIT, Circuit, CircuitRules
from worker.handling.failure import CallFailure
from worker.handling.handler_observer import HandlerObserver, Unobserved
from worker.handling.outage import About
from worker.handling.overdue_calls import Stopwatch
from worker.logs.log import get_logger

log = get_logger()


class Busy(Exception):
    """All slots of the handler are taken. Not an error: the message is laid aside, which frees its thread.

    done: the handlers that have finished with the message. slots: those of the handler.
    """

    def __init__(self, done: tuple[str, ...], slots: "Slots") -> None:
        super().__init__("the handler is busy")
        self.done = done
        self.slots = slots


class Slots:
    """A limit on the number of messages that a handler has at once.

    A caller that finds no free slot can leave a callback. As slots become free, the callbacks are called in order.
    Each returns whether it still needs a slot; if it doesn't, the next one is called.
    """

    def __init__(self, count: int | None) -> None:
        """count: None means no limit."""
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], bool]] = deque()

    def take(self) -> bool:
        """Take a slot, to be released later. False if none is free."""
        with self._lock:
            if self._free is None or self._free > 0:
                self._free = None if self._free is None else self._free - 1
                return True
            return False

    def release(self) -> None:
        """Give a slot back."""
        with self._lock:
            if self._free is not None:
                self._free += 1
        while (waiting := self._next()) is not None:
            if waiting():
                return

    def when_free(self, call: Callable[[], bool]) -> None:
        """Call this when a slot may be free, which can be at once."""
        with self._lock:
            if self._free == 0:
                self._waiting.append(call)
                return
        call()

    def _next(self) -> Callable[[], bool] | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None


class Built(Protocol):
    """A handler that may not be built yet."""

    @property
    def is_built(self) -> bool:
        """Whether it can be called. Once true, it stays so."""


class Gate:
    """The gate of one handler. Thread-safe."""

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
        late: Built | None = None,
    ) -> None:
        """concurrency: None means no limit. time_limit: seconds; None if the handler ends overdue calls by itself.

        late: the handler, if it couldn't be built when the worker started.
        """
        self.name = name
        self.slots = Slots(concurrency)
        self.circuit = Circuit(circuit, monotonic, _PauseLog(name))
        self._time_limit = time_limit
        self._stopwatch = stopwatch
        self._observer = observer or Unobserved()
        self._late = late

    @contextmanager
    def slot(self, done: tuple[str, ...]) -> Iterator[None]:
        """Hold a slot while the block runs. Raises `Busy` if none is free."""
        if not self.slots.take():
            raise Busy(done, self.slots)
        try:
            yield
        finally:
            self.slots.release()

    @contextmanager
    def timed(self, key: str) -> Iterator[None]:
        """Watch the time while the block calls the handler with this message."""
        if self._time_limit is None:
            yield
            return
        with self._stopwatch.watch(self._time_limit, lambda: self._overdue(key)):
            yield

    def pause_of(self, key: str) -> timedelta | None:
        """How long this message must wait for the paused handler. None: call the handler, then `call_ended`."""
        wait = self.circuit.admit(key)
        if wait is None and self._late is not None and not self._late.is_built:
            self.circuit.hold(TRIAL_WAIT)
            wait = TRIAL_WAIT
        return None if wait is None else timedelta(seconds=wait)

    def call_ended(self, key: str, failure: CallFailure | None) -> timedelta | None:
        """Tell the circuit how a call ended. None: the handler returned. A rejection is an answer, too.

        Only a failure that is about the target counts against the handler. Returns how long the handler stays paused if
        it was paused before, and the message failed because its target is down: that is no fault of the message.
        Otherwise None.
        """
        if failure is None or failure.word == "reject":
            self.circuit.succeeded()
        elif failure.about is About.TARGET and failure.word != "unreadable":
            pause = self.circuit.failed(key)
            return None if pause is None else timedelta(seconds=pause)
        else:
            self.circuit.inconclusive(key)
        return None

    def _overdue(self, key: str) -> None:
        log.error("handler.overdue", handler=self.name, key=key, seconds=self._time_limit)
        self._observer.overdue(self.name)
        self.circuit.inconclusive(key)  # it may be the message that takes so long


class _PauseLog:
    """Logs when a handler is paused and when it is resumed."""

    def __init__(self, handler: str) -> None:
        self._handler = handler

    def opened(self, pause: float) -> None:
        log.error("handler.paused", handler=self._handler, wait=pause)

    def closed(self) -> None:
        log.info("handler.resumed", handler=self._handler)
