"""The attempt mutex on PostgreSQL: the tests that it passes on SQLite, and what only a server can do."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.postgres import Postgres
from tests.rig.worker import REPOSITORY

# The very same tests, on the database of this module's fixture.
from tests.unit.login.test_mutex import (  # noqa: F401
    test_it_is_given_back_after_an_error,
    test_one_at_a_time,
    test_waiting_ends_when_the_other_is_done,
)
from worker.journal.database import Database, JournalUnavailable
from worker.login.mutex import AttemptInProgress, AttemptMutex

HOLD = """
import sys
from pathlib import Path
from worker.journal.database import Database
from worker.login.mutex import AttemptMutex
with AttemptMutex(Database(sys.argv[1]), Path(sys.argv[2])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """It needs no tables."""
    found = Database(postgres_url)
    yield found
    found.close()


def test_a_killed_holder_is_followed_at_once(database: Database, postgres_url: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, postgres_url, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        with pytest.raises(AttemptInProgress), AttemptMutex(database, tmp_path, patience=0.2).hold():
            pytest.fail("two at a time")
        process.send_signal(signal.SIGKILL)
        process.wait()
        with AttemptMutex(database, tmp_path, patience=5.0).hold():
            pass


def test_a_suspended_holder_keeps_it_only_for_a_while(database: Database, postgres_url: str, tmp_path: Path) -> None:
    hold = HOLD.replace("Path(sys.argv[2]))", "Path(sys.argv[2]), held_at_most=0.5)")
    with subprocess.Popen(
        [sys.executable, "-c", hold, postgres_url, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        process.send_signal(signal.SIGSTOP)
        with AttemptMutex(database, tmp_path, patience=30.0).hold():
            pass
        process.send_signal(signal.SIGCONT)
        process.communicate(input="", timeout=30)
        assert process.returncode == 0, "without the lock, giving it back is no error"


def test_a_holder_whose_connection_was_cut_gives_it_back_all_the_same(
    database: Database, postgres_server: Postgres, tmp_path: Path
) -> None:
    with AttemptMutex(database, tmp_path, patience=0.0).hold():
        postgres_server.kill_sessions()
    with AttemptMutex(database, tmp_path, patience=0.0).hold():
        pass


def test_without_the_server_nobody_holds_it(tmp_path: Path) -> None:
    gone = Database("postgresql+psycopg://worker:x@127.0.0.1:1/none")
    with pytest.raises(JournalUnavailable), AttemptMutex(gone, tmp_path).hold():
        pytest.fail("held")
