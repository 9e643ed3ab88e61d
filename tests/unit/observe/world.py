"""A process that shows itself, with its journal and its audit trail, in a folder of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from worker.handling.circuit import Circuit
from worker.handling.late_handler import LateHandler
from worker.journal.audit_anchors import JournalAnchors
from worker.journal.store import Journal
from worker.login.backoff import Lockout
from worker.login.login_status import LoginStatus
from worker.login.standing import Standing, State
from worker.observe.audit.trail import AuditTrail
from worker.observe.background import Background
from worker.observe.health import Health
from worker.observe.listener import Listener
from worker.observe.live_status import LiveStatus, Rhythm
from worker.observe.metrics import Metrics
from worker.settings import Settings

ADDRESS = "pathology.results@nhs.net"


class ReadyLogin:
    """A guard that may log in."""

    def status(self) -> LoginStatus:
        return LoginStatus(Standing(State.READY, failures=0, remaining=8, remaining_for_credential=5), Lockout(), None)


class World:
    """Its clock stands still until it is moved."""

    def __init__(self, folder: Path, **tables: Any) -> None:
        self.now = 1_795_000_000.0
        self._tables = {"account": {"address": ADDRESS}, "state": {"dir": folder}, "health": {"listen": ""}, **tables}
        self.settings = Settings.model_validate(self._tables)
        self.journal = Journal(folder, None, lambda: self.now)
        self.journal.open(ADDRESS)
        self.circuits: dict[str, Circuit] = {}
        self.late: dict[str, LateHandler] = {}

    def close(self) -> None:
        self.journal.close()

    @property
    def clock(self) -> Callable[[], float]:
        return lambda: self.now

    def listener(self, **tables: Any) -> Listener:
        """As of a new start, with these tables of the configuration changed."""
        settings = Settings.model_validate(self._tables | tables)
        anchors = JournalAnchors(self.journal.database)
        return Listener(
            settings,
            self.journal.facts,
            audit=AuditTrail(self.journal.state_dir / "audit", replica="one", anchors=anchors, clock=self.clock),
            metrics=Metrics(),
            health=Health(pool=1, clock=self.clock),
            clock=self.clock,
            replica="here",
            command="run",
        )

    def status(self, listener: Listener, rhythm: Rhythm | None = None) -> LiveStatus:
        return LiveStatus(
            self.settings,
            self.journal,
            listener,
            login=ReadyLogin(),
            circuits=self.circuits,
            late=self.late,
            clock=self.clock,
            rhythm=rhythm,
        )

    def background(self) -> Background:
        listener = self.listener()
        return Background(self.settings, self.journal, listener, self.status(listener), clock=self.clock)
