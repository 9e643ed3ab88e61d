"""One scheduled run: the lease, the connection, the poll, and what each kind of trouble means for the next run.

This is the first of the two error boundaries: the connection. Whatever fails here, everything unsettled stays where it
is, and the process goes on.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts, LastPoll
from worker.journal.lease import Lease, LeaseLost
from worker.journal.messages import Messages
from worker.journal.tries import Tries
from worker.login.credential import CredentialUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, NoAttempt
from worker.logs import get_logger
from worker.loop.connection import Connector
from worker.loop.drain import MOST_PATIENCE, Drained, LeaseHeld, Paused
from worker.loop.hold import STANDBY, Condition
from worker.loop.pause import Pause
from worker.loop.steady_clock import Evenly
from worker.loop.troubles import is_about_the_login, trouble_of
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    LoginFailed,
    MailboxError,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
    TokenExpired,
)
from worker.mailbox.folders import FolderProblem
from worker.mailbox.session import Session
from worker.message.outcome import State
from worker.pipeline.observer import Watching
from worker.pipeline.pipeline import Pipeline
from worker.pipeline.report import Report, Stop
from worker.pipeline.settle import CannotMove

log = get_logger()

NEWS_AT_ONCE = 0.5
"""Seconds until news is looked at that came together with the server's word that it idles: never in a spin."""
FULL_LOOK_EVERY = 3600.0
"""Seconds between two looks at every folder, whatever the server says of changes, and at the password's age."""


