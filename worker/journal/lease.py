"""The work lease: only the worker that holds it may handle and settle messages.

With SQLite, on one host, the lease is a lock on a file in the state folder. The kernel releases it as soon as its
holder is dead, so no clock is involved. With PostgreSQL, between hosts, the lease is a row that expires by the
database's own clock. Either way, the row tells `status` who holds it.

A process can be suspended at any point for longer than its lease lasts, and then be resumed. So every write of messages
is fenced: its transaction checks that the lease is still ours, and locks the lease's row until it ends.
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
from worker.journal.inbox_rows import InboxRows
from worker.journal.schema import lease
from worker.private_files import owned

DURATION = 20.0
"""Seconds that a lease lasts without renewal: a killed holder is replaced within 30."""
MARGIN = 5.0
"""The holder stops relying on the lease this many seconds before it ends."""
HEARTBEAT = 5.0
"""Seconds between renewals."""
NAME = "work"


class LeaseLost(JournalUnavailable):
    """Another worker has taken over the lease, so nothing was written."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease. expires_at: epoch s."""

    name: str
    expires_at: float


class Lease:
    """Takes, renews and releases the lease. One object per process.

    term: how often the lease was taken. If it is the same as before, nobody else has had the lease in between.
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
        # Two containers can have the same host name and process ID, and the fence must tell them apart.
        self._holder = f"{holder}:{secrets.token_hex(3)}"
        self._clock = clock
        self._monotonic = monotonic
        self._lock: int | None = None
        self._renewed_at: float | None = None
        self._one_at_a_time = threading.Lock()
        self._insert: Any = database.insert
        self._inbox = InboxRows(database)
        self._inbox.fenced_by(self.fence)
        self.term = 0

    @property
    def name(self) -> str:
        """The name that this replica holds the lease under."""
        return self._holder

    def acquire(self) -> bool:
        """Take the lease, or renew it if it is ours. False if another worker holds it, or has taken it from us.

        Raises:
            JournalUnavailable: the journal or the lock file in the state folder can't be written.
        """
        with self._one_at_a_time:
            return self._take() if self._renewed_at is None else self._keep()

    def reserve(self) -> bool:
        """Keep other workers on this host from taking the lease, without writing the journal. False if one holds it.

        With PostgreSQL nothing can be reserved without the journal.

        Raises:
            JournalUnavailable: the state folder can't be written.
        """
        with self._one_at_a_time:
            return not self._database.is_sqlite or self._lock_file()

    def renew(self) -> None:
        """Renew the lease if we hold it. The heartbeat's thread calls this. May raise `JournalUnavailable`."""
        with self._one_at_a_time:
            if self._renewed_at is not None:
                self._keep()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease from a thread of its own until the block ends."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT):
                with suppress(JournalUnavailable):  # the lease runs out, and the next step notices
                    self.renew()

        thread = threading.Thread(target=beat, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def is_held(self) -> bool:
        """Whether the lease is certainly ours now. Reads no database.

        A process that was suspended for longer than the lease lasts learns it here, before its next command.
        """
        renewed_at = self._renewed_at
        if renewed_at is None:
            return False
        return self._database.is_sqlite or self._monotonic() - renewed_at < DURATION - MARGIN

    def fence(self, connection: Connection) -> None:
        """Ensure that the lease is ours until this transaction ends.

        Raises:
            LeaseLost: it isn't ours; roll the transaction back.
        """
        if self._database.is_sqlite:
            return  # the kernel keeps the lock while this process lives
        query = select(lease.c.holder).where(lease.c.name == NAME).with_for_update(read=True)
        if connection.execute(query).scalar() != self._holder:
            raise LeaseLost("another worker has taken over")

    def release(self) -> None:
        """Release the lease, so that another worker can take over at once. Never raises."""
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
        while held and self._inbox.rename_some():  # of a million messages, this takes longer than a lease lasts
            asked_at = self._monotonic()
            held = self._write_renewal()
        if held:
            self._renewed_at = asked_at
            self.term += 1
        return held

    def _keep(self) -> bool:
        """Renew the lease unless another worker has taken it. If it has expired but nobody took it, it is ours."""
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
        """Write our name, unless another worker's lease hasn't expired. With SQLite the file lock has decided that."""
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
    """Who holds the lease according to the journal; None if nobody does, or it has expired."""
    with database.read() as connection:
        row = connection.execute(select(lease).where(lease.c.name == NAME, lease.c.expires_at >= now)).first()
        return None if row is None else Holder(row.holder, row.expires_at)
