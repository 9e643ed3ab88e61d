"""A circuit breaker for each handler. It opens when all recent calls failed; while open, the handler isn't called.

It is meant for a target that is down, not for a bad message. So it counts each message once, and any success closes
it. Messages that wait for an open circuit don't spend a try.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

TRIAL_WAIT = 10.0
"""Seconds until a message may ask again while another one is the trial."""


@dataclass(frozen=True, slots=True)
class CircuitRules:
    """When a circuit opens, and for how long.

    after: it opens when this many different messages have failed without a success in between; 0: never.
    pauses: seconds; the last repeats.
    """

    after: int
    pauses: tuple[float, ...]


class CircuitObserver(Protocol):
    """Told when the circuit opens and closes."""

    def opened(self, pause: float) -> None:
        """The handler won't be called for this many seconds."""

    def closed(self) -> None:
        """The handler is called again."""


class Circuit:
    """The circuit of one handler. Thread-safe."""

    def __init__(
        self,
        rules: CircuitRules,
        clock: Callable[[], float],
        observer: CircuitObserver,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._observer = observer
        self._lock = threading.Lock()
        self._failed: set[str] = set()
        self._pauses = 0
        self._since = 0.0
        self._until: float | None = None
        self._trial: str | None = None
        self.times_opened = 0
        """How often the closed circuit has opened. Further pauses while it is open don't count."""

    @property
    def open_for(self) -> float | None:
        """Seconds since the circuit opened; None while it is closed."""
        with self._lock:
            return None if self._until is None else self._clock() - self._since

    @property
    def wait(self) -> float | None:
        """Seconds until a message may be tried; 0: a single message may be tried now; None: the circuit is closed."""
        with self._lock:
            return self._wait()

    def admit(self, key: str) -> float | None:
        """None: call the handler with this message, then report the result. Otherwise the seconds to wait."""
        with self._lock:
            wait = self._wait()
            if wait == 0:
                self._trial, wait = key, None
            return wait

    def succeeded(self) -> None:
        """The handler finished with a message or rejected it."""
        with self._lock:
            was_open = self._until is not None
            self._failed.clear()
            self._until, self._trial, self._pauses = None, None, 0
        if was_open:
            self._observer.closed()

    def failed(self, key: str) -> None:
        """The handler failed with this message, or takes too long."""
        with self._lock:
            if not self._rules.after:
                return
            if self._until is None:
                self._failed.add(key)
                if len(self._failed) < self._rules.after:
                    return
                self._since = self._clock()
                self.times_opened += 1
            elif key != self._trial:
                return  # its call started before the circuit opened
            pause = self._rules.pauses[min(self._pauses, len(self._rules.pauses) - 1)]
            self._pauses += 1
            self._until, self._trial = self._clock() + pause, None
        self._observer.opened(pause)

    def inconclusive(self, key: str) -> None:
        """The result says nothing about the handler. If this message was the trial, another one may be."""
        with self._lock:
            if self._trial == key:
                self._trial = None

    def _wait(self) -> float | None:
        if self._until is None:
            return None
        left = self._until - self._clock()
        if left > 0:
            return left
        return 0.0 if self._trial is None else TRIAL_WAIT
