"""The work lease: the one worker that may hand over and settle.

With SQLite, on one host, it is a lock on a file in the state folder: the kernel gives it up the moment that its holder
is dead, and no clock is asked. Between hosts, with PostgreSQL, it is a row that expires by the database's own clock.
Either way the row says who holds it, for `status`.
"""

import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, extract, func, literal, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from worker.journal.database import Database, JournalUnavailable
from worker.journal.schema import lease

DURATION = 20.0
"""Seconds for which a lease holds without being renewed: a killed holder is followed within 30."""
MARGIN = 5.0
"""Seconds before the end of the lease from which its holder doesn't rely on it any more."""
HEARTBEAT = 5.0
"""Seconds between two renewals."""
NAME = "work"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease. expires_at: epoch s."""

    name: str
    expires_at: float


class Lease:
    """Take, renew and give back the lease. One object a process."""

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
        self._holder = holder
        self._clock = clock
        self._monotonic = monotonic
        self._lock: int | None = None
        self._renewed_at: float | None = None
        self._one_at_a_time = threading.Lock()
        self._insert: Any = sqlite_insert if database.is_sqlite else postgres_insert

    def acquire(self) -> bool:
        """Take or renew the lease; False while another worker holds it.

        Raises:
            JournalUnavailable: the journal, or the state folder with its lock file, can't be written.
        """
        with self._one_at_a_time:
            asked_at = self._monotonic()
            held = (not self._database.is_sqlite or self._lock_file()) and self._write_row()
            self._renewed_at = asked_at if held else None
            return held

    def renew(self) -> None:
        """Renew the lease where we hold it; from the heartbeat's thread. May raise `JournalUnavailable`."""
        if self._renewed_at is not None:
            self.acquire()

    def is_held(self) -> bool:
        """Whether the lease is certainly ours at this moment. Asks nobody.

        A process that was stopped for longer than the lease lasts finds out here, before its next command.
        """
        if self._renewed_at is None:
            return False
        return self._database.is_sqlite or self._monotonic() - self._renewed_at < DURATION - MARGIN

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
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalUnavailable(f"the lock file in the state folder: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

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
