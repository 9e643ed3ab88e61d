"""The guard's ledger and mutex on PostgreSQL: the tests that they pass on SQLite, and what only a server can do."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from tests.rig.postgres import Postgres
from tests.rig.worker import REPOSITORY, eventually

# The very same tests, on the database of this module's fixture.
from tests.unit.login.test_ledger import (  # noqa: F401
    begin,
    test_an_attempt_is_on_the_disk_when_it_has_begun,
    test_compacting_keeps_what_decides,
    test_it_is_given_back_after_an_error,
    test_one_at_a_time,
    test_only_an_accepted_password_has_a_number,
    test_the_guard_on_a_real_ledger,
    test_the_salt_is_made_once,
    test_two_that_decided_on_the_same_ledger_dont_both_go,
    test_waiting_ends_when_the_other_is_done,
    test_warnings_are_remembered,
)
from worker.journal.attempts import SUCCEEDED, AttemptLedger, Overtaken
from worker.journal.database import Database, JournalUnavailable
from worker.journal.migrate import migrate
from worker.journal.schema import attempt
from worker.login.mutex import AttemptInProgress, AttemptMutex

ROW = {"number": 1, "at": 1.0, "cools_from": 1.0, "kind": "password", "actor": "r", "counts": True, "jitter": 0.0}
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
    found = Database(postgres_url)
    migrate(found)
    yield found
    found.close()


def test_the_ledger_is_shared(database: Database) -> None:
    assert AttemptLedger(database).shared


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


def test_a_lock_that_the_server_took_away_costs_no_attempt(
    database: Database, postgres_server: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    """Another may then come in between; what either decided before that doesn't hold any more."""
    second = Database(postgres_url)
    mine, other = AttemptLedger(database), AttemptLedger(second)
    with AttemptMutex(database, tmp_path).hold():
        head = mine.history().head
        postgres_server.kill_sessions()
        with AttemptMutex(second, tmp_path, patience=5.0).hold():
            begin(other, after=other.history().head)
        with pytest.raises(Overtaken):
            begin(mine, after=head)
    assert len(mine.history().records) == 1
    second.close()


def test_two_that_write_at_the_same_moment_dont_both_go(database: Database, postgres_url: str) -> None:
    second = Database(postgres_url)
    found: list[BaseException] = []

    def meanwhile() -> None:
        try:
            begin(AttemptLedger(second), after=0, floor=50)  # a number that nobody else takes
        except Overtaken as overtaken:
            found.append(overtaken)

    thread = threading.Thread(target=meanwhile)
    with database.write() as connection:
        connection.execute(text("LOCK TABLE attempt IN SHARE ROW EXCLUSIVE MODE"))
        thread.start()
        eventually(lambda: waiting(database))
        connection.execute(insert(attempt).values(**ROW))
    thread.join()
    assert len(found) == 1
    assert len(AttemptLedger(database).history().records) == 1
    second.close()


def waiting(database: Database) -> int:
    """How many wait for a lock on the server."""
    with database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar() or 0)


def test_what_an_attempt_came_to_is_written_though_the_lock_was_lost(
    database: Database, postgres_server: Postgres, tmp_path: Path
) -> None:
    ledger = AttemptLedger(database)
    number = begin(ledger, after=0)
    with AttemptMutex(database, tmp_path).hold():
        postgres_server.kill_sessions()
        ledger.finish(number, outcome=SUCCEEDED, counts=False, at=2.0)
    assert ledger.history().records == ()


def test_without_the_server_nobody_holds_it(tmp_path: Path) -> None:
    gone = Database("postgresql+psycopg://worker:x@127.0.0.1:1/none")
    with pytest.raises(JournalUnavailable), AttemptMutex(gone, tmp_path).hold():
        pytest.fail("held")
