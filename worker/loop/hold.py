"""The lease and the connection: what starts when they are taken, and what is dropped when they are lost."""

from collections.abc import Callable, Collection
from typing import Protocol

from worker.journal.database import JournalUnavailable
from worker.journal.lease import Lease, LeaseLost
from worker.login.guard import Guard
from worker.logs.log import get_logger
from worker.loop.connection import Connector
from worker.loop.go_ahead import GoAhead
from worker.loop.journal_outage import JournalOutage
from worker.mailbox.errors import MailboxError, TokenExpired
from worker.mailbox.session import Session
from worker.pipeline.observer import Observer
from worker.pipeline.pipeline import Pipeline
from worker.pipeline.report import Report
from worker.pipeline.stop import Stop

log = get_logger()


class Hands(Protocol):
    """The messages in hand, for which the pipeline waits."""

    def rows(self) -> Collection[int]:
        """The journal's row ids."""

    def interrupt(self) -> None:
        """End the wait, so that the pipeline asks whether to go on. Called from another thread."""


class Hold:
    """One process's hold on the mailbox. For the scheduler's thread, save where a method says otherwise."""

    def __init__(
        self,
        *,
        lease: Lease,
        connector: Connector,
        pipeline: Pipeline,
        pool: Hands,
        go_ahead: GoAhead,
        guard: Guard,
        observer: Observer,
        outage: JournalOutage,
        monotonic: Callable[[], float],
    ) -> None:
        self._outage = outage
        self._lease = lease
        self._connector = connector
        self._pipeline = pipeline
        self._pool = pool
        self._go_ahead = go_ahead
        self._guard = guard
        self._observer = observer
        self._monotonic = monotonic
        self._began = False
        self._term = 0
        self._told_held: bool | None = None

    def take_lease(self) -> bool:
        """Take or renew the lease; False while another worker holds it. May raise `JournalUnavailable`."""
        held = self._lease.acquire()
        if held and self._began and self._lease.term != self._term:
            self.give_up()  # another worker held it in between
        if held and not self._began:
            self._pipeline.begin()
            self._began, self._term = True, self._lease.term
        if held != self._told_held:
            log.info("lease.taken" if held else "lease.held_elsewhere")
            if held or self._told_held:  # a worker that never held the lease hasn't lost it
                self._observer.lease(held=held)
            self._told_held = held
        if not held and self._began:
            self.give_up()
        return held

    def give_up(self) -> None:
        """The lease is lost: drop the messages in hand, which now belong to another worker."""
        self._began = False
        self._pipeline.abandon()
        self._connector.close()

    def heartbeat(self) -> None:
        """Renew the lease and take note of other hosts' login attempts. Runs in its own thread, also during a poll."""
        try:
            self._lease.renew()
            self._guard.keep_watch()
        except JournalUnavailable as error:
            self._outage.met(error)

    def session(self) -> tuple[Session, bool]:
        """The session, and whether it is new. Raises what `Connector.session` raises."""
        return self._connector.session()

    @property
    def logins(self) -> int:
        """How many logins have succeeded since the process started."""
        return self._connector.logins

    def has_failed_logins(self) -> bool:
        """Whether login attempts have failed that count. May raise `JournalUnavailable`."""
        return self._guard.status().standing.failures > 0

    def in_hand(self) -> Collection[int]:
        """The journal's row ids of the messages in hand."""
        return self._pool.rows()

    def let_go(self, error: Exception) -> None:
        """Close the connection that this error ended, and record the outcomes that have already come back."""
        if isinstance(error, TokenExpired):
            self._connector.token_expired()
        self._connector.close()
        try:
            self._pipeline.record_finished()
        except LeaseLost:
            log.info("lease.held_elsewhere")
        except JournalUnavailable as error:
            self._outage.met(error)

    def stop(self) -> None:
        """Start nothing more. Called from another thread."""
        self._go_ahead.stop()
        self._pool.interrupt()

    def abort(self) -> None:
        """Cut the connection, to end any wait for the server. Called from another thread when a stop takes too long."""
        session = self._connector.current()
        if session is not None:
            session.abort()

    def end(self, grace: float) -> Report:
        """After the last run: let the messages in hand finish, then record and settle them.

        During a pause nothing is settled: the first poll after the pause does that. Returns what was done.

        grace: seconds that the handlers have to return.
        """
        done = self._finish(grace) if self._began else Report()
        self._connector.close()
        self._lease.release()
        return done

    def _finish(self, grace: float) -> Report:
        try:
            session = None if self._go_ahead.was_paused() else self._connector.current()
            self._go_ahead.let_finish()
            self._pipeline.stop(grace, self._monotonic, session)
            return self._pipeline.take_report()
        except (MailboxError, JournalUnavailable, Stop) as error:
            log.warning("worker.end_unsettled", error=type(error).__name__)
            return Report()
