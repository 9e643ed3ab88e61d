"""A handler's circuit: open while the handler isn't called, as everything that it was given lately has failed.

What it is about is a target that is down, not a message that is bad: so it counts different messages, and any success
closes it. Its messages wait meanwhile, and no try of theirs is spent.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

TRIAL_WAIT = 10.0
"""Seconds after which a message asks again, while another one is the trial."""


@dataclass(frozen=True, slots=True)
class CircuitRules:
    """after: so many different messages fail with none done between them; 0: the circuit never opens. pauses: s."""

    after: int
    pauses: tuple[float, ...]


class CircuitObserver(Protocol):
    """Told when the handler isn't called any more, and when it is again."""

    def opened(self, pause: float) -> None:
        """A pause of so many seconds begins."""

    def closed(self) -> None:
        """The pauses are over."""


class Circuit:
    """One handler's. Safe between threads; times are those of the clock that it is given."""

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
        """How often it has opened since the start, each time after it was closed."""

    @property
    def open_for(self) -> float | None:
        """Seconds since it opened; None: it is closed."""
        with self._lock:
            return None if self._until is None else self._clock() - self._since

    @property
    def wait(self) -> float | None:
        """Seconds until a message may be tried; 0: one may be now, and only one; None: it is closed."""
        with self._lock:
            return self._wait()

    def admit(self, key: str) -> float | None:
        """None: call the handler with this message, and say what came of it. Else the seconds that it has to wait."""
        with self._lock:
            wait = self._wait()
            if wait == 0:
                self._trial, wait = key, None
            return wait

    def succeeded(self) -> None:
        """The handler took a message, or gave its word on it."""
        with self._lock:
            was_open = self._until is not None
            self._failed.clear()
            self._until, self._trial, self._pauses = None, None, 0
        if was_open:
            self._observer.closed()

    def failed(self, key: str) -> None:
        """The handler failed with this message, or is taking too long."""
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
                return  # it was begun before the circuit opened
            pause = self._rules.pauses[min(self._pauses, len(self._rules.pauses) - 1)]
            self._pauses += 1
            self._until, self._trial = self._clock() + pause, None
        self._observer.opened(pause)

    def inconclusive(self, key: str) -> None:
        """What came of this message says nothing of the handler: another one may be the trial."""
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
