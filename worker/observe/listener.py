"""What happens becomes metrics and lines of the audit trail.

The mail goes on without them: if the audit trail can't be written, the log says so.
"""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker import __version__
from worker.journal.facts import Facts
from worker.journal.records import Record, Result
from worker.logs import get_logger
from worker.message.message import Message
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath
from worker.observe.audit.trail import AuditTrail, AuditUnavailable
from worker.observe.health import Health
from worker.observe.metrics import Metrics
from worker.pipeline.observer import Observer
from worker.settings import Settings, values_by_setting

log = get_logger()

_ENDS = frozenset({State.HANDLED, State.JUNK, State.FAILED})


class Listener(Observer):
    """One for each process. The loop, the pipeline and the commands tell it what happens."""

    def __init__(
        self,
        settings: Settings,
        facts: Facts,
        *,
        audit: AuditTrail,
        metrics: Metrics,
        health: Health,
        clock: Callable[[], float],
        replica: str,
        command: str | None = None,
    ) -> None:
        """replica: what this process is called where it holds the lease.

        command: `run` or `once`; None: a command of a person's.
        """
        self.audit = audit
        self.metrics = metrics
        self.health = health
        self.replica = replica
        self.started_at: float | None = None
        self.journal_takes = True
        """Whether the last run could write to the journal. On a full disk it can still be read, as if all were well."""
        self._settings = settings
        self._facts = facts
        self._clock = clock
        self._command = command
        self._disposed: list[dict[str, Any]] = []

    def started(self) -> None:
        """A process began to work with this configuration."""
        self.started_at = self._clock()
        self._record("worker.started", version=__version__, run=self.replica, command=self._command)
        values = values_by_setting(self._settings)
        prints = {name: self.audit.fingerprint(value) for name, value in values.items()}
        whole = self.audit.fingerprint(json.dumps(prints, sort_keys=True))
        self._record("configuration.loaded", version=__version__, python=platform.python_version(), fingerprint=whole)
        for name in _changed(self._facts, prints):
            self._record("configuration.changed", setting=name)

    def stopped(self, *, code: int, reason: str) -> None:
        """The process ends in order."""
        self._record("worker.stopped", run=self.replica, exit=code, reason=reason)

    def working(self, attempt: Callable[[Message, Any], Outcome]) -> Callable[[Message, Any], Outcome]:
        """The same attempt; while a thread works on it, health knows."""

        def watched(message: Message, already_done: Any) -> Outcome:
            with self.health.working():
                return attempt(message, already_done)

        return watched

    def beat(self) -> None:
        self.health.beat()

    def polled(self, outcome: str, seconds: float) -> None:
        self.journal_takes = outcome != "journal"
        self.metrics.polled(outcome, seconds)

    def lease(self, *, held: bool) -> None:
        self._record("lease.taken" if held else "lease.lost", holder=self.replica)

    def moved_out(self, record: Record) -> None:
        self._record("message.released", who=None, words="moved out of the junk folder", key=record.key)

    def outcome(self, record: Record, result: Result) -> None:
        path = record.verdict.path
        word = result.state.value
        if result.state is State.PENDING:
            word = "held" if result.untried else "retry"
        self.metrics.tried(path.value, word)
        if result.state is State.JUNK:
            for source in dict.fromkeys(piece.source for piece in record.verdict.evidence if piece.counts):
                self.metrics.judged_junk(source)
        if result.state in _ENDS:
            target = result.settle_to or record.place.folder
            self._disposed.append(_disposition(record, result.state, path, result.reason, target))

    def recorded(self) -> None:
        disposed, self._disposed = self._disposed, []
        self._record_all(disposed)

    def gone(self, records: Sequence[Record]) -> None:
        paths = [(record, record.verdict.path) for record in records]
        self._record_all([_disposition(record, State.GONE, path, None, None) for record, path in paths])

    def _record(self, kind: str, /, **fields: Any) -> None:
        try:
            self.audit.record(kind, **{"who": self.replica, **fields})
        except AuditUnavailable as problem:
            log.error("audit.unavailable", advice=str(problem))

    def _record_all(self, disposed: Sequence[Mapping[str, Any]]) -> None:
        try:
            self.audit.record_all("message.disposed", disposed, who=self.replica)
        except AuditUnavailable as problem:
            log.error("audit.unavailable", advice=str(problem))


def _disposition(
    record: Record, state: State, path: MailPath, reason: str | None, target: str | None
) -> dict[str, Any]:
    given = {"key": record.key, "path": path, "state": state, "reason": reason, "target": target}
    return {name: value for name, value in given.items() if value is not None}


def _changed(facts: Facts, prints: dict[str, str]) -> list[str]:
    """The settings whose values have changed since the last start. Remembers the values of this start."""
    before: dict[str, str] = json.loads(facts.recall("configuration") or "{}")
    if before != prints:
        facts.remember("configuration", json.dumps(prints))
    names = sorted(before.keys() | prints.keys())
    return [name for name in names if before and before.get(name) != prints.get(name)]
