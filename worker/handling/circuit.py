"""A circuit breaker for each handler: while what the handler talks to is down, the handler isn't called.

It is about that target and never about a message. Only failures that say the target is down count (`About.TARGET`),
each message once, and any success closes the circuit. Even those may be a message's doing, such as one that a web
service answers with 500. So enough of them only raise a doubt: the circuit holds mail back until messages of other
senders were tried as witnesses. The first success keeps the circuit closed. If two of them fail as well, or if there
are no more, it opens. After each pause one message is tried.

Which message is the witness or the trial is decided in `worker/pipeline/trials.py`, which knows what there is to choose
from. Messages that are held back don't spend a try, and neither does one that fails because the target is down while
the circuit is open: an outage may last for days.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

TRIAL_WAIT = 10.0
"""Seconds until a message may ask again while another one is tried, or is about to be."""
WITNESSES = 2
"""How many of them must fail: one, and the circuit would depend on a single message."""
MOST_REMEMBERED = 200
"""Messages that failed, of which we remember that they did. An outage may last for weeks."""
SLOW_TRIAL = 30.0
"""Seconds after which another message may be tried beside a trial that hasn't ended. That one may hang for long, and it
may be the message's fault.
"""


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
        self._failed: dict[str, None] = {}
        self._doubted = False
        self._witnesses = 0
        self._pauses = 0
        self._since = 0.0
        self._until: float | None = None
        self._nominated: set[str] = set()
        self._trials: dict[str, float] = {}
        self.times_held = 0
        """How often it has begun to hold messages back."""

    @property
    def open_for(self) -> float | None:
        """Seconds since the circuit opened; None while it is closed, or merely in doubt."""
        with self._lock:
            return None if self._until is None else self._clock() - self._since

    @property
    def wait(self) -> float | None:
        """Seconds until a message may be tried; 0: one may be nominated now; None: no message is held back."""
        with self._lock:
            return self._wait()

    @property
    def in_doubt(self) -> bool:
        """Whether it waits for a witness: a message of a sender none of whose messages is in `failed_keys`."""
        with self._lock:
            return self._doubted

    @property
    def failed_keys(self) -> frozenset[str]:
        """The keys of the messages that failed lately, at least those whose failures count."""
        with self._lock:
            return frozenset(self._failed)

    def nominate(self, key: str) -> None:
        """Let this message through when it asks, as the witness or the trial."""
        with self._lock:
            if self._wait() == 0:
                self._nominated.add(key)

    def no_witness(self) -> None:
        """There is no message that could be the witness: open the circuit if it is still in doubt."""
        with self._lock:
            if not self._doubted or self._trials:
                return
            pause = self._open()
        self._observer.opened(pause)

    def admit(self, key: str) -> float | None:
        """None: call the handler with this message, then report the result. Otherwise the seconds to wait."""
        with self._lock:
            wait = self._wait()
            if wait == 0 and key in self._nominated:
                self._nominated.discard(key)
                self._trials[key] = self._clock()
                return None
            return TRIAL_WAIT if wait == 0 else wait

    def succeeded(self) -> None:
        """The handler finished with a message or rejected it."""
        with self._lock:
            was_open = self._until is not None
            self._failed.clear()
            self._until, self._doubted, self._pauses = None, False, 0
            self._nominated.clear()
            self._trials.clear()
        if was_open:
            self._observer.closed()

    def failed(self, key: str) -> float | None:
        """The handler failed with this message because its target is down.

        Returns for how many more seconds the circuit stays open, if it was open before, and otherwise None.
        """
        with self._lock:
            if not self._rules.after:
                return None
            was_trial = self._trials.pop(key, None) is not None
            self._remember(key)
            until = self._until
            if until is None and not self._is_certain(was_trial=was_trial):
                return None
            if until is not None and not was_trial:  # another trial failed meanwhile, or its call began before that
                return max(until - self._clock(), 0.0)
            pause = self._open()
        self._observer.opened(pause)
        return None if until is None else pause

    def hold(self, seconds: float) -> None:
        """Keep it open for so long from now on, whatever the rules say: the handler can't be called at all yet."""
        with self._lock:
            if self._until is None:
                self.times_held += 1
            self._keep_open(seconds)

    def inconclusive(self, key: str) -> None:
        """The result says nothing about the target. If this message was tried for it, another one may be."""
        with self._lock:
            self._trials.pop(key, None)

    def _remember(self, key: str) -> None:
        self._failed.pop(key, None)
        self._failed[key] = None
        if len(self._failed) > max(MOST_REMEMBERED, self._rules.after):
            del self._failed[next(iter(self._failed))]

    def _is_certain(self, *, was_trial: bool) -> bool:
        """Whether the closed circuit is to open after one more failure. If there are many, it is in doubt at least."""
        if not self._doubted and len(self._failed) >= self._rules.after:
            self._doubted, self._witnesses = True, 0
            self.times_held += 1
        elif self._doubted and was_trial:
            self._witnesses += 1
        return self._doubted and self._witnesses >= WITNESSES

    def _open(self) -> float:
        pause = self._rules.pauses[min(self._pauses, len(self._rules.pauses) - 1)]
        self._pauses += 1
        self._keep_open(pause)
        return pause

    def _keep_open(self, seconds: float) -> None:
        now = self._clock()
        if self._until is None:
            self._since = now
        self._until, self._doubted = now + seconds, False
        self._nominated.clear()
        self._trials.clear()

    def _wait(self) -> float | None:
        if self._until is None and not self._doubted:
            return None
        now = self._clock()
        if self._until is not None and self._until > now:
            return self._until - now
        busy = any(now - since < SLOW_TRIAL for since in self._trials.values())
        return TRIAL_WAIT if busy else 0.0
