"""Bring a journal to this program's schema, or refuse one that a newer program has written."""

import threading
from importlib import resources
from pathlib import Path

from sqlalchemy import Connection, inspect, select, text

from worker.journal.database import Database

HEAD = "0002"
"""The schema's version that this program reads and writes."""
_ADVISORY = 0x6E68736E  # 'nhsn': replicas that start together upgrade one after the other


_one_at_a_time = threading.Lock()
"""Alembic keeps the context of an upgrade in a module of its own: there can be one at a time in a process."""


class JournalTooNew(Exception):
    """The journal was written by a newer program. Nothing was changed."""


def migrate(database: Database) -> None:
    """Create the journal's tables, or bring them up to date, in one transaction. Does nothing where they are.

    Raises:
        JournalTooNew: an older program must not write what it doesn't understand.
        JournalUnavailable: the database can't be reached or written.
    """
    version = _version_of(database)
    if version == HEAD:
        return
    if version is not None and version not in _known_versions():
        raise JournalTooNew(
            f"The journal has schema {version}, and this program knows {HEAD} at most: it was written by a newer "
            "program. Nothing was changed. Start the newer program again, or restore the journal's backup of before "
            "the upgrade."
        )
    with _one_at_a_time, database.write(durable=True) as connection:
        if not database.is_sqlite:  # where a writer has the whole file for itself
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY})
        _upgrade(connection)


def is_current(database: Database) -> bool:
    """Whether the journal has this program's schema. May raise `JournalUnavailable`."""
    return _version_of(database) == HEAD


def _upgrade(connection: Connection) -> None:
    # alembic costs a fifth of a second to import, at each start, and is needed once
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_folder()))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def _version_of(database: Database) -> str | None:
    with database.read() as connection:
        if "alembic_version" not in inspect(connection).get_table_names():
            return None
        return str(connection.execute(select(text("version_num")).select_from(text("alembic_version"))).scalar())


def _known_versions() -> set[str]:
    return {path.name[:4] for path in (_folder() / "versions").iterdir() if path.name[:4].isdigit()}


def _folder() -> Path:
    return Path(str(resources.files("worker.journal") / "migrations"))
