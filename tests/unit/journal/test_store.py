"""The journal's file: its schema, its owner, its damage, its disk."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine

from worker.journal.database import Database, JournalDamaged, JournalUnavailable
from worker.journal.facts import Facts, OtherAccount
from worker.journal.migrate import HEAD, JournalTooNew
from worker.journal.records import NewMessage, Place
from worker.journal.store import FILE, Journal
from worker.message.verdict import MailPath, Verdict

ADDRESS = "pathology.results@nhs.net"


def opened(folder: Path) -> Journal:
    journal = Journal(folder, None, lambda: 1.0)
    journal.open(ADDRESS)
    return journal


def test_a_journal_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(JournalTooNew) as refused:
        opened(tmp_path)
    assert str(refused.value) == (
        f"The journal has schema 9999, and this program knows {HEAD} at most: it was written by a newer program. "
        "Nothing was changed. Start the newer program again, or restore the journal's backup of before the upgrade."
    )
    assert (tmp_path / FILE).read_bytes() == before


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    opened(folder)
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_one_journal_one_account(tmp_path: Path) -> None:
    opened(tmp_path).close()
    journal = Journal(tmp_path, None, lambda: 1.0)
    journal.open(ADDRESS.upper())
    with pytest.raises(OtherAccount) as refused:
        journal.open("Another@nhs.net")
    assert str(refused.value) == (
        f"The state belongs to {ADDRESS}, not to another@nhs.net. One worker serves one account: give this account a "
        "state folder (or journal) of its own."
    )


def filled(folder: Path) -> None:
    journal = opened(folder)
    new = [NewMessage(f"{n:026}", Place("INBOX", 1, n), 1, 1.0, Verdict(MailPath.CLEAN)) for n in range(1, 501)]
    journal.messages.add(new, 1.0)
    journal.close()
    with closing(sqlite3.connect(folder / FILE)) as raw, raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize("at", ["header", "page", "cut"])
def test_damage_is_found_at_the_start(tmp_path: Path, at: str) -> None:
    filled(tmp_path)
    path = tmp_path / FILE
    whole = path.read_bytes()
    if at == "header":
        path.write_bytes(b"\xff" * 100 + whole[100:])
    elif at == "page":
        middle = len(whole) // 2 // 4096 * 4096
        path.write_bytes(whole[:middle] + b"\xa5" * 4096 + whole[middle + 4096 :])
    else:
        path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JournalDamaged, match=r"^the journal's file is damaged$|malformed|not a database"):
        opened(tmp_path)


def damaged(folder: Path) -> Journal:
    """A damaged journal, with the files that SQLite keeps beside one."""
    folder.mkdir(exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        (folder / f"{FILE}{suffix}").write_text(f"damaged{suffix}")
    return Journal(folder, None, lambda: 60.0)


def leave_half_made(folder: Path) -> None:
    """Leave what a crash while creating a journal leaves, including a log that SQLite would read."""
    new = folder / f"{FILE}.new"
    other = Journal(folder, f"sqlite:///{new}", lambda: 1.0)
    other.open("another@nhs.net")
    left = {path: path.read_bytes() for path in folder.glob(f"{new.name}*")}
    other.close()
    for path, content in left.items():
        path.write_bytes(content)
    assert new.with_name(f"{new.name}-wal").stat().st_size > 0


def contents(folder: Path) -> dict[str, str]:
    """The files kept of a damaged journal, by the suffix of their names."""
    return {path.name.partition("Z")[2]: path.read_text() for path in folder.glob(f"{FILE}.damaged-*Z*")}


@pytest.mark.parametrize("links", [True, False], ids=["", "no links"])
@pytest.mark.parametrize("died", [False, True], ids=["", "after one that died"])
def test_a_damaged_journal_is_kept_whole_and_its_follower_is_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool, died: bool
) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise PermissionError(self, target)

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    if died:
        leave_half_made(tmp_path)
    journal = damaged(tmp_path)

    kept = journal.replace_damaged(ADDRESS, "rebuild")

    assert kept.parent == tmp_path
    assert kept.read_text() == "damaged"
    assert contents(tmp_path) == {"": "damaged", "-wal": "damaged-wal", "-shm": "damaged-shm"}
    assert list(tmp_path.glob(f"{FILE}.new*")) == []
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    with closing(Journal(tmp_path, None, lambda: 60.0)) as follower:
        assert follower.facts.paused() == "1970-01-01T00:01:00+00:00 by rebuild"
        with pytest.raises(OtherAccount, match=ADDRESS):
            follower.open("another@nhs.net")


@time_machine.travel(datetime(2026, 6, 3, 9, tzinfo=ZoneInfo("Asia/Tokyo")))
def test_a_damaged_journal_is_kept_under_its_time(tmp_path: Path) -> None:
    assert damaged(tmp_path).replace_damaged(ADDRESS, "rebuild").name == f"{FILE}.damaged-20260603T000000Z"


def test_a_damaged_journal_is_in_its_place_until_its_follower_is_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Facts, actor: str, now: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Facts, "pause", die)
    with pytest.raises(KeyboardInterrupt):
        damaged(tmp_path).replace_damaged(ADDRESS, "rebuild")
    assert (tmp_path / FILE).read_text() == "damaged"
    assert contents(tmp_path) == {}


def test_a_damaged_journal_that_cant_be_replaced_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(JournalUnavailable, match=r"^the damaged journal can't be replaced: Read-only file system$"):
        damaged(tmp_path).replace_damaged(ADDRESS, "rebuild")
    with pytest.raises(JournalUnavailable, match=r"^a journal on a database server is repaired there$"):
        Journal(tmp_path, "sqlite://", lambda: 60.0).replace_damaged(ADDRESS, "rebuild")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnavailable, match="state folder"):
        opened(tmp_path / "file" / "state")


def test_a_full_disk_is_told_and_recovered_from(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    with journal.database.read() as connection:
        pages = int(str(connection.exec_driver_sql("PRAGMA page_count").scalar()))
    with pytest.raises(JournalUnavailable, match="full"):
        write_much(journal.database, room=pages)
    with journal.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM fact WHERE name = 'big'").scalar() == 0
    write_much(journal.database, room=1_000_000)


def write_much(database: Database, *, room: int) -> None:
    """room: how many pages the disk has."""
    with database.write(durable=True) as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {room}")
        connection.exec_driver_sql("INSERT INTO fact VALUES ('big', ?)", ("x" * 100_000,))


def test_a_lost_file_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.close()
    (tmp_path / FILE).rename(tmp_path / "elsewhere")
    (tmp_path / FILE).mkdir()
    with pytest.raises(JournalUnavailable):
        journal.messages.everything()
