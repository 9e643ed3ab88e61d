"""The work lease: the one worker that may hand over and settle.

With SQLite, on one host, it is a lock on a file in the state folder: the kernel gives it up the moment that its holder
is dead, and no clock is asked. Between hosts, with PostgreSQL, it is a row that expires by the database's own clock.
Either way the row says who holds it, for `status`.

A process may be stopped at any point for longer than its lease lasts, and go on. So what a holder writes of messages is
fenced: the same transaction makes sure, and keeps it so until its end, that the lease is still its own.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, extract, func, literal, select, update

from worker.journal.database import Database, JournalUnavailable
from worker.journal.schema import lease
from worker.private_files import owned

DURATION = 20.0
"""Seconds for which a lease holds without being renewed: a killed holder is followed within 30."""
MARGIN = 5.0
"""Seconds before the end of the lease from which its holder doesn't rely on it any more."""
HEARTBEAT = 5.0
"""Seconds between two renewals."""
NAME = "work"


class LeaseLost(JournalUnavailable):
    """Another worker has taken the lease over: what was to be written is its business now, and wasn't written."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease. expires_at: epoch s."""

    name: str
    expires_at: float


class Lease:
    """Take, renew and give back the lease. One object a process.

    term: counts how often it was taken anew; while it is the same, nobody else had the lease in between.
    """

    def __init__(
        self,
        database: Database,
        state_dir: Path,
        holder: str,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._database = database
        self._path = state_dir / "work.lock"
        # Two containers may have the same host name, and the same process id in it: the fence must tell them apart.
        self._holder = f"{holder}:{secrets.token_hex(3)}"
        self._clock = clock
        self._monotonic = monotonic
        self._lock: int | None = None
        self._renewed_at: float | None = None
        self._one_at_a_time = threading.Lock()
        self._insert: Any = database.insert
        self.term = 0

    @property
    def name(self) -> str:
        """What this replica is called while it holds the lease."""
        return self._holder

    def acquire(self) -> bool:
        """Take the lease, or renew it where it is ours; False while another worker holds it, or when it was lost.

        Raises:
            JournalUnavailable: the journal, or the state folder with its lock file, can't be written.
        """
        with self._one_at_a_time:
            return self._take() if self._renewed_at is None else self._keep()

    def reserve(self) -> bool:
        """Keep other workers of this host from taking the lease, where the journal can't be written; False: one has it.

        Between hosts nothing can be reserved without the journal.

        Raises:
            JournalUnavailable: the state folder can't be written.
        """
        with self._one_at_a_time:
            return not self._database.is_sqlite or self._lock_file()

    def renew(self) -> None:
        """Renew the lease where we hold it; from the heartbeat's thread. May raise `JournalUnavailable`."""
        with self._one_at_a_time:
            if self._renewed_at is not None:
                self._keep()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease for as long as the block takes, in a thread of its own."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT):
                with suppress(JournalUnavailable):  # it runs out, and the next step finds that out
                    self.renew()

        thread = threading.Thread(target=beat, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def is_held(self) -> bool:
        """Whether the lease is certainly ours at this moment. Asks nobody.

        A process that was stopped for longer than the lease lasts finds out here, before its next command.
        """
        renewed_at = self._renewed_at
        if renewed_at is None:
            return False
        return self._database.is_sqlite or self._monotonic() - renewed_at < DURATION - MARGIN

    def fence(self, connection: Connection) -> None:
        """Make sure, within this transaction and until its end, that the lease is ours.

        Raises:
            LeaseLost: it isn't; the transaction is to be given up.
        """
        if self._database.is_sqlite:
            return  # the kernel keeps the lock for as long as we live
        query = select(lease.c.holder).where(lease.c.name == NAME).with_for_update(read=True)
        if connection.execute(query).scalar() != self._holder:
            raise LeaseLost("another worker has taken over")

    def release(self) -> None:
        """Give the lease back, so that another worker can follow at once. Never raises."""
        self._renewed_at = None
        with suppress(JournalUnavailable), self._database.write() as connection:
            connection.execute(delete(lease).where(lease.c.name == NAME, lease.c.holder == self._holder))
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _lock_file(self) -> bool:
        if self._lock is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise JournalUnavailable(f"the lock file in the state folder: {error.strerror}") from error
        try:
            fcntl.flock(owned(descriptor, self._path.parent), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def _take(self) -> bool:
        asked_at = self._monotonic()
        held = (not self._database.is_sqlite or self._lock_file()) and self._write_row()
        if held:
            self._renewed_at = asked_at
            self.term += 1
        return held

    def _keep(self) -> bool:
        """Renew what nobody has taken over; a lease that has expired and was left alone is still ours."""
        asked_at = self._monotonic()
        self._renewed_at = asked_at if self._write_renewal() else None
        return self._renewed_at is not None

    def _write_renewal(self) -> bool:
        if self._database.is_sqlite:
            return self._write_row()
        with self._database.write() as connection:
            ours = update(lease).where(lease.c.name == NAME, lease.c.holder == self._holder)
            return connection.execute(ours.values(expires_at=self._now() + DURATION)).rowcount == 1

    def _write_row(self) -> bool:
        """Write our name, unless another's is there that hasn't expired; with SQLite the file has decided already."""
        with self._database.write() as connection:
            now = self._now()
            statement = self._insert(lease).values(name=NAME, holder=self._holder, expires_at=now + DURATION)
            free = None if self._database.is_sqlite else (lease.c.holder == self._holder) | (lease.c.expires_at < now)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["name"],
                    set_={"holder": self._holder, "expires_at": statement.excluded.expires_at},
                    where=free,
                )
            )
            return connection.execute(select(lease.c.holder).where(lease.c.name == NAME)).scalar() == self._holder

    def _now(self) -> Any:
        if self._database.is_sqlite:
            return literal(self._clock())
        return extract("epoch", func.clock_timestamp())


def current_holder(database: Database, now: float) -> Holder | None:
    """Who holds the lease, as the journal says; None when nobody does, or when it has run out."""
    with database.read() as connection:
        row = connection.execute(select(lease).where(lease.c.name == NAME, lease.c.expires_at >= now)).first()
        return None if row is None else Holder(row.holder, row.expires_at)
