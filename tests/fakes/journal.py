"""The tables of a journal, without its migrations."""

from worker.journal.database import Database
from worker.journal.schema import metadata


def with_tables(database: Database) -> Database:
    """The database, with every table of the journal in it."""
    with database.write() as connection:
        metadata.create_all(connection)
    return database
