"""Transactions on a journal that is a file."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from worker.journal.database import Database, JournalDamaged
from worker.journal.facts import Facts
from worker.journal.messages import Messages
from worker.journal.records import NewMessage, Place
from worker.message.verdict import MailPath, Verdict


def test_an_exception_in_a_transaction_undoes_it(on_file: Database) -> None:
    facts = Facts(on_file)
    with pytest.raises(RuntimeError):
        write_and_fail(on_file)
    assert facts.paused() is None


def write_and_fail(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO fact VALUES ('paused', 'x')")
        raise RuntimeError


def test_writers_of_two_processes_wait_for_each_other(on_file: Database) -> None:
    other = Messages(Database(on_file.url))
    mine = Messages(on_file)
    for number in range(20):
        writer = (mine, other)[number % 2]
        writer.add([NewMessage("a" * 26, Place("INBOX", 1, number + 1), 1, 1.0, Verdict(MailPath.CLEAN))], 1.0)
    assert len({row.key for row in mine.everything()}) == 20


def test_a_file_whose_damaged_bytes_are_no_text_is_damaged(tmp_path: Path) -> None:
    """SQLite quotes them in its message, which Python can't decode."""
    file = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE spoilt (a)")
    damaged = file.read_bytes().replace(b"TABLE spoilt", b"XABLE spoilt").replace(b"spoilt", b"\xff\xfeoilt")
    file.write_bytes(damaged)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(JournalDamaged, match="malformed"), database.read() as connection:
        connection.exec_driver_sql("SELECT 1")
