"""Empty journals, in memory and on a disk, and what reads and writes messages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.journal import with_tables
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.migrate import migrate
from worker.journal.places import Places
from worker.journal.store import FILE
from worker.journal.tries import Tries


@pytest.fixture
def database() -> Database:
    return with_tables(Database("sqlite://"))


@pytest.fixture
def on_file(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / FILE}")
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def messages(database: Database) -> Messages:
    return Messages(database)


@pytest.fixture
def tries(database: Database) -> Tries:
    return Tries(database)


@pytest.fixture
def places(database: Database) -> Places:
    return Places(database)
