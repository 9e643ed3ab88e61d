"""Periodic chores besides the mail: remove old rows and old handled mail, and look at what expires."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.messages import Messages
from worker.logs.log import get_logger
from worker.loop.go_ahead import GoAhead
from worker.loop.journal_outage import JournalOutage
from worker.loop.steady_clock import SteadyClock
from worker.mailbox.folders import Layout
from worker.mailbox.session import Session
from worker.pipeline.settle import Settle

log = get_logger()


UPKEEP = "upkeep"
"""The journal's fact that holds the time of the last upkeep."""


EVERY = 86_400.0
"""Seconds between upkeeps."""
LOOK_EVERY = 3600.0
"""Seconds between looks at what expires."""


class Chore(Protocol):
    """Something that is done once an hour, or once in a drain, before a poll."""

    def do(self, session: Session) -> None:
        """Do it if it is due. May leave another folder selected."""


class Compacts(Protocol):
    """Removes rows of messages that were settled long ago and are gone."""

    def __call__(self, session: Session, /) -> int:
        """Returns how many rows were removed."""


class Attempts(Protocol):
    """The journal's login attempts."""

    def compact(self, before: float) -> object:
        """Remove those that finished before this time (epoch s)."""


class Requests(Protocol):
    """The journal's requests from people, such as a release."""

    def forget(self, before: float) -> object:
        """Remove those that were carried out before this time (epoch s)."""


class Upkeep:
    """Removes old rows from the journal, once a day however often the process restarts."""

    def __init__(
        self,
        facts: Facts,
        *,
        compact: Compacts,
        attempts: Attempts,
        requests: Requests,
        keep: float,
        clock: Callable[[], float],
    ) -> None:
        """keep: seconds for which rows are kept."""
        self._facts = facts
        self._compact = compact
        self._attempts = attempts
        self._requests = requests
        self._keep = keep
        self._clock = clock

    def do(self, session: Session) -> None:
        """Do it if a day has passed. May leave another folder selected."""
        now, last = self._clock(), self._facts.recall(UPKEEP)
        if last is not None and 0 <= now - float(last) < EVERY:
            return
        self._facts.remember(UPKEEP, repr(now))
        self._attempts.compact(now - self._keep)
        self._requests.forget(now - self._keep)
        if count := self._compact(session):
            log.info("journal.compacted", count=count)


class DeleteHandled:
    """Deletes mail that was handled long ago from the folder of handled mail, if the clock can be trusted."""

    def __init__(
        self,
        *,
        messages: Messages,
        settle: Settle,
        layout: Layout,
        go_ahead: GoAhead,
        facts: Facts,
        clock: Callable[[], float],
        older_than: timedelta,
    ) -> None:
        self._messages = messages
        self._settle = settle
        self._layout = layout
        self._go_ahead = go_ahead
        self._steady_clock = SteadyClock(facts, clock)
        self._clock = clock
        self._older_than = older_than

    def do(self, session: Session) -> None:
        """Delete mail that was handled longer ago than `older_than`."""
        if not self._steady_clock.is_steady():
            return
        old = self._messages.handled_before(self._clock() - self._older_than.total_seconds())
        if not old:
            return
        self._go_ahead.go_on()
        deleted = self._settle.delete(session, old)
        self._messages.deleted(deleted)
        if deleted:
            log.info("mailbox.handled_deleted", count=len(deleted))
        session.select(self._layout.watched[0])


class Looks(Protocol):
    """Looks at what expires."""

    def look(self) -> None:
        """Warn of what is due. May raise `JournalUnavailable`."""


class ExpiryLook:
    """Has what expires looked at once an hour, even while the worker can't get at the mail.

    Look after a run, so that the password and the tokens are those that the run logged in with.
    """

    def __init__(self, watch: Looks, outage: JournalOutage, monotonic: Callable[[], float]) -> None:
        self._watch = watch
        self._outage = outage
        self._monotonic = monotonic
        self._due_at = 0.0

    def look_hourly(self) -> None:
        """Look if an hour has passed since the last hourly look. Never raises."""
        if self._monotonic() >= self._due_at:
            self._due_at = self._monotonic() + LOOK_EVERY
            self.look()

    def look(self) -> None:
        """Look now. Never raises."""
        try:
            self._watch.look()
        except JournalUnavailable as error:
            self._outage.met(error)
        except Exception as error:
            log.error("worker.fault", exc_info=error)
