"""The journal's database: one engine, reads and writes, and what it means when it can't be used.

SQLite in the state folder, or PostgreSQL between hosts; the rest of the journal speaks SQLAlchemy Core and doesn't know
which. A commit survives the death of the process at once. It survives the death of the machine after a `durable` write,
which waits for the disk, for itself and for every commit before it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5
"""Seconds until a database server that doesn't answer counts as lost; what its URL says of these is kept."""
_PATIENCE = {"connect_timeout": CONNECT_TIMEOUT_S, "tcp_user_timeout": 10_000, "keepalives_idle": 10}
_FOR_THIS_WRITE = (
    "SELECT set_config('synchronous_commit', '{wait}', true), set_config('lock_timeout', '10s', true),"
    # a process that is stopped in the midst of a write must not keep the others waiting for its locks
    " set_config('idle_in_transaction_session_timeout', '5s', true)"
)


class JournalUnavailable(Exception):
    """The journal can't be read or written now: a full disk, a lost database. No login, no hand-over, no move."""


class JournalDamaged(JournalUnavailable):
    """The journal is there, and isn't a whole journal any more. It takes a person: `journal rebuild`."""


class Database:
    """Gives connections to the journal. Safe to use from several threads; each call has a connection of its own."""

    def __init__(self, url: str | URL, *, reading: bool = False) -> None:
        """reading: of a file, no more is asked than that it can be read."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(self.url, reading=reading) if self.is_sqlite else _server_engine(self.url)
        self._reading = self._engine if self.is_sqlite else _read_only(self._engine)

    @property
    def insert(self) -> Any:
        """SQLAlchemy's `insert` of this database's dialect, which has `on_conflict_do_…`; the other isn't loaded."""
        if self.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert

            return sqlite_insert
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the journal.

        Raises:
            JournalUnavailable: the database can't be reached or read.
        """
        with _translated(), self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """One transaction, committed when the block ends without an exception.

        durable: on return it, and every commit before it, is on the disk, not only in the operating system's memory.

        Raises:
            JournalUnavailable: nothing of this transaction was recorded.
        """
        with _translated(), self._engine.connect() as connection:
            if self.is_sqlite:
                connection.info["write"] = True
                # NORMAL commits survive the process; FULL waits for the disk as well.
                _pragma(connection, f"synchronous = {'FULL' if durable else 'NORMAL'}")
            try:
                with connection.begin():
                    if not self.is_sqlite:
                        connection.exec_driver_sql(_FOR_THIS_WRITE.format(wait="on" if durable else "off"))
                    yield connection
            finally:
                connection.info.pop("write", None)

    def check_whole(self) -> None:
        """Look at the pages of a database that is a file.

        Raises:
            JournalUnavailable: it can't be read.
            JournalDamaged: it can, and isn't a whole database any more.
        """
        with self.read() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise JournalDamaged("the journal's file is damaged")

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()


def _pragma(connection: Connection, text: str) -> None:
    cursor = connection.connection.cursor()  # outside any transaction, where SQLAlchemy would begin one
    cursor.execute(f"PRAGMA {text}")
    cursor.close()


def _sqlite_engine(url: URL, *, reading: bool) -> Engine:
    mode = () if reading else ("journal_mode = WAL",)
    engine = create_engine(url, connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        try:
            for pragma in (*mode, "foreign_keys = ON", f"busy_timeout = {BUSY_TIMEOUT_MS}"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()  # a connection that was refused is nobody's to give back
            raise

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE: a writer that starts as a reader could fail half-way with 'database is locked'.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("write") else "BEGIN")

    return engine


def _server_engine(url: URL) -> Engine:
    """Writes see what others have committed: a row that two want to change is changed by one after the other."""
    patience = {name: value for name, value in _PATIENCE.items() if name not in url.query}
    engine = create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=patience)

    @event.listens_for(engine, "after_cursor_execute")
    def end_pipeline(
        connection: Connection, _cursor: object, _said: str, _values: object, _context: object, many: bool
    ) -> None:
        """Many rows go in a pipeline, after which PostgreSQL 15 doesn't count how long a transaction idles: a process
        that is stopped right there would hold its locks, and keep its follower waiting, until it goes on."""
        if many:
            cursor = connection.connection.cursor()
            cursor.execute("SELECT 1")
            cursor.close()

    return engine


def _read_only(engine: Engine) -> Engine:
    """One snapshot for all of a transaction; as it changes nothing, nobody's change can make it fail."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        text = str(error.orig).lower()
        if "malformed" in text or "not a database" in text:
            raise JournalDamaged(text) from error
        raise JournalUnavailable(text) from error
    except SQLAlchemyError as error:
        raise JournalUnavailable(type(error).__name__) from error
