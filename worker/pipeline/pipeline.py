"""The spine: poll, admit, fetch, classify, route, handle, record, settle. One way, no way back.

It runs in the one thread that owns the connection; handlers run in the pool meanwhile. An error of the connection or of
the journal ends the poll, and everything that isn't settled stays where it is.
"""

from collections.abc import Callable, Iterator

from worker.mailbox.session import Session
from worker.pipeline.dispatch import Dispatch, Step
from worker.pipeline.intake import Intake
from worker.pipeline.outbox import Outbox
from worker.pipeline.poll import Poll
from worker.pipeline.report import Report
from worker.pipeline.requests import Requests


class Pipeline:
    """Takes every message that is new or due through its stages."""

    def __init__(self, *, poll: Poll, intake: Intake, dispatch: Dispatch, outbox: Outbox, requests: Requests) -> None:
        self._poll = poll
        self._intake = intake
        self._dispatch = dispatch
        self._outbox = outbox
        self._requests = requests
        self._report = Report()

    def begin(self) -> None:
        """Begin under the lease: messages that were in hand when a process died are retried one at a time."""
        self._dispatch.begin()

    def look_anew(self, *, connected: bool) -> None:
        """Make the next poll list every folder and, on a new connection, look for what is unsettled."""
        self._poll.forget()
        self._dispatch.forget_asked()
        if connected:
            self._outbox.connected()

    def poll(self, session: Session, *, news: bool | None = None) -> Report:
        """Look at the mailbox once, and do all the work that is due. news: as `Poll.look` says.

        The order matters. Outcomes and requests come first, since they change what there is to look at. What was
        recorded is settled before we look at new mail: otherwise a copy in a watched target folder would pass for new.
        The moves at which the connection may end come last.
        """
        self._report = Report()
        self._collect(session, Step())
        for row in self._requests.reopen():
            self._outbox.rejudged(row)
        opened = self._requests.bring_back(session)
        self._outbox.relocated(opened.places)
        self._report += opened.report
        looks = self._poll.look(session, news=news)
        self._outbox.resume(session, looks)
        for admitted in self._intake.admit(session, looks):  # one batch of headers at a time
            self._report += admitted.report
            self._report += self._outbox.follow(admitted)
            if not (self._dispatch.keeps_order or admitted.suspect):  # wait for earlier mail, and for other suspects
                self._work(session, self._dispatch.work(session, admitted.tops, more=admitted.more))
        self._report += self._intake.miss(session, looks)  # every new one was matched: a missing one may have moved
        while self._work(session, self._dispatch.work_through(session)):
            pass
        self._outbox.settle_alone(session)
        self._report += self._intake.end(session, looks)
        return self.take_report()

    def _work(self, session: Session, steps: Iterator[Step]) -> bool:
        """Collect outcomes whenever dispatch needs room or waits. Returns whether more messages have their turn now."""
        done, compared = self._report.done, self._report.compared
        for step in steps:
            self._collect(session, step)
        return self._report.compared > compared or (self._report.done > done and self._dispatch.has_more)

    def _collect(self, session: Session, step: Step) -> None:
        self._report += self._intake.miss_unfetched(step.missing)
        self._report += self._outbox.record(step.wait)
        self._outbox.settle(session, everything=step.settle)

    def take_report(self) -> Report:
        """Return what was done since the last call, also by a poll that was broken off."""
        report, self._report = self._report, Report()
        return report

    def record_finished(self) -> None:
        """Write down what came back from the pool; needs no connection."""
        self._report += self._outbox.record()

    def abandon(self) -> None:
        """The lease is lost: what is in hand here belongs to another worker now, so its outcomes aren't recorded."""
        self._outbox.abandon()

    def stop(self, grace: float, monotonic: Callable[[], float], session: Session | None) -> None:
        """Let handlers that have started finish within the grace period (s); take the others back, untouched."""
        self._dispatch.stop()
        self._report += self._outbox.drain(grace, monotonic)
        self._dispatch.leave()
        if session is not None:
            self._outbox.settle(session, everything=True)
