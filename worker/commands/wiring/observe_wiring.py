"""Puts together what the process shows of itself: audit trail, metrics and health; page, alerts and digest."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from worker.journal.audit_anchors import JournalAnchors
from worker.journal.store import Journal
from worker.logs.who import replica as process_name
from worker.observe.audit.chain_name import installation
from worker.observe.audit.trail import AuditTrail
from worker.observe.audit_mirror import mirror_of
from worker.observe.counts import Counts
from worker.observe.health import Health
from worker.observe.listener import Listener
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.handling.circuit import Circuit
    from worker.handling.late_handler import LateHandler
    from worker.login.sending import SendingSignIn
    from worker.observe.background import Background
    from worker.observe.live_status import Login, Rhythm


def listener_of(
    settings: Settings, journal: Journal, clock: Callable[[], float], *, command: str | None, replica: str
) -> Listener:
    """The listener, with its audit trail, metrics and health.

    command: `run` or `once`; None: any other command, whose standard output is for the person who runs it.
    replica: the name under which this process holds the lease; empty if it takes none.

    Raises:
        AuditUnavailable: the audit trail can't be opened.
    """
    return Listener(
        settings,
        journal.facts,
        audit=AuditTrail(
            settings.state.dir / "audit",
            replica=installation(settings.state.dir),
            anchors=JournalAnchors(journal.database),
            clock=clock,
            account=settings.account.address,
            mirror=mirror_of(settings.audit, stdout=command is not None),
        ),
        metrics=_counts(clock, command),
        health=Health(
            pool=settings.work.threads,
            stuck_after=settings.health.stuck_after.total_seconds(),
            stalled_after=max(3600.0, 3 * settings.poll.every.total_seconds()),
        ),
        clock=clock,
        replica=replica or process_name(),
        command=command,
    )


def _counts(clock: Callable[[], float], command: str | None) -> Counts:
    if command != "run":
        return Counts(clock)
    from worker.observe.metrics import Metrics  # here, because nobody can ask another command

    return Metrics(clock)


def background_of(
    settings: Settings,
    journal: Journal,
    listener: Listener,
    clock: Callable[[], float],
    *,
    login: "Login",
    circuits: "Mapping[str, Circuit]",
    late: "Mapping[str, LateHandler]",
    rhythm: "Rhythm",
    sign_in: "SendingSignIn | None" = None,
) -> "Background":
    """Page, alerts and digest; `open` starts them. circuits, late: by handler. sign_in: alerts go out by it, too."""
    from worker.observe.background import Background  # here, because only `run` has any
    from worker.observe.live_status import LiveStatus

    status = LiveStatus(
        settings, journal, listener, login=login, circuits=circuits, late=late, clock=clock, rhythm=rhythm
    )
    return Background(settings, journal, listener, status, clock=clock, sign_in=sign_in)
