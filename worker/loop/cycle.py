"""One scheduled run: take the lease, connect, poll, and decide from any error when to run next.

This is the first of the two error boundaries: the connection. Whatever fails here, all unsettled mail stays where it
is, and the process carries on.
"""

from collections.abc import Callable, Sequence

from worker.journal.lease import LeaseLost
from worker.journal.tries import Tries
from worker.logs.log import get_logger
from worker.loop.connection import ReconnectWaits
from worker.loop.go_ahead import GoAhead
from worker.loop.hold import Hold
from worker.loop.housekeeping import Chore, ExpiryLook
from worker.loop.idle import WatchesSocket
from worker.loop.idle_use import IdleUse
from worker.loop.journal_outage import JournalOutage
from worker.loop.pause_watch import PauseWatch
from worker.loop.poll_notes import PollNotes
from worker.loop.troubles import Means, Trouble, system_says, trouble_of
from worker.mailbox.session import Session
from worker.pipeline.observer import Observer
from worker.pipeline.pipeline import Pipeline
from worker.pipeline.report import Report
from worker.pipeline.stop import Stop

log = get_logger()

STANDBY = 5.0
"""Seconds between checks of whether the lease is free or the pause is over."""
CHATTY = 0.5
"""Seconds until the next run if the server reports news after every run, and there is none: otherwise it would keep us
looping."""
FULL_LOOK_EVERY = 3600.0
"""Seconds between full listings of every folder, whether or not the server reports changes."""


