"""The guard's ledger on PostgreSQL: the tests that it passes on SQLite, and what only a server can do."""

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text

from tests.rig.postgres import Postgres
from tests.rig.worker import eventually

# The very same tests, on the database of this module's fixture.
from tests.unit.journal.test_attempts import (  # noqa: F401
    begin,
    test_a_reset_is_proven_by_a_success_of_what_it_is_about,
    test_an_attempt_is_on_the_disk_when_it_has_begun,
    test_compacting_changes_no_decision_whatever_came_last,
    test_compacting_keeps_what_decides,
    test_only_an_accepted_password_has_a_number,
    test_the_guard_on_a_real_ledger,
    test_the_salt_is_made_once,
    test_two_that_decided_on_the_same_ledger_dont_both_go,
)
from worker.journal.attempts import SUCCEEDED, AttemptLedger, Overtaken
from worker.journal.database import Database
from worker.journal.migrate import migrate
from worker.journal.schema import attempt, metadata
from worker.login.backoff import Lockout
from worker.login.credential import PasswordSource
from worker.login.guard import Guard
from worker.login.history import Rules
from worker.login.mutex import AttemptMutex
from worker.login.refusals import Halted
from worker.login.witness import Witness
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass, failure

ROW = {"number": 1, "at": 1.0, "cools_from": 1.0, "kind": "password", "actor": "r", "counts": True, "jitter": 0.0}


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    found = Database(postgres_url)
    migrate(found)
    yield found
    found.close()


def test_the_ledger_is_shared(database: Database) -> None:
    assert AttemptLedger(database).shared


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


# -- a journal that is restored ----------------------------------------------------------------------------------------

DUMPED = ("attempt", "credential", "fact")
QUICK = Lockout(per_credential=8, waits=(0.01,), jitter=0.0)


class Hosts:
    """Two hosts on one database, each with a state folder of its own, and a wrong password."""

    def __init__(self, database: Database, root: Path) -> None:
        self.sent = 0
        self.now = 1_800_000_000.0
        self.guards = []
        for name in "ab":
            (root / name).mkdir(exist_ok=True)
            self.guards.append(self._guard(database, root / name))

    def _guard(self, database: Database, state: Path) -> Guard:
        return Guard(
            ledger=AttemptLedger(database),
            witness=Witness(state),
            mutex=AttemptMutex(database, state),
            source=PasswordSource("results@nhs.net", file=None, value="Grey-Harbour-17"),
            rules=Rules("results@nhs.net", lockout=QUICK),
            clock=lambda: self.now,
            random=random.Random(7),
            actor=state.name,
            notify=lambda _event, _fields: None,
            cost=2,
        )

    def try_out(self, which: int, times: int) -> None:
        for _ in range(times):
            with suppress(LoginFailed), self.guards[which].attempt() as attempt:
                attempt.credential()
                self.sent += 1
                raise LoginFailed(failure(FailureClass.REJECTED, "password"))
            self.now += 100

    def look(self) -> None:
        for guard in self.guards:
            guard.keep_watch()


def dump(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.read() as connection:
        return {
            name: [dict(row) for row in connection.execute(select(metadata.tables[name])).mappings()] for name in DUMPED
        }


def restore(database: Database, rows: dict[str, list[dict[str, Any]]]) -> None:
    with database.write() as connection:
        for name in DUMPED:
            connection.execute(delete(metadata.tables[name]))
            if rows[name]:
                connection.execute(insert(metadata.tables[name]), rows[name])


def test_a_dump_in_a_fresh_database_is_found_out_by_a_host_that_has_seen_nothing(
    database: Database, postgres_server: Postgres, tmp_path: Path
) -> None:
    hosts = Hosts(database, tmp_path)
    hosts.try_out(0, 3)
    before = dump(database)
    hosts.try_out(0, 5)
    fresh = Database(postgres_server.fresh_url())
    migrate(fresh)
    restore(fresh, before)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for root in (elsewhere, tmp_path):
        for guard in Hosts(fresh, root).guards:
            with pytest.raises(Halted, match="may have forgotten"), guard.attempt():
                pytest.fail("granted")
    Hosts(fresh, elsewhere).guards[0].reset("moved on purpose, account unlocked", actor="person")
    again = Hosts(fresh, elsewhere)
    again.try_out(1, 1)
    assert again.sent == 1
    fresh.close()


def test_rows_restored_behind_a_hosts_back_give_the_server_no_ninth_attempt(database: Database, tmp_path: Path) -> None:
    hosts = Hosts(database, tmp_path)
    hosts.try_out(0, 3)
    hosts.look()
    before = dump(database)
    hosts.try_out(1, 5)
    hosts.look()
    restore(database, before)
    for guard in Hosts(database, tmp_path).guards:
        with pytest.raises(Halted, match="may have forgotten"), guard.attempt():
            pytest.fail("granted")
    assert hosts.sent == 8


def test_a_server_that_doesnt_say_which_it_is(database: Database, tmp_path: Path) -> None:
    """As where a provider keeps that to itself: the database's own number is left."""
    hosts = Hosts(database, tmp_path)
    hosts.try_out(0, 1)
    with database.read() as connection:
        stored = connection.execute(text("SELECT value FROM fact WHERE name = 'login.database'")).scalar()
    assert [part.isdecimal() for part in str(stored).split()] == [True, True]
    with database.write() as connection:
        connection.execute(
            text("UPDATE fact SET value = '- ' || split_part(value, ' ', 2) WHERE name = 'login.database'")
        )
    assert not AttemptLedger(database).history().moved
    with database.write() as connection:
        connection.execute(text("UPDATE fact SET value = '- 1' WHERE name = 'login.database'"))
    assert AttemptLedger(database).history().moved


def test_a_look_waits_for_nobody(database: Database, tmp_path: Path) -> None:
    hosts = Hosts(database, tmp_path)
    hosts.try_out(0, 2)
    with AttemptMutex(database, tmp_path).hold():
        hosts.guards[1].keep_watch()
    assert Witness(tmp_path / "b").read() is None
    hosts.guards[1].keep_watch()
    seen = Witness(tmp_path / "b").read()
    assert seen is not None
    assert (seen.number, seen.failures) == (2, 2)
