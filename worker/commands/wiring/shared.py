"""Builds the parts that the commands and the loop share.

What only some commands need is imported where it is built: a command that only reads the journal needn't wait for the
mailbox's and the pipeline's parts. `ahead` says what a worker loads before it begins.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from worker.commands.wiring.login_wiring import announcer_of, guard_of, reading_guard
from worker.journal.database import Database
from worker.journal.lease import Lease
from worker.journal.store import Journal
from worker.logs.who import replica
from worker.mailbox.folders import AUTO, KEEP, Layout, Wanted, WantedFolders
from worker.settings import Settings, SettleSettings, proxy_of, read_secret

if TYPE_CHECKING:
    from worker.commands.wiring.assembly import JournalParts
    from worker.connections import Proxy
    from worker.login.expiry_watch import ExpiryWatch
    from worker.login.guard import Guard
    from worker.loop.first_mail import FirstMail, Person
    from worker.loop.mailbox_size import MailboxSize
    from worker.mailbox.folder_finder import FolderFinder
    from worker.mailbox.session import Session
    from worker.observe.announcer import Announcer
    from worker.observe.listener import Listener
    from worker.pipeline.requests import Requests
    from worker.pipeline.settle import Settle
    from worker.pipeline.stop import Permission
    from worker.reconcile.unexplained import Unexplained
    from worker.reconcile.walk import Walk


class Parts:
    """The worker's parts, built from the settings on demand. `close` closes what was opened.

    journal: `open_journal_to_read` may replace it, so call that before building anything on it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = time.time
        self.monotonic = time.monotonic
        url = read_secret(settings.state.journal, settings.state.journal_file)
        database = None if url is None else Database(url.get_secret_value(), allow_clear=settings.state.allow_clear)
        self.journal = Journal(
            settings.state.dir, None if url is None else url.get_secret_value(), self.clock, database=database
        )
        self._wanted = wanted_folders(settings)
        self.layout = Layout(settings.poll.folders, settings=self._wanted.settings)
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
    def finder(self) -> "FolderFinder":
        """The part that finds the folders in the mailbox."""
        from worker.mailbox.folder_finder import FolderFinder

        return FolderFinder(self.layout, self._wanted)

    @cached_property
    def lease(self) -> Lease:
        """This process's lease. Once it exists, writes to the messages are fenced by it."""
        lease = Lease(
            self.journal.database, self.settings.state.dir, replica(), clock=self.clock, monotonic=self.monotonic
        )
        self.journal.fenced_by(lease.fence)
        return lease

    def observing(self, command: str | None = None) -> "Listener":
        """Audit trail, metrics and health of this process, created at the first call.

        command: `run` or `once`; None for any other command.
        """
        if self._observing is None:
            from worker.commands.wiring.observe_wiring import listener_of

            name = "" if command is None else self.lease.name
            self._observing = listener_of(self.settings, self.journal, self.clock, command=command, replica=name)
        return self._observing

    def announcer(self) -> "Announcer":
        return announcer_of(self.observing())

    def guard(self, *, actor: str | None = None) -> "Guard":
        """actor: the replica that logs in; None: the person who runs this command."""
        return guard_of(self.settings, self.journal, self.clock, notify=self.announcer(), actor=actor)

    def reading_guard(self) -> "Guard":
        """A guard that is only asked for the status."""
        return reading_guard(self.settings, self.journal, self.clock)

    def expiry_watch(self, guard: "Guard") -> "ExpiryWatch":
        from worker.commands.wiring.expiry_wiring import expiry_watch_of

        return expiry_watch_of(self.settings, self.journal, guard, self.clock, notify=self.announcer())

    @cached_property
    def proxy(self) -> "Proxy | None":
        """The proxy that connections go through, if there is one."""
        return proxy_of(self.settings)

    def new_session(self) -> "Session":
        from worker.connections import Direct
        from worker.mailbox.session import Endpoint, Session

        account = self.settings.account
        session = Session(
            Endpoint(
                account.host,
                account.port,
                account.ca_file,
                account.connect_timeout.total_seconds(),
                account.read_timeout.total_seconds(),
                self.proxy or Direct(),
            ),
            self.layout,
        )
        if not self.settings.poll.pipelining:
            session.wait_for_each_answer()
        return session

    def journal_parts(self) -> "JournalParts":
        """The journal's parts that the pipeline writes."""
        from worker.commands.wiring.assembly import JournalParts
        from worker.journal.intents import Intents
        from worker.message.content_mark import ContentMarks

        journal = self.journal
        return JournalParts(
            account=self.settings.account.address,
            messages=journal.messages,
            tries=journal.tries,
            places=journal.places,
            intents=Intents(journal.database),
            marks=ContentMarks(journal.facts.known_content_key()),
        )

    def settle(self) -> "Settle":
        """The part that makes the mailbox show the outcomes."""
        return self.journal_parts().settle(self.layout, self.clock)

    def requests(self) -> "Requests":
        """The part that carries out what people asked for."""
        return self.journal_parts().requests(self.settle(), self.layout, self.clock)

    def walk(self) -> "Walk":
        from worker.reconcile.walk import Walk

        return Walk(
            self.journal.messages,
            self.journal.places,
            fingerprints=self.journal_parts().fingerprints,
            watched=self.layout.watched,
            targets=self.targets(),
            since=self.settings.poll.since,
        )

    def compact(self, session: "Session") -> int:
        from worker.reconcile.compact import Compact

        return Compact(
            self.journal.messages,
            self.walk(),
            fingerprints=self.journal_parts().fingerprints,
            keep=self.settings.state.keep.total_seconds(),
            clock=self.clock,
        )(session)

    def unexplained(self) -> "Unexplained":
        """The part that finds mail in the folder of handled mail that no row explains."""
        from worker.reconcile.unexplained import Unexplained

        return Unexplained(
            self.journal.messages,
            self.journal.facts,
            self.layout,
            handled=self.handled,
            fingerprints=self.journal_parts().fingerprints,
        )

    def mailbox_size(self, permission: "Permission") -> "MailboxSize":
        """The part that learns how full the mailbox is. permission: asked before each folder."""
        from worker.loop.mailbox_size import MailboxSize, SizeRules
        from worker.reconcile.folder_tally import FolderTally

        facts, rules = self.journal.facts, SizeRules(self.settings.mailbox.size, self.settings.mailbox.warn)
        sums = FolderTally(facts, key=facts.known_content_key(), permission=permission)
        return MailboxSize(facts, sums, rules, self.clock)

    def first_mail(self, person: "Person | None") -> "FirstMail":
        """The chore before the first poll of all. person: asked before much old mail is handed over."""
        from worker.loop.first_mail import FirstMail

        poll = self.settings.poll
        return FirstMail(
            self.journal.messages,
            self.journal.places,
            self.layout,
            handled=self.handled,
            since=poll.since,
            chosen="since" in poll.model_fields_set,
            person=person,
            clock=self.clock,
        )

    @property
    def handled(self) -> str | None:
        """What the settings call the folder of handled mail; None: handled mail stays where it is."""
        handled = self.settings.settle.handled
        return None if handled == KEEP else handled

    def targets(self) -> list[str]:
        """What the folders that mail is moved to are called in the mailbox."""
        return [self.layout.actual(one.name) for one in self._wanted.targets]


def wanted_folders(settings: Settings) -> WantedFolders:
    """The folders that the settings name."""
    settle, usual = settings.settle, SettleSettings()
    targets = (
        Wanted(settle.handled, "[settle] handled", is_default=settle.handled == usual.handled),
        Wanted(settle.failed, "[settle] failed", is_default=settle.failed == usual.failed),
        Wanted(settle.junk, "[settle] junk", may_be_junk=True),
    )
    return WantedFolders(
        tuple(Wanted(name, "[poll] folders") for name in settings.poll.folders),
        Wanted(settings.junk.folder, "[junk] folder"),
        tuple(one for one in targets if one.name not in (KEEP, AUTO)),
    )
