"""The state of a running worker: what the journal says, and what only this process knows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from worker.handling.circuit import Circuit
from worker.handling.late_handler import LateHandler, not_built
from worker.journal.store import Journal
from worker.login.login_status import LoginStatus
from worker.observe.listener import Listener
from worker.observe.status import about, view
from worker.observe.view import CircuitView, StatusView
from worker.settings import Settings


class Login(Protocol):
    """Says how the login stands."""

    def status(self) -> LoginStatus:
        """From the journal alone. May raise `JournalUnavailable`."""


class Rhythm(Protocol):
    """Knows when the mailbox is looked at next."""

    def next_at(self) -> datetime | None:
        """At the latest, in UTC; None: it isn't known."""


class LiveStatus:
    """Read by the page, the metrics and the alerts. circuits, late: by handler. rhythm: of the polls; None: unknown."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        listener: Listener,
        *,
        login: Login,
        circuits: Mapping[str, Circuit],
        late: Mapping[str, LateHandler],
        clock: Callable[[], float],
        rhythm: Rhythm | None = None,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._listener = listener
        self._login = login
        self._circuits = circuits
        self._late = late
        self._clock = clock
        self._rhythm = rhythm

    def view(self) -> StatusView:
        """The state now. May raise `JournalUnavailable`."""
        listener, health = self._listener, self._listener.health
        figures = listener.metrics.figures
        known = about(self._settings, replica=listener.replica, started_at=listener.started_at)
        found = view(self._journal, known, self._login.status(), self._clock())
        stuck = health.stuck_calls()
        return replace(
            found,
            journal_ok=listener.journal_takes,
            stuck=len(stuck),
            named=replace(
                found.named,
                stuck_handlers=tuple(dict.fromkeys(call.handler for call in stuck if call.handler is not None)),
                stuck_keys=tuple(call.key for call in stuck if call.key),
            ),
            live=health.live().ok,
            next_poll_at=found.next_poll_at if self._rhythm is None else self._rhythm.next_at(),
            routes=figures.routes(route.name for route in self._settings.routes),
            handlers=figures.handlers(self._circuits),
            circuits=tuple(
                _shown(name, circuit, not_built(self._late.get(name)), found.now)
                for name, circuit in self._circuits.items()
            ),
        )


def _shown(name: str, circuit: Circuit, error: str | None, now: datetime) -> CircuitView:
    seconds = circuit.open_for
    since = None if seconds is None else now - timedelta(seconds=seconds)
    return CircuitView(handler=name, open=seconds is not None, since=since, not_built=error)
