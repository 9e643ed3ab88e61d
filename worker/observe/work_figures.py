"""Counts what routes and handlers do, from the start of the process: in memory, whatever lies in the mailbox."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from worker.message.outcome import State
from worker.observe.work_view import HandlerView, RouteView

LATEST: Final = 1000
"""The median is of so many calls at most, the latest."""
_RETRY: Final = "retry"
_DONE: Final = "done"


@dataclass(slots=True)
class _Calls:
    count: int = 0
    failed: int = 0
    retried: int = 0
    slowest: float = 0.0
    slowest_at: float = 0.0
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))


@dataclass(slots=True)
class _Messages:
    done: int = 0
    failed: int = 0
    retried: int = 0


class WorkFigures:
    """Told of every call and outcome. Safe between threads. clock: epoch s."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, _Calls] = {}
        self._messages: dict[str, _Messages] = {}

    def called(self, handler: str, outcome: str, seconds: float) -> None:
        """A call ended after so many seconds: `done`, `retry`, `reject` or `error`."""
        with self._lock:
            calls = self._calls.setdefault(handler, _Calls())
            calls.count += 1
            calls.retried += outcome == _RETRY
            calls.failed += outcome not in {_DONE, _RETRY}
            calls.latest.append(seconds)
            if seconds >= calls.slowest:
                calls.slowest, calls.slowest_at = seconds, self._clock()

    def tried(self, route: str | None, state: State) -> None:
        """A try at a message of this route ended in this state. route: None if it came to none."""
        if route is None:
            return
        with self._lock:
            messages = self._messages.setdefault(route, _Messages())
            messages.done += state in {State.HANDLED, State.JUNK}
            messages.failed += state is State.FAILED
            messages.retried += state is State.PENDING

    def routes(self, configured: Iterable[str]) -> tuple[RouteView, ...]:
        """These routes in their order, then any other that took a message, such as the junk path."""
        with self._lock:
            return tuple(
                RouteView(route=name, done=of.done, failed=of.failed, retried=of.retried)
                for name in dict.fromkeys((*configured, *self._messages))
                for of in [self._messages.get(name, _Messages())]
            )

    def handlers(self, configured: Iterable[str]) -> tuple[HandlerView, ...]:
        """These handlers in their order."""
        with self._lock:
            return tuple(_view(name, self._calls.get(name)) for name in configured)


def _view(name: str, calls: _Calls | None) -> HandlerView:
    if calls is None:
        return HandlerView(handler=name)
    from statistics import median  # here, because only the page asks; `run` loads it ahead

    return HandlerView(
        handler=name,
        calls=calls.count,
        failed=calls.failed,
        retried=calls.retried,
        median=median(calls.latest),
        slowest=calls.slowest,
        slowest_at=datetime.fromtimestamp(calls.slowest_at, UTC),
    )
