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
from worker.logs.log import get_logger
from worker.message.message import Message
from worker.message.outcome import Outcome, State
from worker.message.verdict import MailPath
from worker.observe.audit.trail import AuditTrail, AuditUnavailable
from worker.observe.counts import Counts
from worker.observe.health import Health
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
        metrics: Counts,
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
        self._stuck_calls: frozenset[int] = frozenset()

    @property
    def lasts(self) -> bool:
        """Whether this process works until it is stopped, and doesn't end with a text for a person."""
        return self._command == "run"

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
            with self.health.working(message.key):
                return attempt(message, already_done)

        return watched

    def beat(self) -> None:
        self.health.beat()
        stuck = self.health.stuck_calls()
        known, self._stuck_calls = self._stuck_calls, frozenset(call.number for call in stuck)
        for call in stuck:
            if call.number not in known:
                named = {"key": call.key, "handler": call.handler}
                log.error("handler.stuck", count=len(stuck), **{name: text for name, text in named.items() if text})

    def polled(self, outcome: str, seconds: float) -> None:
        self.journal_takes = outcome != "journal"
        self.metrics.polled(outcome, seconds)

    def lease(self, *, held: bool) -> None:
        self._record("lease.taken" if held else "lease.lost", holder=self.replica)

    def known_by_headers(self, count: int) -> None:
        self.metrics.known_by_headers(count)

    def moved_out(self, record: Record) -> None:
        self._record("message.released", who=None, words="moved out of the junk folder", key=record.key)

    def outcome(self, record: Record, result: Result) -> None:
        path = record.verdict.path
        word = result.state.value
        if result.state is State.PENDING:
            word = "held" if result.untried else "retry"
        self.metrics.tried(path.value, word)
        if not result.untried:
            self.metrics.figures.tried(result.route, result.state)
        if result.state is State.JUNK:
            for source in dict.fromkeys(piece.source for piece in record.verdict.evidence if piece.counts):
                self.metrics.judged_junk(source)
        if result.state in _ENDS:
            target = result.settle_to or record.place.folder
            self._disposed.append(_disposition(record, result.state, path, result.reason, target))

    def recorded(self) -> None:
        disposed, self._disposed = self._disposed, []
        self._record_all("message.disposed", disposed)

    def gone(self, records: Sequence[Record]) -> None:
        paths = [(record, record.verdict.path) for record in records]
        self._record_all(
            "message.disposed", [_disposition(record, State.GONE, path, None, None) for record, path in paths]
        )

    def removal_announced(self, handler: str, seconds: float) -> None:
        """From a day later, this handler's copies older than so many seconds are removed."""
        self._record("copies.announced", handler=handler, seconds=seconds)

    def copies_to_be_removed(self, handler: str, keys: Sequence[str]) -> bool:
        """The copies of these messages are removed next. Returns whether the trail says so: else they must stay."""
        return self._record_all("copy.removed", [{"handler": handler, "key": key} for key in keys])

    def copies_removed(self, handler: str, count: int, kept: Sequence[str]) -> None:
        """So many were removed. kept: the keys of those that couldn't be."""
        self._record_all("copy.kept", [{"handler": handler, "key": key} for key in kept])
        self.metrics.copies_removed(handler, count, len(kept))

    def oldest_copy(self, handler: str, at: float | None) -> None:
        """When the oldest copy that stays was received or made (epoch s); None if there is none."""
        self.metrics.oldest_copy(handler, at)

    def _record(self, kind: str, /, **fields: Any) -> None:
        try:
            self.audit.record(kind, **{"who": self.replica, **fields})
        except AuditUnavailable as problem:
            log.error("audit.unavailable", advice=str(problem))

    def _record_all(self, kind: str, entries: Sequence[Mapping[str, Any]]) -> bool:
        """Returns whether the lines are written."""
        try:
            self.audit.record_all(kind, entries, who=self.replica)
        except AuditUnavailable as problem:
            log.error("audit.unavailable", advice=str(problem))
            return False
        return True


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
