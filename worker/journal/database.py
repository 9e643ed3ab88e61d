"""The journal's database: its engine, its transactions, and its errors.

It is SQLite in the state folder, or PostgreSQL where several hosts share a journal. The rest of the journal uses
SQLAlchemy Core and doesn't know which. Every commit survives a crash of the process. A `durable` write returns
when its commit and every earlier one are on the disk: from then on they survive a crash of the machine, too.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from worker.connections import Unprotected
from worker.journal.server_engine import advice_on, is_clear, protection, server_engine

BUSY_TIMEOUT_MS = 10_000
_FOR_THIS_WRITE = (
    "SELECT set_config('synchronous_commit', '{wait}', true), set_config('lock_timeout', '10s', true),"
    # so that a process that is suspended during a write doesn't block the others with its locks
    " set_config('idle_in_transaction_session_timeout', '5s', true)"
)


_PRIMARY = 0xFF
"""The part of SQLite's result codes that says what kind of error it is."""

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG})
"""The kinds that only a damaged file gives. TOOBIG: a row says that it is larger than any that we write."""

_DAMAGE_TEXTS = ("malformed", "unsupported file format", "could not decode to utf-8")
"""What SQLite and its Python module say of damage for which they have no code."""


class JournalUnavailable(Exception):
    """The journal can't be read or written now, perhaps because the disk is full. No login, no handling, no move."""


class JournalUnprotected(JournalUnavailable):
    """The database server couldn't be spoken to over verified TLS. Nothing was sent. advice: what a person does."""

    def __init__(self, said: str, advice: str) -> None:
        super().__init__(said)
        self.advice = advice


class JournalDamaged(JournalUnavailable):
    """The journal exists but is damaged. A person has to run `journal rebuild`."""


class CopyFailed(Exception):
    """A copy of the journal couldn't be written. The journal itself is as it was."""


class Database:
    """Transactions on the journal. Thread-safe: each transaction has a connection of its own."""

    def __init__(self, url: str | URL, *, reading: bool = False, allow_clear: bool = False) -> None:
        """reading: the file is only read, so it needn't be writable. allow_clear: as in `[state]`.

        is_clear: everything goes to another machine in clear text.

        Raises:
            Unprotected: the URL asks for a connection that isn't protected.
        """
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options = {} if self.is_sqlite else protection(self.url, allow_clear=allow_clear)
        self.is_clear = is_clear(options)
        self._engine = _sqlite_engine(self.url, reading=reading) if self.is_sqlite else server_engine(self.url, options)
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

    def check_whole(self, *, without: Collection[str] = ()) -> None:
        """Check the pages of an SQLite file. without: tables whose pages are only checked when they are read.

        Raises:
            JournalUnavailable: it can't be read.
            JournalDamaged: it can be read, but is damaged.
        """
        with self.read() as connection:
            tables = inspect(connection).get_table_names() if without else []
            checks = [f'"{table}"' for table in tables if table not in without] or ["1"]
            found = {connection.exec_driver_sql(f"PRAGMA quick_check({check})").scalar() for check in checks}
        if found != {"ok"}:
            raise JournalDamaged("the journal's file is damaged")

    def copy_to(self, file: Path) -> None:
        """Copy an SQLite database into an empty file, as it is at one moment. Others may write it meanwhile.

        The copy has no write-ahead log, so it is complete in its one file.

        Raises:
            JournalUnavailable: the database can't be read.
            JournalDamaged: it can be read, but is damaged.
            CopyFailed: the file can't be written.
        """
        with _translated(), self._reading.connect() as connection, closing(sqlite3.connect(file)) as copy:
            try:
                copy.execute("PRAGMA locking_mode = EXCLUSIVE")  # a network drive may have no shared memory for the log
                connection.connection.driver_connection.backup(copy)  # type: ignore[union-attr] # it is open
                copy.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.Error as error:
                if _tells_of_damage(error):
                    raise JournalDamaged(str(error)) from error
                raise CopyFailed(str(error)) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def url_fault(url: str, *, allow_clear: bool) -> str | None:
    """Return what is wrong with the URL of a journal, in plain words; None if nothing is. It quotes no secret."""
    try:
        parts = make_url(url)
        if parts.get_backend_name() != "sqlite":
            protection(parts, allow_clear=allow_clear)
    except ArgumentError:
        return "must be a database URL, such as postgresql+psycopg://user@host/name"
    except Unprotected as fault:
        return str(fault)
    return None


def _pragma(connection: Connection, text: str) -> None:
    cursor = connection.connection.cursor()  # SQLAlchemy would begin a transaction, where the pragma has no effect
    cursor.execute(f"PRAGMA {text}")
    cursor.close()


def _sqlite_engine(url: URL, *, reading: bool) -> Engine:
    mode = () if reading else ("journal_mode = WAL",)
    engine = create_engine(
        url,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000},
        json_serializer=_json,
    )

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


def _json(value: Any) -> str:
    return _cached_json(value) if isinstance(value, tuple) else json.dumps(value)


@lru_cache(maxsize=256)
def _cached_json(value: tuple[Any, ...]) -> str:
    """Much of the mail has the same evidence."""
    return json.dumps(value)


def _read_only(engine: Engine) -> Engine:
    """One snapshot for a whole transaction. It changes nothing, so it can't fail on a conflict."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        text = str(error.orig).lower()
        if _tells_of_damage(error.orig):
            raise JournalDamaged(text) from error
        if advice := advice_on(text):
            raise JournalUnprotected(text, advice) from error
        raise JournalUnavailable(text) from error
    except SQLAlchemyError as error:
        raise JournalUnavailable(type(error).__name__) from error


def _tells_of_damage(error: BaseException | None) -> bool:
    """Whether this error means that an SQLite file is damaged, and not that it can't be read or written now."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    text = str(error).lower()
    return code in _DAMAGE or (isinstance(error, sqlite3.Error) and any(said in text for said in _DAMAGE_TEXTS))
