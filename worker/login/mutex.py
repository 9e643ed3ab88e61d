"""The attempt mutex: of all processes that share a journal, only its holder may make a login attempt.

With SQLite, and so on one host, it is a lock on a file in the state folder; between hosts, a lock in the database.
Both are released when their holder dies. Between hosts, a suspended holder loses the lock after a while: otherwise
nobody could log in until it went on. The ledger checks again that no other attempt came in between, so without the
lock an attempt is refused rather than made once too often.
"""

import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy import text

from worker.journal.database import Database, JournalUnavailable
from worker.private_files import owned

NAME: Final = "login.lock"
_ADVISORY: Final = 0x6E68736D  # 'nhsm': one key for the journal's database
_STEP: Final = 0.05


class AttemptInProgress(Exception):
    """Another process held the mutex for longer than we waited."""


class AttemptMutex:
    """Held for one attempt at a time, by only one of the processes that share the journal.

    patience: how long to wait for another process's attempt, in seconds. held_at_most: between hosts, how long a holder
    keeps it, in seconds: longer than any attempt takes. sleep and monotonic are replaced in tests.
    """

    def __init__(
        self,
        database: Database,
        state_dir: Path,
        *,
        patience: float = 120.0,
        held_at_most: float = 300.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._path = state_dir / NAME
        self._patience = patience
        self._held_at_most = held_at_most
        self._sleep = sleep
        self._monotonic = monotonic

    @contextmanager
    def hold(self, *, wait: bool = True) -> Iterator[None]:
        """Hold the mutex for the block. wait: wait for it up to `patience`; otherwise not at all.

        Raises:
            AttemptInProgress: another process holds it.
            JournalUnavailable: the state folder or the database can't provide it.
        """
        with ExitStack() as stack:
            take = self._file_lock(stack) if self._database.is_sqlite else self._database_lock(stack)
            deadline = self._monotonic() + (self._patience if wait else 0.0)
            while not take():
                if self._monotonic() >= deadline:
                    raise AttemptInProgress("another process is making a login attempt")
                self._sleep(_STEP)
            yield

    def _file_lock(self, stack: ExitStack) -> Callable[[], bool]:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise JournalUnavailable(f"the state folder can't be written: {error.strerror}") from error
        stack.callback(os.close, owned(descriptor, self._path.parent))

        def take() -> bool:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            except OSError as error:
                raise JournalUnavailable(f"the state folder can't be locked: {error.strerror}") from error
            return True

        return take

    def _database_lock(self, stack: ExitStack) -> Callable[[], bool]:
        # The lock belongs to this transaction, so it can't outlive our connection.
        session = self._database.read()
        connection = session.__enter__()

        def give_back() -> None:
            with suppress(JournalUnavailable):  # the connection is lost, and the lock with it
                session.__exit__(None, None, None)

        stack.callback(give_back)
        limit = f"{math.ceil(self._held_at_most * 1000)}ms"
        connection.execute(
            text("SELECT set_config('idle_in_transaction_session_timeout', :limit, true)"), {"limit": limit}
        )

        def take() -> bool:
            answer = connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _ADVISORY})
            return bool(answer.scalar())

        return take