class Cycle:
    """Called by the schedule. Returns the seconds until the next run; None means the usual interval."""

    def __init__(
        self,
        *,
        hold: Hold,
        go_ahead: GoAhead,
        pipeline: Pipeline,
        tries: Tries,
        notes: PollNotes,
        pause: PauseWatch,
        expiries: ExpiryLook,
        chores: Sequence[Chore],
        watcher: WatchesSocket,
        observer: Observer,
        outage: JournalOutage,
        reconnect: Sequence[float],
        idle: bool,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """reconnect: waits (s) after lost connections. idle: whether to leave the connection in IDLE between runs."""
        self._hold = hold
        self._go_ahead = go_ahead
        self._pipeline = pipeline
        self._tries = tries
        self._notes = notes
        self._pause = pause
        self._expiries = expiries
        self._chores = chores
        self._watcher = watcher
        self._observer = observer
        self._outage = outage
        self._reconnect = ReconnectWaits(reconnect)
        self._idle = IdleUse(allowed=idle, monotonic=monotonic)
        self._clock = clock
        self._monotonic = monotonic
        self._full_look_at = 0.0
        self._not_before = 0.0
        self._run_began = 0.0
        self._look_anew = True
        self._runs_for_news = False
        """Whether this run began because there was news at the end of the last one."""
        self.trouble: str | None = None
        """What stopped the last run, in one word; None if it went well."""

    def __call__(self) -> float | None:
        """Run once. Never raises an error that a later run could recover from."""
        wait = self._run()
        self._expiries.look_hourly()
        return wait

    def _run(self) -> float | None:
        self._watcher.watch(None)
        self._observer.beat()
        self._run_began = self._monotonic()
        if (early := self._not_before - self._run_began) > 0:
            return early
        try:
            if self._go_ahead.is_stopping():
                return STANDBY
            if not self._hold.take_lease():
                self._outage.over()
                return STANDBY
            session, is_new = self._hold.session()
            if is_new:
                self._reconnect.connected(self._monotonic())
            report = self._poll(session, is_new=is_new)
            wait = self._rest(session, report)
            self._went_well(report)
        except Stop:
            return STANDBY
        except LeaseLost:
            self._hold.give_up()
            return STANDBY
        except Exception as error:  # noqa: BLE001 -- a bug of ours must not end a process that people rely on
            return self._met(error)
        return wait

    def _poll(self, session: Session, *, is_new: bool) -> Report | None:
        """Poll the mailbox and do what is due. Returns None during a pause."""
        news = self._idle.end(session)
        self._look_anew = self._look_anew or is_new
        if self._go_ahead.is_paused():
            self._look_anew = True
            self._pipeline.record_finished()  # outcomes of messages that were in hand when the pause began
            if news is None:
                session.noop()
            self._pause.look(session)
            return None
        self._pause.over()
        if self._look_anew:
            self._pipeline.look_anew(connected=True)
        self._look_anew = True  # if an error ends this poll, the next one sees again what this one didn't finish
        if self._monotonic() >= self._full_look_at:
            self._pipeline.look_anew(connected=False)
            self._full_look_at = self._monotonic() + FULL_LOOK_EVERY
            for chore in self._chores:
                chore.do(session)
        report = self._pipeline.poll(session, news=news)
        self._look_anew = False
        return report

    def _rest(self, session: Session, report: Report | None) -> float | None:
        """Leave the connection in IDLE if possible. Returns the seconds until the next run; None: as usual."""
        news = (report is not None and report.arrived > 0) or self._idle.begin(session)
        before, self._runs_for_news = self._runs_for_news, bool(news)
        if news:
            return CHATTY if before and not _has_done_something(report) else 0.0
        if news is not None:
            self._watcher.watch(session.fileno())
        if report is None or self._go_ahead.is_paused():  # IDLE says nothing of what came during a pause
            return STANDBY
        due = self._tries.next_due_at(besides=self._hold.in_hand())  # these wake us when they return
        return None if due is None else max(0.0, due - self._clock())

    def _went_well(self, report: Report | None) -> None:
        """Note that the run went well. Raises `JournalUnavailable` if the journal can't be used: then it failed."""
        if report is not None:
            self._notes.went_well(new=report.new)
        if self.trouble is not None:
            log.info("worker.recovered", trouble=self.trouble)
            if report is None:
                self._tell("paused")
        self.trouble = None
        self._outage.over()
        if report is None:
            return
        self._tell("good")
        if _has_done_something(report):
            tries = {state.value: count for state, count in report.outcomes.items()}  # a retry comes to `pending` again
            log.info("poll.done", new=report.new, gone=report.gone, **tries | {"pending": self._tries.pending()})

    def _met(self, error: Exception) -> float | None:
        """Report what stopped this run. Returns the seconds until the next one; None: as usual."""
        trouble = trouble_of(error, self._clock())
        if trouble.is_ours:
            log.error("worker.fault", exc_info=error)
        match trouble.means:
            case Means.ASK_THE_GUARD:
                self.trouble = trouble.name  # so an earlier refusal is logged again if it recurs
                self._tell(trouble.name)
                return 0.0
            case Means.NO_LOGIN:
                wait = None if trouble.asked is None else max(0.0, trouble.asked)
            case Means.RECONNECT:
                wait = self._lost(trouble, error)
            case Means.STAND_BY:
                self._outage.met(error)
                wait = STANDBY
        if trouble.advice is not None and self.trouble != trouble.name:
            log.error("worker.not_ready", state=trouble.name, advice=trouble.advice)
        self.trouble = trouble.name
        self._tell(trouble.name)
        self._notes.failed(trouble.name)
        return wait

    def _lost(self, trouble: Trouble, error: Exception) -> float:
        """Close the connection. Returns the seconds until the next one, more after each loss."""
        self._hold.let_go(error)
        self._reconnect.lost(self._monotonic(), logins=self._hold.logins)
        wait = self._reconnect.next(trouble.asked or 0.0)
        self._not_before = self._monotonic() + wait
        if trouble.advice is None:
            losses = self._reconnect.losses
            log.warning("connection.lost", error=type(error).__name__, wait=wait, losses=losses, **system_says(error))
        return wait

    def _tell(self, outcome: str) -> None:
        self._observer.polled(outcome, self._monotonic() - self._run_began)


def _has_done_something(report: Report | None) -> bool:
    return report is not None and bool(report.new or report.outcomes or report.gone)
