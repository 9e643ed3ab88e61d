"""The schema that this program speaks, and journals of older programs."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

import worker.journal.migrate as migrate_module
from worker.journal.database import Database, JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.migrate import HEAD, is_current, migrate
from worker.journal.schema import metadata
from worker.journal.store import FILE


def test_the_migrations_come_to_the_schema_that_the_code_speaks(on_file: Database) -> None:
    with on_file.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_the_one_that_the_program_speaks() -> None:
    versions = Path(migrate_module.__file__).parent / "migrations" / "versions"
    assert max(file.name[:4] for file in versions.glob("[0-9]*.py")) == HEAD


def test_migrating_twice_changes_nothing(on_file: Database) -> None:
    migrate(on_file)
    with on_file.read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD


def test_a_journal_of_an_older_program_is_upgraded_with_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path / FILE}")
    monkeypatch.setattr(migrate_module, "HEAD", "0001")
    migrate(database)
    Facts(database).remember("note", "of before")
    monkeypatch.undo()
    assert not is_current(database)

    migrate(database)

    assert is_current(database)
    assert Facts(database).recall("note") == "of before"
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_upgrade_that_breaks_off_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path / FILE}")
    breaks_off_and_is_repeated(database, monkeypatch)
    database.close()


def breaks_off_and_is_repeated(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upgrade a journal of schema 0005, in which the last step fails at first."""
    monkeypatch.setattr(migrate_module, "HEAD", "0005")
    migrate(database)
    monkeypatch.undo()
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
