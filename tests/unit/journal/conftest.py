"""An empty journal in memory, and what reads and writes its messages."""

import pytest

from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.schema import metadata
from worker.journal.tries import Tries


@pytest.fixture
def database() -> Database:
    database = Database("sqlite://")
    metadata.create_all(database._engine)
    return database


@pytest.fixture
def messages(database: Database) -> Messages:
    return Messages(database)


@pytest.fixture
def tries(database: Database) -> Tries:
    return Tries(database)


@pytest.fixture
def places(database: Database) -> Places:
    return Places(database)
