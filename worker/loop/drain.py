"""`once`: poll until there is nothing left to do."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from worker.journal.lease import LeaseLost
from worker.journal.messages import Messages
from worker.logs.log import get_logger
from worker.loop.connection import ReconnectWaits
from worker.loop.first_mail import NotAgreed
from worker.loop.go_ahead import GoAhead
from worker.loop.hold import Hold
from worker.loop.housekeeping import Chore, ExpiryLook
from worker.loop.poll_notes import PollNotes
from worker.loop.troubles import PASSING, is_about_the_login, system_says, trouble_of
from worker.message.outcome import State
from worker.pipeline.pipeline import Pipeline
from worker.pipeline.report import Report
from worker.pipeline.stop import Stop

log = get_logger()

MOST_PATIENCE = 2.0
"""`once` honours a server's request to wait, up to this many times the longest of our own waits."""


class LeaseHeld(Exception):
    """Another worker holds the lease."""


class Paused(Exception):
    """Somebody has paused the worker."""


@dataclass
class Drained:
    """The result of a drain. due: messages that are still to be tried again."""

    new: int = 0
    outcomes: Counter[State] = field(default_factory=Counter)
    due: int = 0

    def add(self, report: Report) -> None:
        """Add the result of one poll."""
        self.new += report.new
        self.outcomes.update(report.outcomes)
        self.outcomes[State.GONE] += report.gone

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return bool(self.new or self.outcomes.total())


class MailboxDrain:
    """Drains the mailbox: polls until a poll finds nothing to do."""

    def __init__(
        self,
        *,
        hold: Hold,
        go_ahead: GoAhead,
        pipeline: Pipeline,
        messages: Messages,
        notes: PollNotes,
        expiries: ExpiryLook,
        chores: Sequence[Chore] = (),
        reconnect: Sequence[float],
        clock: Callable[[], float],
    ) -> None:
        """chores: done on each new connection, before its first poll. reconnect: waits (s) after lost connections."""
        self._hold = hold
        self._go_ahead = go_ahead
        self._pipeline = pipeline
        self._messages = messages
        self._notes = notes
        self._expiries = expiries
        self._chores = chores
        self._reconnect = ReconnectWaits(reconnect)
        self._clock = clock

    def run(self, drained: Drained) -> None:
        """Poll until there is nothing left to do. `drained` counts what was done, even if this raises.

        Errors are raised, and noted as the last poll. A connection that is refused or lost is tried anew after the
        waits in the settings, until those are used up; but no first one, once a failed login counts.

        Raises:
            LeaseHeld: another worker is draining the mailbox.
            Paused: nothing may be handed over.
            NotAgreed: a person doesn't want the old mail to be handed over.
            Stop: the process is stopping, with messages still in hand.
            Everything that `Connector.session` and `Pipeline.poll` raise.
        """
        try:
            self._take_turn()
            self._drain(drained)
        except (LeaseHeld, Paused, NotAgreed, Stop, LeaseLost):
            raise
        except Exception as error:
            self._notes.failed(trouble_of(error, self._clock()).name, new=drained.new)
            raise
        finally:
            self._expiries.look()

    def _take_turn(self) -> None:
        if not self._hold.take_lease():
            raise LeaseHeld("Another worker holds this account's lease and handles the mailbox. Nothing was done here.")
        if self._go_ahead.is_paused():
            raise Paused(
                "The worker is paused: nothing was handed over, and no connection was made. "
                "End the pause with `nhsmail-worker resume`."
            )

    def _drain(self, drained: Drained) -> None:
        try:
            unread = self._until_nothing_comes(drained)
        except Stop:
            self._tell_of_a_pause()
            raise
        if self._go_ahead.is_stopping():
            raise Stop
        self._notes.went_well(new=drained.new)
        drained.due = self._messages.counts().by_state[State.PENDING] + unread

    def _until_nothing_comes(self, drained: Drained) -> int:
        """Poll until a poll finds nothing. Returns how many messages the server still shows without a header."""
        reached = False
        while True:
            try:
                session, is_new = self._hold.session()
                reached = True
                if is_new:
                    self._pipeline.look_anew(connected=True)
                    for chore in self._chores:
                        chore.do(session)
                report = self._pipeline.poll(session)
            except PASSING as error:
                if not reached and self._hold.has_failed_logins():
                    raise  # one attempt at a time is enough while failed ones count
                self._reconnect_later(error, drained)
            else:
                drained.add(report)
                self._reconnect.start_over()
                if not report.anything:
                    return report.unread

    def _reconnect_later(self, error: Exception, drained: Drained) -> None:
        """Wait until it is time to reconnect; raise the error if waiting is no use."""
        self._hold.let_go(error)
        done = self._pipeline.take_report()
        drained.add(done)
        if done.anything:
            self._reconnect.start_over()
        asked = trouble_of(error, self._clock()).asked or 0.0
        is_too_long = asked > MOST_PATIENCE * self._reconnect.longest
        if self._reconnect.are_used_up or is_too_long or is_about_the_login(error):
            raise error
        wait = self._reconnect.next(asked)
        losses = self._reconnect.losses
        log.warning("connection.lost", error=type(error).__name__, wait=wait, losses=losses, **system_says(error))
        self._go_ahead.wait(wait)

    def _tell_of_a_pause(self) -> None:
        """Raise `Paused` if it was a pause that stopped the drain."""
        if not self._go_ahead.is_stopping() and self._go_ahead.is_paused():
            raise Paused(
                "A person has paused the worker meanwhile. What handlers finished until then is recorded. Nothing "
                "more is handed over or moved. End the pause with `nhsmail-worker resume`."
            )
