"""The journal's upkeep: made anew after damage, kept from growing, and refused where a newer program wrote it."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.rig.dovecot import JUNK, Mailbox, Seed
from tests.rig.letters import letter, letters, spam
from tests.rig.proxy import Proxy
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
FAILING = {"handler.failing": {"use": "tests.rig.handlers:Failing", "how": "reject"}}
ROUTES = [
    {"name": "refused", "match": {"subject": "Report 9"}, "handlers": ["failing"]},
    {"name": "all", "handlers": ["archive", "ledger"]},
]


def damage(worker: Worker) -> None:
    journal = worker.state / "journal.sqlite"
    content = bytearray(journal.read_bytes())
    content[200:] = random.Random(1).randbytes(len(content) - 200)
    for left in worker.state.glob("journal.sqlite-*"):
        left.unlink()
    journal.write_bytes(content)


def counts(worker: Worker) -> dict[str, int]:
    found = worker.reconcile()
    return {state: found[state] for state in ("handled", "junk", "failed", "gone", "pending")}


def execute(worker: Worker, statement: str) -> None:
    with closing(sqlite3.connect(worker.state / "journal.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.fixture
def settled(dovecot: Mailbox, make_worker: MakeWorker) -> Worker:
    """A worker that has settled three clean messages, a dead letter, and junk of both kinds; two more have come."""
    dovecot.append_many("INBOX", [*letters(3), letter(9), spam(4)])
    dovecot.append_many(JUNK, [letter(5)])
    worker = make_worker(routes=ROUTES, settings=FAILING)
    assert worker.once() == 1
    assert counts(worker) == {"handled": 3, "junk": 2, "failed": 1, "gone": 0, "pending": 0}
    dovecot.append_many("INBOX", letters(2, start=20))
    return worker


def test_a_damaged_journal_is_kept_and_made_anew_from_the_mailbox(dovecot: Mailbox, settled: Worker) -> None:
    logins = len(dovecot.history)
    calls = len(settled.handed())
    damage(settled)

    refused = settled.command("once")
    assert refused.code == 78
    assert "journal rebuild" in refused.err
    assert len(dovecot.history) == logins

    rebuilt = settled.command("journal", "rebuild")
    assert rebuilt.code == 0, rebuilt
    assert len(list(settled.state.glob("journal.sqlite.damaged-*"))) == 1
    assert counts(settled) == {"handled": 3, "junk": 2, "failed": 1, "gone": 0, "pending": 2}

    assert settled.once() == 0
    assert counts(settled) == {"handled": 5, "junk": 2, "failed": 1, "gone": 0, "pending": 0}
    assert {call.number for call in settled.handed()[calls:]} == {20, 21}
    assert len(settled.archived()) == 5


def test_attempts_that_a_damaged_journal_held_are_not_forgotten(dovecot: Mailbox, settled: Worker) -> None:
    settled.configure(lockout={"waits": ["10ms"], "jitter": 0.0})
    dovecot.set_password("Other-Harbour-93")
    assert settled.once() == 75
    dovecot.set_password(dovecot.password)
    damage(settled)
    logins = len(dovecot.history)

    halted = settled.command("journal", "rebuild")
    assert halted.code == 77, halted
    assert "login reset" in halted.err
    assert settled.command("once").code == 75, "until it is rebuilt, it is paused: nothing is handled twice"
    assert len(dovecot.history) == logins

    assert settled.command("login", "reset", "--reason", "unlocked, said the administrator").code == 0
    assert settled.command("journal", "rebuild").code == 0
    assert settled.once() == 0
    assert counts(settled) == {"handled": 5, "junk": 2, "failed": 1, "gone": 0, "pending": 0}


def test_where_handled_mail_stays_a_rebuild_has_to_be_told_until_when(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    early, late = datetime(2026, 1, 5, 10, tzinfo=UTC), datetime(2026, 2, 5, 10, tzinfo=UTC)
    dovecot.append_many("INBOX", [Seed(letter(1), received_at=early), Seed(letter(2), received_at=early)])
    worker = make_worker(settings={"settle": {"handled": "keep"}})
    assert worker.once() == 0
    dovecot.append_many("INBOX", [Seed(letter(3), received_at=late)])
    damage(worker)

    untold = worker.command("journal", "rebuild")
    assert untold.code == 64
    assert "--assume-handled-before" in untold.err

    assert worker.command("journal", "rebuild", "--assume-handled-before", "2026-02-01").code == 0
    assert worker.once() == 0
    assert sorted(call.number for call in worker.handed()) == [1, 2, 3]
    assert counts(worker) == {"handled": 3, "junk": 0, "failed": 0, "gone": 0, "pending": 0}


@pytest.mark.parametrize("handled", ["Processed", "keep"])
def test_a_folder_of_its_own_for_junk_is_junk_after_a_rebuild(
    dovecot: Mailbox, make_worker: MakeWorker, handled: str
) -> None:
    dovecot.append_many("INBOX", [*letters(1), spam(4)])
    dovecot.append_many(JUNK, [letter(5)])
    worker = make_worker(settings={"settle": {"junk": "Quarantine", "handled": handled}})
    assert worker.once() == 0
    assert counts(worker) == {"handled": 1, "junk": 2, "failed": 0, "gone": 0, "pending": 0}
    assert len(dovecot.stored("Quarantine")) == 1
    damage(worker)

    assumed = ("--assume-handled-before", "2100-01-01") if handled == "keep" else ()
    answer = worker.command("journal", "rebuild", *assumed)
    assert (
        "Entered: 1 handled, 2 junk, 0 failed. The next poll takes 0 messages in the watched folders" in answer.out
    ), answer
    assert counts(worker) == {"handled": 1, "junk": 2, "failed": 0, "gone": 0, "pending": 0}


def test_a_rebuild_of_a_whole_journal_changes_nothing(settled: Worker) -> None:
    before = counts(settled)
    assert settled.command("journal", "rebuild").code == 0
    assert counts(settled) == before


def test_a_rebuild_ends_no_pause_of_a_person_s(settled: Worker) -> None:
    assert settled.command("pause").code == 0
    rebuilt = settled.command("journal", "rebuild")
    assert rebuilt.code == 0
    assert "resume" in rebuilt.out
    assert settled.status()["paused"] is True
    assert settled.once() == 75
    assert settled.command("resume").code == 0
    assert settled.once() == 0


def test_no_rebuild_beside_a_worker(settled: Worker) -> None:
    with settled.running():
        eventually(lambda: len(settled.handed()) == 5)
        answer = settled.command("journal", "rebuild")
    assert answer.code == 75
    assert "worker is running" in answer.err


def test_old_rows_are_compacted_when_two_walks_miss_their_mail(dovecot: Mailbox, settled: Worker) -> None:
    settled.configure(state={"keep": "1ms"})
    assert settled.once() == 0
    assert settled.command("journal", "compact").code == 0
    assert settled.rows("SELECT count(*) FROM message") == [(8,)], "the mail is still there"
    with dovecot.client() as person:
        person.select_folder("Processed")
        person.delete_messages(person.search())
        person.expunge()

    for _ in range(2):
        assert settled.command("journal", "compact").code == 0
    assert settled.rows("SELECT count(*) FROM message") == [(3,)]
    assert settled.rows("SELECT state, messages FROM tally") == [("handled", 5)]
    assert counts(settled) == {"handled": 5, "junk": 2, "failed": 1, "gone": 0, "pending": 0}
    assert settled.status()["messages"]["handled"] == 5


def test_a_running_worker_compacts_by_itself(dovecot: Mailbox, settled: Worker) -> None:
    settled.configure(state={"keep": "1ms"})
    assert settled.once() == 0
    with dovecot.client() as person:
        person.select_folder("Processed")
        person.delete_messages(person.search())
        person.expunge()
    for _ in range(2):
        with settled.running():
            eventually(lambda: settled.rows("SELECT 1 FROM fact WHERE name = 'kept.upkeep'"))
        execute(settled, "DELETE FROM fact WHERE name = 'kept.upkeep'")  # a day has passed
    assert settled.rows("SELECT state, messages FROM tally") == [("handled", 5)]
    assert len(settled.events("journal.compacted")) == 1
    assert counts(settled) == {"handled": 5, "junk": 2, "failed": 1, "gone": 0, "pending": 0}


def test_a_walk_that_finds_the_mail_again_begins_anew(dovecot: Mailbox, settled: Worker) -> None:
    settled.configure(state={"keep": "1ms"})
    assert settled.once() == 0
    with dovecot.client() as person:
        person.create_folder("Elsewhere")
        for source, target in (("Processed", "Elsewhere"), ("Elsewhere", "Processed"), ("Processed", "Elsewhere")):
            person.select_folder(source)
            person.move(person.search(), target)
            assert settled.command("journal", "compact").code == 0
    assert settled.rows("SELECT count(*) FROM message") == [(8,)]
    assert settled.rows("SELECT DISTINCT missed FROM message WHERE state = 'handled'") == [(1,)]


@pytest.mark.parametrize("command", [("once",), ("run",), ("status",), ("reconcile",), ("journal", "rebuild")])
def test_an_older_program_refuses_a_newer_journal(settled: Worker, proxy: Proxy, command: tuple[Any, ...]) -> None:
    execute(settled, "UPDATE alembic_version SET version_num = '9999'")
    answer = settled.command(*command)
    assert answer.code == 78, answer
    assert "newer" in answer.err
    assert settled.rows("SELECT version_num FROM alembic_version") == [("9999",)]
