"""The schema that this program speaks, and journals of older programs."""

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

import worker.journal.migrate as migrate_module
from tests.fakes.journal import at_version
from worker.journal.database import Database, JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.migrate import HEAD, is_current, migrate
from worker.journal.schema import metadata
from worker.journal.store import FILE


@pytest.fixture
def migrated() -> Database:
    """A journal of the newest schema, made by the migrations."""
    return at_version(Database("sqlite://"), HEAD)


def test_the_migrations_come_to_the_schema_that_the_code_speaks(migrated: Database) -> None:
    with migrated.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_new_journal_is_as_the_migrations_would_make_it(on_file: Database, migrated: Database) -> None:
    indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid"
    with on_file.read() as new, migrated.read() as old:
        assert structure(new) == structure(old)
        assert list(new.exec_driver_sql(indexes)) == list(old.exec_driver_sql(indexes))


def structure(connection: Connection) -> dict[str, Any]:
    """All that a database says of its tables, without comments."""
    found = inspect(connection)
    return {
        table: {
            "columns": [_in_words(column) for column in found.get_columns(table)],
            "primary key": found.get_pk_constraint(table),
            "foreign keys": found.get_foreign_keys(table),
            "unique": sorted(found.get_unique_constraints(table), key=str),
            "checks": sorted(found.get_check_constraints(table), key=str),
            "indexes": {index["name"]: _in_words(index) for index in found.get_indexes(table)},
        }
        for table in found.get_table_names()
    }


def _in_words(told: Any) -> dict[str, str]:
    """What is told of a column or an index, with that of the dialect's own options: types and conditions as text."""
    options = told.get("dialect_options", {})
    return {name: str(value) for name, value in {**told, **options, "dialect_options": None, "comment": None}.items()}


def test_the_newest_migration_is_the_one_that_the_program_speaks() -> None:
    versions = Path(migrate_module.__file__).parent / "migrations" / "versions"
    assert max(file.name[:4] for file in versions.glob("[0-9]*.py")) == HEAD


def test_migrating_twice_changes_nothing(on_file: Database) -> None:
    migrate(on_file)
    with on_file.read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD


def test_a_journal_of_an_older_program_is_upgraded_with_what_is_in_it(tmp_path: Path) -> None:
    database = at_version(Database(f"sqlite:///{tmp_path / FILE}"), "0001")
    Facts(database).remember("note", "of before")
    assert not is_current(database)

    migrate(database)

    assert is_current(database)
    assert Facts(database).recall("note") == "of before"
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_upgrade_that_breaks_off_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / FILE}")
    breaks_off_and_is_repeated(database)
    database.close()


def test_tables_without_a_version_are_no_new_journal(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / FILE}")
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE fact (name VARCHAR)")
    with pytest.raises(JournalUnavailable):
        migrate(database)
    assert not is_current(database)


def breaks_off_and_is_repeated(database: Database) -> None:
    """Upgrade a journal of schema 0005, in which the last step fails at first."""
    at_version(database, "0005")
    with database.write() as connection:
        connection.exec_driver_sql("CREATE INDEX intent_open ON intent (at)")

    with pytest.raises(JournalUnavailable):
        migrate(database)

    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "0005"
        names = {str(index["name"]) for index in inspect(connection).get_indexes("message")}
    assert names.isdisjoint({"message_outcome", "message_unsettled", "message_released", "message_unreviewed"})

    with database.write() as connection:
        connection.exec_driver_sql("DROP INDEX intent_open")
    migrate(database)
    assert is_current(database)
