"""Builds the handlers that couldn't be built when the worker started: again and again, with growing waits."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.handling.circuit import Circuit
from worker.handling.late_handler import LateHandler
from worker.handling.target_down import asked_wait, kind_of
from worker.logs.log import get_logger

log = get_logger()


class Wakeable(Protocol):
    """Whoever hands messages over."""

    def wake(self) -> None:
        """A handler has been built. Called in another thread."""


@dataclass(slots=True)
class _Late:
    handler: LateHandler
    circuit: Circuit
    waits: Sequence[float]
    due_at: float = 0.0
    failures: int = 0


class LateBuilds:
    """Holds each handler's circuit open until the handler is built, so that its messages wait and spend no try."""

    def __init__(
        self,
        late: Mapping[str, LateHandler],
        circuits: Mapping[str, Circuit],
        waits: Mapping[str, Sequence[float]],
        *,
        limit: float,
        monotonic: Callable[[], float],
        waiter: Wakeable | None = None,
    ) -> None:
        """By handler name. waits: seconds after the 1st, 2nd, … failure; the last repeats. limit: s to build one."""
        self._late = {name: _Late(handler, circuits[name], waits[name]) for name, handler in late.items()}
        self._limit = limit
        self._monotonic = monotonic
        self._waiter = waiter
        self._ended = threading.Event()

    def hold(self) -> None:
        """Open the circuits, as the handlers can't be built yet. Call it once, before any message is handed over."""
        for name, late in self._late.items():
            self._failed(name, late, late.handler.error)

    def start(self) -> None:
        """Build in a thread of its own from now on."""
        if self._late:
            threading.Thread(target=self._run, name="late-handlers", daemon=True).start()

    def close(self) -> None:
        """Build nothing more."""
        self._ended.set()

    def build_due(self) -> float | None:
        """Build those that are due. Returns the seconds until another is; None if all are built."""
        for name, late in list(self._late.items()):
            if self._monotonic() >= late.due_at:
                self._build(name, late)
        if not self._late:
            return None
        return max(0.0, min(late.due_at for late in self._late.values()) - self._monotonic())

    def _run(self) -> None:
        wait: float | None = 0.0
        while wait is not None and not self._ended.wait(wait):
            wait = self.build_due()

    def _build(self, name: str, late: _Late) -> None:
        error = late.handler.build()
        if error is not None:
            self._failed(name, late, error)
            return
        del self._late[name]
        late.circuit.succeeded()
        if self._waiter is not None:
            self._waiter.wake()

    def _failed(self, name: str, late: _Late, error: Exception) -> None:
        asked = asked_wait(error)
        wait = late.waits[min(late.failures, len(late.waits) - 1)] if asked is None else asked.total_seconds()
        late.failures += 1
        late.due_at = self._monotonic() + wait
        # Longer than the wait, so that no message asks for the handler while it is being built again.
        late.circuit.hold(wait + self._limit)
        log.error("handler.not_built", handler=name, error=kind_of(error), wait=wait)
