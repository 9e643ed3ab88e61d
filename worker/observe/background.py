"""What the process shows of itself, put together from the settings: audit trail, metrics, health, page, alerts.

The mail goes on without any of it: what can't be written, served or sent is said in the log.
"""

import json
import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from worker import __version__
from worker.handling.circuit import Circuit
from worker.journal.anchors import JournalAnchors
from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.journal import Journal
from worker.journal.records import Record, Result
from worker.login.login_status import LoginStatus
from worker.logs import get_logger
from worker.logs.who import replica as process_name
from worker.message.message import Message
from worker.message.outcome import Outcome, State
from worker.message.verdict import Path
from worker.observe.alert_rules import Limits
from worker.observe.alerter import Alerter
from worker.observe.audit.chain_name import installation
from worker.observe.audit.trail import AuditTrail, AuditUnavailable, Mirror
from worker.observe.digest_job import DigestJob, zone_named
from worker.observe.health import Health
from worker.observe.metrics import Metrics
from worker.observe.mirror import StandardOutput, Syslog
from worker.observe.status import About, view
from worker.observe.view import CircuitView, HelpView, StatusView
from worker.pipeline.observer import Watching
from worker.settings import Settings, SettingsError, values_by_setting

if TYPE_CHECKING:
    from worker.observe.server import Server

# Server and channels are imported where they are wanted: `once` has neither, and needn't wait for their libraries.

log = get_logger()

_ENDS = frozenset({State.HANDLED, State.JUNK, State.FAILED})


class Observing(Watching):
    """One for each process. Told by cycle, pipeline, tries and guard; asked by server and alerter.

    Raises (on creation):
        AuditUnavailable: the audit trail can't be opened.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        login: Callable[[], LoginStatus],
        clock: Callable[[], float],
        *,
        command: str | None = None,
        replica: str = "",
    ) -> None:
        """login: says how it stands. replica: what this process is called where it holds the lease.

        command: `run` or `once`; None: a command of a person's, whose standard output is that person's.
        """
        self._settings = settings
        self._journal = journal
        self._login = login
        self._clock = clock
        self._server: Server | None = None
        self._ended = threading.Event()
        self._disposed: list[dict[str, Any]] = []
        self._command = command
        self._replica = replica or process_name()
        self._started_at: float | None = None
        self.circuits: Mapping[str, Circuit] = {}
        self._journal_takes = True
        self._last_view: StatusView | None = None
        self.metrics = Metrics()
        self.health = Health(
            pool=settings.work.threads,
            stuck_after=settings.health.stuck_after.total_seconds(),
            stalled_after=max(3600.0, 3 * settings.poll.every.total_seconds()),
        )
        self.audit = AuditTrail(
            settings.state.dir / "audit",
            replica=installation(settings.state.dir),
            anchors=JournalAnchors(journal.database),
            clock=clock,
            account=settings.account.address,
            mirror=_mirror(settings, stdout=command is not None),
        )

    def view(self) -> StatusView:
        """The state now. May raise `JournalUnavailable`."""
        found = view(self._journal, self._about(), self._login(), self._clock())
        # On a full disk the journal can still be read, and says that all is well.
        found = replace(found, journal_ok=self._journal_takes, stuck=self.health.stuck(), live=self.health.live().ok)
        return replace(
            found, circuits=tuple(_shown(name, circuit, found.now) for name, circuit in self.circuits.items())
        )

    # -- the process ---------------------------------------------------------------------------------------------------

    def started(self) -> None:
        """A process began to work with this configuration."""
        self._started_at = self._clock()
        self._record("worker.started", version=__version__, run=self._replica, command=self._command)
        values = values_by_setting(self._settings)
        prints = {name: self.audit.fingerprint(value) for name, value in values.items()}
        whole = self.audit.fingerprint(json.dumps(prints, sort_keys=True))
        self._record("configuration.loaded", version=__version__, python=platform.python_version(), fingerprint=whole)
        for name in _changed(self._journal.facts, prints):
            self._record("configuration.changed", setting=name)

    def stopped(self, *, code: int, reason: str) -> None:
        """The process ends in order."""
        self._record("worker.stopped", run=self._replica, exit=code, reason=reason)

    def open(self) -> None:
        """Serve probes, metrics and page, and send alerts, from now on.

        Raises:
            SettingsError: the page would be open to everybody, or an alert has no way out.
        """
        alerter = self._alerter()
        self._serve()
        if alerter is not None:
            self._start("alerts", partial(self._check_alerts, alerter))
        if self._settings.junk.digest != "off":
            self._start("digest", partial(self._check_digest, self._digest()))

    def close(self) -> None:
        """Serve and send no more. What is being sent isn't waited for: the next start finds that it wasn't told."""
        self.health.stopping()
        self._ended.set()
        if self._server is not None:
            self._server.stop()

    @property
    def port(self) -> int | None:
        """Where the page is served; None: nowhere."""
        return None if self._server is None else self._server.port

    def _serve(self) -> None:
        listen = self._settings.health.listen
        if not listen:
            return
        from worker.observe.server import Server, UnsafeAddress, address

        host, port = address(listen)
        try:
            self._server = Server(
                host,
                port,
                status=self.view,
                account=self._settings.account.address,
                health=self.health,
                metrics=self.metrics,
                token=self._token(),
                clock=self._clock,
            )
        except UnsafeAddress as problem:
            raise SettingsError([f"[health] listen: {problem}"]) from problem
        except OSError:
            # Somebody else has the port, or this machine no such address. The mail matters more than the page.
            log.error("http.not_listening", host=host, port=port)
            return
        self._server.start()

    def _token(self) -> Callable[[], str] | None:
        health = self._settings.health
        if health.token is not None:
            return health.token.get_secret_value
        if health.token_file is None:
            return None
        from worker.observe.server import token_from

        token = token_from(health.token_file)
        try:
            token()
        except (OSError, ValueError) as problem:
            raise SettingsError([f"[health] token_file: {health.token_file} can't be read."]) from problem
        return token

    def _start(self, name: str, check: Callable[[], None]) -> None:
        every = self._settings.alerts.every.total_seconds()
        job = partial(again_and_again, check, every=every, ended=self._ended)
        threading.Thread(target=job, name=name, daemon=True).start()

    def _check_alerts(self, alerter: Alerter) -> None:
        try:
            self._last_view = self.view()
        except JournalUnavailable:
            self._last_view = _without_journal(self._last_view, self._about(), self._clock())
        alerter.check(self._last_view)

    def _check_digest(self, job: DigestJob) -> None:
        with suppress(JournalUnavailable):  # others say so; the digest is still due afterwards
            job.check()

    def _digest(self) -> DigestJob:
        from worker.observe.channels import channels_of

        junk = self._settings.junk
        return DigestJob(
            self._journal.database,
            channels_of(self._settings),
            schedule=junk.digest,
            zone=zone_named(junk.digest_zone),
            account=self._settings.account.address,
            replica=self._replica,
            clock=self._clock,
        )

    def _alerter(self) -> Alerter | None:
        from worker.observe.channels import channels_of

        alerts = self._settings.alerts
        found = channels_of(self._settings)
        limits = Limits(
            oldest_message=alerts.oldest_message.total_seconds(), again_after=alerts.again_after.total_seconds()
        )
        memory = _Told(self._journal.facts)
        return Alerter(found, memory=memory, limits=limits, clock=self._clock) if found else None

    def _about(self) -> About:
        return about(self._settings, replica=self._replica, started_at=self._started_at)

    # -- what happens --------------------------------------------------------------------------------------------------

    def working(self, attempt: Callable[[Message, Any], Outcome]) -> Callable[[Message, Any], Outcome]:
        """The same try, and health knows that a thread is at it."""

        def watched(message: Message, already_done: Any) -> Outcome:
            with self.health.working():
                return attempt(message, already_done)

        return watched

    def beat(self) -> None:
        self.health.beat()

    def polled(self, outcome: str, seconds: float) -> None:
        self._journal_takes = outcome != "journal"
        self.metrics.polled(outcome, seconds)

    def lease(self, *, held: bool) -> None:
        self._record("lease.taken" if held else "lease.lost", holder=self._replica)

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
            self.audit.record(kind, who=self._replica, **fields)
        except AuditUnavailable as problem:
            log.error("audit.unavailable", advice=str(problem))

    def _record_all(self, disposed: Sequence[Mapping[str, Any]]) -> None:
        try:
            self.audit.record_all("message.disposed", disposed, who=self._replica)
        except AuditUnavailable as problem:
            log.error("audit.unavailable", advice=str(problem))


def again_and_again(check: Callable[[], None], *, every: float, ended: threading.Event) -> None:
    """Check each so many seconds until the end. It outlives whatever a check meets: else nobody is told any more."""
    while not ended.wait(every):
        try:
            check()
        except Exception:
            log.exception("alert.check_failed")


class _Told:
    """Remembers in the journal what was told."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def load(self) -> str | None:
        return self._facts.recall("alerts")

    def store(self, text: str) -> None:
        self._facts.remember("alerts", text)


