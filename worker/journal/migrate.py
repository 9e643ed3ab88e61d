"""Upgrades a journal to this program's schema, or refuses one that a newer program has written."""

import threading
from importlib import resources
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect, select, text
from sqlalchemy.schema import CreateIndex, CreateTable

from worker.journal.database import Database, JournalDamaged
from worker.journal.schema import INDEXES, metadata

HEAD = "0006"
"""The version of the schema that this program reads and writes."""
_ADVISORY = 0x6E68736E  # 'nhsn': replicas that start together upgrade in turn


_VERSION_TABLE = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32)),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""As Alembic itself creates it."""
_one_at_a_time = threading.Lock()
"""Alembic keeps the context of an upgrade in a module, so a process can run only one at a time."""


class JournalTooNew(Exception):
    """A newer program has written the journal. Nothing was changed."""


def migrate(database: Database) -> None:
    """Create or upgrade the journal's tables in one transaction. Does nothing if they are up to date.

    Raises:
        JournalTooNew: this program doesn't know the schema, so it must not write.
        JournalUnavailable: the database can't be reached or written.
        JournalDamaged: its schema has a version that no program writes.
    """
    version = _version_of(database)
    if version == HEAD:
        return
    _refuse_newer(version)
    with _one_at_a_time, database.write(durable=True) as connection:
        if not database.is_sqlite:  # SQLite has one writer at a time
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY})
        if database.is_sqlite and not inspect(connection).get_table_names():
            _create(connection)
        else:
            upgrade(connection)


def refuse_newer(database: Database) -> None:
    """Refuse a journal whose schema this program doesn't know. May raise `JournalUnavailable`.

    Raises:
        JournalTooNew
    """
    _refuse_newer(_version_of(database))


def _refuse_newer(version: str | None) -> None:
    if version is None or version in _known_versions():
        return
    if not version.isdecimal():
        raise JournalDamaged("the version of its schema is no number")
    raise JournalTooNew(
        f"The journal has schema {version}, and this program knows {HEAD} at most: it was written by a newer "
        "program. Nothing was changed. Start the newer program again, or restore the journal's backup of before "
        "the upgrade."
    )


def is_current(database: Database) -> bool:
    """Whether the journal has this program's schema. May raise `JournalUnavailable`."""
    return _version_of(database) == HEAD


def _create(connection: Connection) -> None:
    """Create the tables and indexes of a new SQLite journal as the migrations would, without the time they take."""
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table))
    indexes = {str(index.name): index for table in metadata.sorted_tables for index in table.indexes}
    for name in INDEXES:
        connection.execute(CreateIndex(indexes[name]))
    connection.execute(CreateTable(_VERSION_TABLE))
    connection.execute(_VERSION_TABLE.insert(), {"version_num": HEAD})


def upgrade(connection: Connection, version: str = HEAD) -> None:
    """Bring the tables to this version, one migration after the other, in the caller's transaction."""
    # importing alembic takes a fifth of a second, and only an old journal, or PostgreSQL, needs it
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_folder()))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def _version_of(database: Database) -> str | None:
    with database.read() as connection:
        if "alembic_version" not in inspect(connection).get_table_names():
            return None
        return str(connection.execute(select(text("version_num")).select_from(text("alembic_version"))).scalar())


def _known_versions() -> set[str]:
    return {path.name[:4] for path in (_folder() / "versions").iterdir() if path.name[:4].isdigit()}


def _folder() -> Path:
    return Path(str(resources.files("worker.journal") / "migrations"))
