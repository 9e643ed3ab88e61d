"""The journal's database: its engine, its transactions, and its errors.

It is SQLite in the state folder, or PostgreSQL where several hosts share a journal. The rest of the journal uses
SQLAlchemy Core and doesn't know which. Every commit survives a crash of the process. A `durable` write returns
when its commit and every earlier one are on the disk: from then on they survive a crash of the machine, too.
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
"""Seconds until a database server that doesn't answer counts as lost. Its URL may override all of `_PATIENCE`."""
_PATIENCE = {"connect_timeout": CONNECT_TIMEOUT_S, "tcp_user_timeout": 10_000, "keepalives_idle": 10}
_FOR_THIS_WRITE = (
    "SELECT set_config('synchronous_commit', '{wait}', true), set_config('lock_timeout', '10s', true),"
    # so that a process that is suspended during a write doesn't block the others with its locks
    " set_config('idle_in_transaction_session_timeout', '5s', true)"
)


class JournalUnavailable(Exception):
    """The journal can't be read or written now, perhaps because the disk is full. No login, no handling, no move."""


class JournalDamaged(JournalUnavailable):
    """The journal exists but is damaged. A person has to run `journal rebuild`."""


class Database:
    """Transactions on the journal. Thread-safe: each transaction has a connection of its own."""

    def __init__(self, url: str | URL, *, reading: bool = False) -> None:
        """reading: the file is only read, so it needn't be writable."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(self.url, reading=reading) if self.is_sqlite else _server_engine(self.url)
        self._reading = self._engine if self.is_sqlite else _read_only(self._engine)

    @property
    def insert(self) -> Any:
        """The `insert` of this database's dialect, which has `on_conflict_do_…`. The other dialect isn't imported."""
        if self.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert

            return sqlite_insert
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one consistent state of the journal.

        Raises:
            JournalUnavailable: the database can't be reached or read.
        """
        with _translated(), self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction that is committed when the block ends without an exception.

        durable: when the block has ended, this commit and every earlier one are on the disk, not only in the operating
        system's memory.

        Raises:
            JournalUnavailable: nothing of this transaction was recorded.
        """
        with _translated(), self._engine.connect() as connection:
            if self.is_sqlite:
                connection.info["write"] = True
                # With NORMAL, a commit survives a crash of the process. FULL also waits for the disk.
                _pragma(connection, f"synchronous = {'FULL' if durable else 'NORMAL'}")
            try:
                with connection.begin():
                    if not self.is_sqlite:
                        connection.exec_driver_sql(_FOR_THIS_WRITE.format(wait="on" if durable else "off"))
                    yield connection
            finally:
                connection.info.pop("write", None)

    def check_whole(self) -> None:
        """Check the pages of an SQLite file.

        Raises:
            JournalUnavailable: it can't be read.
            JournalDamaged: it can be read, but is damaged.
        """
        with self.read() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise JournalDamaged("the journal's file is damaged")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _pragma(connection: Connection, text: str) -> None:
    cursor = connection.connection.cursor()  # SQLAlchemy would begin a transaction, where the pragma has no effect
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
            connection.close()  # SQLAlchemy doesn't close a connection whose preparation fails
            raise
        except UnicodeDecodeError as error:  # SQLite quotes the damaged bytes in its message
            connection.close()
            raise sqlite3.DatabaseError("malformed database schema") from error

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE, because a writer that begins as a reader can fail half-way with 'database is locked'.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("write") else "BEGIN")

    return engine


def _server_engine(url: URL) -> Engine:
    """READ COMMITTED: two transactions that change the same row do so one after the other, and neither fails."""
    patience = {name: value for name, value in _PATIENCE.items() if name not in url.query}
    engine = create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=patience)

    @event.listens_for(engine, "after_cursor_execute")
    def end_pipeline(
        connection: Connection, _cursor: object, _said: str, _values: object, _context: object, many: bool
    ) -> None:
        """Make the timeout for idle transactions work after `executemany`.

        `executemany` uses a pipeline, after which PostgreSQL 15 doesn't time how long the transaction idles. A process
        that is suspended right there would keep its locks, and block its successor, until it is resumed.
        """
        if many:
            cursor = connection.connection.cursor()
            cursor.execute("SELECT 1")
            cursor.close()

    return engine


def _read_only(engine: Engine) -> Engine:
    """One snapshot for a whole transaction. It changes nothing, so it can't fail on a conflict."""
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
