"""The tables of a journal: at once, or by the migrations as far as an earlier program had them."""

from worker.journal.database import Database
from worker.journal.migrate import upgrade
from worker.journal.schema import metadata


def with_tables(database: Database) -> Database:
    """The database, with every table of the journal in it."""
    with database.write() as connection:
        metadata.create_all(connection)
    return database


def at_version(database: Database, version: str) -> Database:
    """The database, with the tables of an earlier program: the migrations as far as this version."""
    with database.write() as connection:
        upgrade(connection, version)
    return database


class Texts:
    """A memory of short texts that outlives a restart, as `Facts` is."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def recall(self, name: str) -> str | None:
        return self.texts.get(name)

    def remember(self, name: str, text: str) -> None:
        self.texts[name] = text