def about(settings: Settings, *, replica: str = "", started_at: float | None = None) -> About:
    """What of the status the settings say. replica, started_at: of this process, where it is one that works."""
    return About(
        settings.account.address,
        poll_every=settings.poll.every.total_seconds(),
        password_warn_days=settings.password.warn.days,
        help=HelpView(local_administrator=settings.help.local_administrator, helpdesk=settings.help.helpdesk),
        replica=replica,
        started_at=started_at,
    )


def _shown(name: str, circuit: Circuit, now: datetime) -> CircuitView:
    seconds = circuit.open_for
    since = None if seconds is None else now - timedelta(seconds=seconds)
    return CircuitView(handler=name, open=seconds is not None, since=since)


def _disposition(record: Record, state: State, path: Path, reason: str | None, target: str | None) -> dict[str, Any]:
    given = {"key": record.key, "path": path, "state": state, "reason": reason, "target": target}
    return {name: value for name, value in given.items() if value is not None}


def _changed(facts: Facts, prints: dict[str, str]) -> list[str]:
    """The settings whose values differ from the last start's; remembers these."""
    before: dict[str, str] = json.loads(facts.recall("configuration") or "{}")
    if before != prints:
        facts.remember("configuration", json.dumps(prints))
    names = sorted(before.keys() | prints.keys())
    return [name for name in names if before and before.get(name) != prints.get(name)]


def _without_journal(last: StatusView | None, about: About, now: float) -> StatusView:
    at = datetime.fromtimestamp(now, UTC)
    if last is None:
        return StatusView(account=about.account, now=at, journal_ok=False)
    return replace(last, now=at, journal_ok=False)


def _mirror(settings: Settings, *, stdout: bool) -> Mirror | None:
    match settings.audit.mirror:
        case "stdout":
            return StandardOutput() if stdout else None
        case "syslog":
            from worker.observe.server import address

            where = settings.audit.syslog
            return Syslog(where if where.startswith("/") else address(where))
        case _:
            return None
