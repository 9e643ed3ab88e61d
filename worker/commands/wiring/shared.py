"""Builds the parts that the commands and the loop share."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property

from worker.commands.wiring.assembly import JournalParts
from worker.commands.wiring.login_wiring import announcer_of, guard_of, reading_guard
from worker.commands.wiring.observe_wiring import listener_of
from worker.journal.intents import Intents
from worker.journal.lease import Lease
from worker.journal.store import Journal
from worker.login.guard import Guard
from worker.logs.who import replica
from worker.mailbox.folders import Layout
from worker.mailbox.session import Endpoint, Session
from worker.observe.announcer import Announcer
from worker.observe.listener import Listener
from worker.pipeline.record import KEEP
from worker.pipeline.requests import Requests
from worker.pipeline.settle import Settle
from worker.reconcile.compact import Compact
from worker.reconcile.walk import Walk
from worker.settings import Settings, read_secret


class Parts:
    """The worker's parts, built from the settings on demand. `close` closes what was opened.

    journal: `open_journal_to_read` may replace it, so call that before building anything on it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = time.time
        self.monotonic = time.monotonic
        url = read_secret(settings.state.journal, settings.state.journal_file)
        self.journal = Journal(settings.state.dir, None if url is None else url.get_secret_value(), self.clock)
        self.layout = Layout(settings.poll.folders)
        self._observing: Listener | None = None
        self._built_on = ExitStack()

    def close(self) -> None:
        """Close what was opened: first what was built on these parts, then the journal."""
        self._built_on.close()
        self.journal.close()

    def close_first(self, close: Callable[[], None]) -> None:
        """Register a function that `close` calls before it closes the journal."""
        self._built_on.callback(close)

    def open_journal(self) -> None:
        """Open the journal for writing."""
        self.journal.open(self.settings.account.address)

    def open_journal_to_read(self) -> None:
        """Open the journal for reading, or use an empty one if there is none yet."""
        self.journal = self.journal.to_read(self.settings.account.address)

    @cached_property
    def lease(self) -> Lease:
        """This process's lease. Once it exists, writes to the messages are fenced by it."""
        lease = Lease(
            self.journal.database, self.settings.state.dir, replica(), clock=self.clock, monotonic=self.monotonic
        )
        self.journal.fenced_by(lease.fence)
        return lease

    def observing(self, command: str | None = None) -> Listener:
        """Audit trail, metrics and health of this process, created at the first call.

        command: `run` or `once`; None for any other command.
        """
        if self._observing is None:
            name = "" if command is None else self.lease.name
            self._observing = listener_of(self.settings, self.journal, self.clock, command=command, replica=name)
        return self._observing

    def announcer(self) -> Announcer:
        return announcer_of(self.observing())

    def guard(self, *, actor: str | None = None) -> Guard:
        """actor: the replica that logs in; None: the person who runs this command."""
        return guard_of(self.settings, self.journal, self.clock, notify=self.announcer(), actor=actor)

    def reading_guard(self) -> Guard:
        """A guard that is only asked for the status."""
        return reading_guard(self.settings, self.journal, self.clock)

    def new_session(self) -> Session:
        account = self.settings.account
        return Session(
            Endpoint(
                account.host,
                account.port,
                account.ca_file,
                account.connect_timeout.total_seconds(),
                account.read_timeout.total_seconds(),
            )
        )

    def journal_parts(self) -> JournalParts:
        """The journal's parts that the pipeline writes."""
        journal = self.journal
        return JournalParts(
            account=self.settings.account.address,
            messages=journal.messages,
            tries=journal.tries,
            places=journal.places,
            intents=Intents(journal.database),
        )

    def settle(self) -> Settle:
        """The part that makes the mailbox show the outcomes."""
        return self.journal_parts().settle(self.clock)

    def requests(self) -> Requests:
        """The part that carries out what people asked for."""
        journal = self.journal_parts()
        return Requests(journal.intents, journal.messages, self.settle(), self.layout, self.clock)

    def walk(self) -> Walk:
        return Walk(
            self.journal.messages,
            self.journal.places,
            fingerprints=self.journal_parts().fingerprints,
            watched=self.layout.watched,
            targets=self.targets(),
            since=self.settings.poll.since,
        )

    def compact(self, session: Session) -> int:
        return Compact(
            self.journal.messages,
            self.walk(),
            fingerprints=self.journal_parts().fingerprints,
            keep=self.settings.state.keep.total_seconds(),
            clock=self.clock,
        )(session)

    def targets(self) -> list[str]:
        """The names of the folders that mail is moved to."""
        settle = self.settings.settle
        return [name for name in (settle.handled, settle.failed, settle.junk) if name not in (KEEP, "auto")]
