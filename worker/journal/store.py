"""The journal as a whole: its parts, and the checks made before anything relies on it."""

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from worker.journal.database import Database, JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.messages import Messages
from worker.journal.migrate import is_current, migrate
from worker.journal.places import Places
from worker.journal.read_only import readable
from worker.journal.tries import Tries
from worker.private_files import create

FILE = "journal.sqlite"


class Journal:
    """Everything that outlives the process."""

    def __init__(
        self, state_dir: Path, url: str | None, clock: Callable[[], float], *, database: Database | None = None
    ) -> None:
        """url: of the database; None for SQLite in the state folder. database: this database, if it is open already."""
        self.state_dir = state_dir
        self.clock = clock
        self.path = None if url is not None else state_dir / FILE
        self.database = database or Database(url if url is not None else f"sqlite:///{state_dir / FILE}")
        self.messages = Messages(self.database)
        self.tries = Tries(self.database)
        self.places = Places(self.database)
        self.facts = Facts(self.database)

    def fenced_by(self, fence: Callable[[Connection], None]) -> None:
        """Call `fence` in every transaction that writes messages. It raises if another worker has taken over."""
        for rows in (self.messages, self.tries, self.places):
            rows.fenced_by(fence)

    @property
    def exists(self) -> bool:
        """Whether there is a journal already. On a database server there always is.

        Raises:
            JournalUnavailable: the state folder can't be read.
        """
        if self.path is None:
            return True
        try:
            self.path.stat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise JournalUnavailable(f"the state folder can't be read: {error.strerror}") from error
        return True

    def open(self, address: str) -> None:
        """Create or upgrade the journal, and check that it is intact and belongs to this account.

        Raises:
            JournalUnavailable: it can't be reached or written.
            JournalDamaged: it is damaged.
            JournalTooNew: a newer program has written it.
            OtherAccount: it belongs to another account.
        """
        if self.path is not None:
            self._prepare_file(self.path)
        migrate(self.database)
        self.facts.belongs_to(address)
        if not self.facts.known_content_key():
            self.facts.content_key()

    def to_read(self, address: str) -> "Journal":
        """The journal for commands that only read. It needn't be writable. Before the first run it is an empty one.

        Raises:
            JournalUnavailable: it can't be read.
            JournalDamaged, JournalTooNew, OtherAccount: as for `open`.
        """
        if not self.exists:
            empty = Journal(self.state_dir, "sqlite://", self.clock)
            empty.open(address)
            return empty
        found = self.as_it_is(address)
        if found is not None:
            return found
        self.open(address)
        return self

    def as_it_is(self, address: str) -> "Journal | None":
        """The journal in the state folder for reading, and nothing in it is upgraded.

        None: there is none, it isn't of this version, or it is on a database server.

        Raises:
            JournalUnavailable: it can't be read.
            JournalDamaged, OtherAccount: as for `open`.
        """
        if self.path is None or not self.exists:
            return None
        database = readable(self.path)
        with ExitStack() as unless_wanted:
            unless_wanted.callback(database.close)
            if not is_current(database):
                return None
            found = Journal(self.state_dir, str(database.url), self.clock, database=database)
            found.facts.refuse_others(address)
            unless_wanted.pop_all()
            return found

    def replace_damaged(self, address: str, paused_by: str) -> Path:
        """Replace a damaged journal with a new one. Returns the path under which the damaged one is kept.

        The new journal is created under another name and paused before it is renamed. So wherever the process crashes,
        no worker finds an empty journal that isn't paused, with which it would handle every message again.

        Raises:
            JournalUnavailable: the file can't be replaced; or the journal is on a server, and isn't ours to repair.
        """
        if self.path is None:
            raise JournalUnavailable("a journal on a database server is repaired there")
        self.database.close()
        kept = self.path.with_name(f"{FILE}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        try:
            new = self._new_beside(self.path, address, paused_by)
            for suffix in ("-wal", "-shm"):
                part = self.path.with_name(self.path.name + suffix)
                if part.exists():
                    part.rename(kept.with_name(kept.name + suffix))
            try:
                kept.hardlink_to(self.path)
            except OSError:
                self.path.rename(kept)  # the file system has no hard links
            new.replace(self.path)
        except OSError as error:
            raise JournalUnavailable(f"the damaged journal can't be replaced: {error.strerror}") from error
        return kept

    def _new_beside(self, path: Path, address: str, paused_by: str) -> Path:
        new = path.with_name(f"{FILE}.new")
        new.unlink(missing_ok=True)  # left by a crash here; SQLite ignores a stale log beside an empty file
        _create(new)
        journal = Journal(self.state_dir, f"sqlite:///{new}", self.clock)
        try:
            journal.open(address)
            journal.facts.pause(paused_by, self.clock())
        finally:
            journal.close()
        return new

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def _prepare_file(self, path: Path) -> None:
        """Create the file, readable by its owner alone, or check that it is intact."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(path)
        except OSError as error:
            raise JournalUnavailable(f"the state folder can't be written: {error.strerror}") from error
        self.database.check_whole()


def _create(path: Path) -> None:
    with suppress(FileExistsError):
        os.close(create(path))