class Cycle:
    """Called by the schedule; returns the seconds until it wants to be called again, or None for the usual interval."""

    def __init__(
        self,
        *,
        lease: Lease,
        connector: Connector,
        facts: Facts,
        pause: Pause,
        messages: Messages,
        tries: Tries,
        idle: bool,
        reconnect: Sequence[float],
        check_age: Callable[[], None],
        delete_handled_after: timedelta | None = None,
        upkeep: Callable[[Session], None] = lambda _session: None,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        keep_watch: Callable[[], None] = lambda: None,
        watching: Watching | None = None,
    ) -> None:
        """reconnect: waits (s) after lost connections. check_age: warns of the password's end, where that is due.
        upkeep: rids the journal of what is old, where that is due. keep_watch: lets this host know of the other hosts'
        login attempts.
        """
        self._lease = lease
        self._connector = connector
        self._facts = facts
        self._pause = pause
        self._messages = messages
        self._tries = tries
        self._idle = idle
        self._reconnect = reconnect
        self._clock = clock
        self._monotonic = monotonic
        self._check_age = check_age
        self._keep_watch = keep_watch
        self._delete_handled_after = delete_handled_after
        self._evenly = Evenly(facts, clock)
        self._upkeep = upkeep
        self._watching = watching or Watching()
        self._watch: Callable[[int | None], None] = lambda _fileno: None
        self._losses = 0
        self._began = False
        self._term = 0
        self._told_held: bool | None = None
        self._full_look_at = 0.0
        self._look_at_age_at = 0.0
        self._not_before = 0.0
        self._run_began = 0.0
        self._look_anew = True
        self._stopping = threading.Event()
        self.condition = Condition()
        self.drained = Drained()
        """What `drain` has come to so far, also where it failed."""
        self.pipeline: Pipeline

    def watch_with(self, watch: Callable[[int | None], None]) -> None:
        """Use this to watch a socket for news, or to stop watching (None)."""
        self._watch = watch

    def __call__(self) -> float | None:
        """One run. Never raises what a later run could put right."""
        wait = self._run()
        if self._monotonic() >= self._look_at_age_at:
            self._look_at_age_at = self._monotonic() + FULL_LOOK_EVERY
            self._look_at_age()
        return wait

    def _run(self) -> float | None:
        self._watch(None)
        self._watching.beat()
        self.condition.runs += 1
        self._run_began = self._monotonic()
        if (early := self._not_before - self._run_began) > 0:
            return early
        try:
            if self._stopping.is_set() or not self._take_lease():
                return STANDBY
            session, is_new = self._connector.session()
            report = self._poll(session, is_new=is_new)
            wait = self._rest(session)
        except NoAttempt as refusal:
            return self._no_login(refusal)
        except LoginFailed:
            self.condition.trouble = "login"  # what comes of it is told, though it be the same as before
            self._tell("login")
            return 0.0  # the guard has written down what it came to, and says at the next run what follows from it
        except (CredentialUnavailable, AttemptInProgress) as problem:
            return self._no_credential(problem)
        except (MailboxError, FolderProblem, CannotMove) as error:
            return self._lost(error)
        except Stop:
            return STANDBY
        except LeaseLost:
            self._give_up()
            return STANDBY
        except JournalUnavailable as error:
            return self._without_journal(error)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not end a process that people rely on
            return self._fault(error)
        return wait if self._well(report) else STANDBY

    def go_on(self) -> None:
        """Asked before each step of the pipeline.

        Raises:
            Stop: the process is to end, a person has paused the work, or the lease is lost.
        """
        self._watching.beat()
        if self._stopping.is_set() or not self._lease.is_held() or self._pause.lately():
            raise Stop

    def stop(self) -> None:
        """Begin nothing more; from another thread."""
        self._stopping.set()
        self.pipeline.interrupt()

    def abort(self) -> None:
        """End the connection under whatever waits for the server; from another thread, when a stop takes too long."""
        session = self._connector.current()
        if session is not None:
            session.abort()

    def heartbeat(self) -> None:
        """Renew the lease, also while a poll is busy, and see what other hosts have tried; from a thread of its own."""
        try:
            self._lease.renew()
            self._keep_watch()
        except JournalUnavailable:
            log.error("journal.unavailable")

    def drain(self) -> Drained:
        """Poll until nothing more comes of it. For `once`: what goes wrong is raised, and remembered as the last poll.

        A connection that is lost on the way is made anew, after the waits of the settings, until these are used up.

        Raises:
            LeaseHeld: another worker is at it.
            Paused: nothing may be handed over.
            Stop: the process is to end, and what was in hand has yet to.
            Everything that `Connector.session` and `Pipeline.poll` raise.
        """
        try:
            self._take_turn()
            return self._drain()
        except (LeaseHeld, Paused, Stop, LeaseLost):
            raise
        except Exception as error:
            self._remember(trouble_of(error), new=self.drained.new)
            raise
        finally:
            self._look_at_age()

    def _take_turn(self) -> None:
        if not self._take_lease():
            raise LeaseHeld(
                "Another worker holds the work lease of this account and drains the mailbox. Nothing was done here."
            )
        if self._pause.now():
            raise Paused(
                "The worker is paused: nothing was handed over, and no connection was made. "
                "End the pause with `nhsmail-worker resume`."
            )

    def _drain(self) -> Drained:
        try:
            unread = self._until_nothing_comes()
        except Stop:
            self._tell_of_a_pause()
            raise
        if self._stopping.is_set():
            raise Stop
        now = self._clock()
        self._facts.polled(LastPoll(now, ok=True, new=self.drained.new, good_at=now))
        self.drained.due = self._messages.counts().by_state[State.PENDING] + unread
        return self.drained

    def _until_nothing_comes(self) -> int:
        """Poll on; returns of how many messages the server shows no header yet."""
        reached = False
        while True:
            try:
                session, is_new = self._connector.session()
                reached = True
                if is_new:
                    self.pipeline.connected()
                report = self.pipeline.poll(session)
            except (ConnectionLost, TokenExpired, ServerUnavailable, Throttled, Cooling) as error:
                if not reached:
                    raise
                self._reconnect_later(error)
            else:
                self.drained.add(report)
                self._losses = 0
                if not report.anything:
                    return report.unread

    def _reconnect_later(self, error: Exception) -> None:
        """Wait until the connection may be made anew; where there is nothing to wait for, raise what ended it."""
        self._let_go(error)
        done = self.pipeline.take_report()
        self.drained.add(done)
        if done.anything:
            self._losses = 0
        asked = self._asked(error)
        used_up = self._losses >= len(self._reconnect)
        if used_up or asked > MOST_PATIENCE * max(self._reconnect) or is_about_the_login(error):
            raise error
        wait = max(self._reconnect[self._losses], asked)
        self._losses += 1
        log.warning("connection.lost", error=type(error).__name__, wait=wait, losses=self._losses)
        self._stopping.wait(wait)
        self.go_on()

    def end(self, grace: float) -> None:
        """After the last run: let what is in hand end, record it, settle it while the connection and lease hold.

        In a pause it isn't settled: the first poll after the pause does that.
        """
        session = None if self._pause.lately() else self._connector.current()
        if self._began:
            try:
                if session is not None and session.idling:
                    if self.pipeline.is_busy:
                        session.idle_done()
                    else:
                        session = None  # nothing to ask the server for: on a dead line its answer never comes
                self._stopping.clear()
                self.pipeline.stop(grace, self._monotonic, session)
                self.drained.add(self.pipeline.take_report())
            except (MailboxError, JournalUnavailable, Stop) as error:
                log.warning("worker.end_unsettled", error=type(error).__name__)
        self._connector.close()
        self._lease.release()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _tell_of_a_pause(self) -> None:
        """Where a drain was stopped by a pause, say so."""
        if not self._stopping.is_set() and self._pause.now():
            raise Paused(
                "A person has paused the worker meanwhile: what the handlers had by then is written down, and nothing "
                "more is handed over or moved. End the pause with `nhsmail-worker resume`."
            )

    def _take_lease(self) -> bool:
        held = self._lease.acquire()
        if held and self._began and self._lease.term != self._term:
            self._give_up()  # it was another's for a while
        if held and not self._began:
            self.pipeline.begin()
            self._began, self._term = True, self._lease.term
        if held != self._told_held:
            log.info("lease.taken" if held else "lease.held_elsewhere")
            if held or self._told_held:  # who never had it has lost nothing
                self._watching.lease(held=held)
            self._told_held = held
        if not held and self._began:
            self._give_up()
        self.condition.holds_lease = held
        return held

    def _give_up(self) -> None:
        self._began = False
        self.pipeline.abandon()
        self._connector.close()

    def _look_at_age(self) -> None:
        """Whatever kept us from the mail: a password that isn't tried now runs out all the same.

        After the run, so that the password that it logged in with is the one that is looked at.
        """
        try:
            self._check_age()
        except JournalUnavailable:
            log.error("journal.unavailable")
        except Exception as error:
            log.error("worker.fault", exc_info=error)

    def _poll(self, session: Session, *, is_new: bool) -> Report | None:
        news = session.idle_done() if session.idling else None
        self._look_anew = self._look_anew or is_new
        if self._pause.now():
            self._look_anew = True
            self.pipeline.record_finished()  # what was in hand as the pause began
            if news is None:
                session.noop()
            return None
        if self._look_anew:
            self.pipeline.connected()
        self._look_anew = True  # whatever ends this poll half-way: what it saw and didn't finish is looked at again
        if self._monotonic() >= self._full_look_at:
            self.pipeline.reconcile_next()
            self._full_look_at = self._monotonic() + FULL_LOOK_EVERY
            if self._delete_handled_after is not None and self._evenly():
                self.pipeline.delete_handled(session, self._delete_handled_after)
            self._upkeep(session)
        report = self.pipeline.poll(session, news=news)
        self._look_anew = False
        return report

    def _rest(self, session: Session) -> float | None:
        """Leave the connection in IDLE where there is such a thing; say when the next run is due by itself."""
        if self._idle and session.selected is not None and session.has("IDLE"):
            try:
                if session.idle():
                    return NEWS_AT_ONCE
                self._watch(session.fileno())
            except (CommandRefused, ProtocolFault) as error:
                self._idle = False  # announced, and refused: from now on the schedule does the job
                if isinstance(error, ProtocolFault):
                    raise
        if self._pause.now():
            return STANDBY
        due = self._tries.next_due_at()
        return None if due is None else max(0.0, due - self._clock())

    def _well(self, report: Report | None) -> bool:
        """Remember a run that went well; False: the journal takes nothing, so it didn't."""
        now = self._clock()
        self._losses = 0
        if report is not None:
            try:
                self._facts.polled(LastPoll(now, ok=True, new=report.new, good_at=now))
            except JournalUnavailable as error:
                self._without_journal(error)
                return False
        if self.condition.trouble is not None:
            log.info("worker.recovered", trouble=self.condition.trouble)
            if report is None:
                self._tell("paused")
        self.condition.trouble, self.condition.advice = None, ""
        if report is None:
            return True
        self.condition.last_good_poll = now
        self._tell("good")
        if report.new or report.outcomes or report.gone:
            log.info("poll.done", new=report.new, gone=report.gone, **{s.value: n for s, n in report.outcomes.items()})
        return True

    def _no_login(self, refusal: NoAttempt) -> float | None:
        """Cooling and halted are states, not ends: the process stays alive and says what to do."""
        kind = trouble_of(refusal)
        if self.condition.trouble != kind:
            log.error("worker.not_ready", state=kind, advice=refusal.advice)
        self._trouble(kind, refusal.advice)
        return max(0.0, refusal.until - self._clock()) if isinstance(refusal, Cooling) else None

    def _no_credential(self, problem: Exception) -> float | None:
        kind = trouble_of(problem)
        if self.condition.trouble != kind:
            log.error("worker.not_ready", state=kind, advice=str(problem))
        self._trouble(kind, str(problem))
        return None

    def _lost(self, error: Exception) -> float | None:
        self._let_go(error)
        wait = max(self._reconnect[min(self._losses, len(self._reconnect) - 1)], self._asked(error))
        self._losses += 1
        self._not_before = self._monotonic() + wait
        kind = trouble_of(error)
        if kind == "mailbox":
            if self.condition.trouble != kind:
                log.error("worker.not_ready", state=kind, advice=str(error))
        else:
            log.warning("connection.lost", error=type(error).__name__, wait=wait, losses=self._losses)
        self._trouble(kind, str(error))
        return wait

    def _let_go(self, error: Exception) -> None:
        """Give up the connection that this has ended, and keep what came of the messages."""
        if isinstance(error, TokenExpired):
            self._connector.token_expired()
        self._connector.close()
        self._keep_outcomes()

    def _asked(self, error: Exception) -> float:
        """The seconds for which the server, or the guard, asks us to stay away."""
        match error:
            case Throttled() | ServerUnavailable():
                return 0.0 if error.after is None else error.after.total_seconds()
            case Cooling():
                return error.until - self._clock()
            case _:
                return 0.0

    def _fault(self, error: Exception) -> float | None:
        """A fault of ours: the next run begins with a new connection, and later each time."""
        log.error("worker.fault", exc_info=error)
        return self._lost(error)

    def _keep_outcomes(self) -> None:
        try:
            self.pipeline.record_finished()
        except LeaseLost:
            log.info("lease.held_elsewhere")
        except JournalUnavailable:
            log.error("journal.unavailable")

    def _without_journal(self, error: JournalUnavailable) -> float | None:
        log.error("journal.unavailable")
        self._trouble("journal", str(error))
        return STANDBY

    def _trouble(self, kind: str, advice: str) -> None:
        self.condition.trouble, self.condition.advice = kind, advice
        self._tell(kind)
        self._remember(kind)

    def _remember(self, kind: str, *, new: int = 0) -> None:
        """Write down, for `status`, that the last poll didn't go well."""
        try:
            before = self._facts.last_poll()
            good_at = None if before is None else before.good_at
            self._facts.polled(LastPoll(self._clock(), ok=False, new=new, good_at=good_at, trouble=kind))
        except JournalUnavailable:
            log.error("journal.unavailable")

    def _tell(self, outcome: str) -> None:
        self._watching.polled(outcome, self._monotonic() - self._run_began)
