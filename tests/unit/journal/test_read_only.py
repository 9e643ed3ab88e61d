"""Reading the journal, even where nothing can be written, and never changing it."""

import os
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from worker.journal.database import JournalDamaged, JournalUnavailable
from worker.journal.facts import LastPoll, OtherAccount
from worker.journal.migrate import JournalTooNew
from worker.journal.store import FILE, Journal

ADDRESS = "pathology.results@nhs.net"
NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder that other users can reach."""
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        yield Path(above) / "state"
        (Path(above) / "state").chmod(0o700)


def journal(folder: Path) -> Journal:
    return Journal(folder, None, lambda: 1.0)


def read(folder: Path) -> LastPoll | None:
    found = journal(folder).to_read(ADDRESS)
    try:
        return found.facts.last_poll()
    finally:
        found.close()


def written(folder: Path, new: int) -> None:
    own = journal(folder)
    own.open(ADDRESS)
    own.facts.polled(LastPoll(1.0, ok=True, new=new))
    own.close()


def killed(folder: Path, new: int) -> None:
    """Leave what a killed process leaves: a log that isn't written back, and is newer than the file."""
    written(folder, new - 1)
    own = journal(folder)
    own.open(ADDRESS)
    own.facts.polled(LastPoll(1.0, ok=True, new=new))
    with own.database.read():  # a reader keeps the log from being written back
        for suffix in ("", "-wal"):
            shutil.copyfile(folder / (FILE + suffix), folder / ("kept" + suffix))
    own.close()
    for suffix in ("", "-wal"):
        (folder / ("kept" + suffix)).rename(folder / (FILE + suffix))
    assert (folder / f"{FILE}-wal").stat().st_size > 0


@contextmanager
def read_only(folder: Path, mode: int = 0o500) -> Iterator[None]:
    """During the block the folder has this mode, and this process has no special rights."""
    if os.geteuid() != 0:
        folder.chmod(mode)
        yield
        return
    for path in (folder, *folder.iterdir()):
        os.chown(path, NOBODY, -1)
    folder.chmod(mode)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def full_disk() -> Iterator[None]:
    """During the block no file can grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_nothing_is_wrong(folder: Path) -> None:
    assert read(folder) is None
    assert not folder.exists()
    written(folder, 3)
    assert read(folder) == LastPoll(1.0, ok=True, new=3)
    killed(folder, 5)
    before = [(folder / (FILE + suffix)).read_bytes() for suffix in ("", "-wal")]
    assert read(folder) == LastPoll(1.0, ok=True, new=5)
    assert [(folder / (FILE + suffix)).read_bytes() for suffix in ("", "-wal")] == before


def test_beside_a_process_that_writes(folder: Path) -> None:
    own = journal(folder)
    own.open(ADDRESS)
    looking = journal(folder).to_read(ADDRESS)
    for new in range(3):
        own.facts.polled(LastPoll(1.0, ok=True, new=new))
        assert looking.facts.last_poll() == LastPoll(1.0, ok=True, new=new)
    looking.close()
    own.close()


def test_a_restored_journal_is_looked_at_in_its_place(folder: Path) -> None:
    """A backup has no log beside it, and reading doesn't create one."""
    written(folder, 3)
    with closing(sqlite3.connect(folder / FILE)) as raw:
        assert raw.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    looking = journal(folder).to_read(ADDRESS)
    assert looking.facts.last_poll() == LastPoll(1.0, ok=True, new=3)
    written(folder, 4)
    assert looking.facts.last_poll() == LastPoll(1.0, ok=True, new=4)
    looking.close()


@pytest.mark.parametrize("leave", [written, killed])
def test_in_a_folder_that_can_only_be_read(folder: Path, leave: object) -> None:
    assert callable(leave)
    leave(folder, 3)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with read_only(folder):
        assert read(folder) == LastPoll(1.0, ok=True, new=3)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_copy_goes_to_memory_where_no_disk_takes_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(folder, 3)
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "none"))
    before = set(Path("/dev/shm").iterdir())  # noqa: S108 -- memory is the point
    with read_only(folder):
        assert read(folder) == LastPoll(1.0, ok=True, new=3)
    assert set(Path("/dev/shm").iterdir()) <= before  # noqa: S108


def test_on_a_full_disk(folder: Path) -> None:
    written(folder, 3)
    with full_disk():
        assert read(folder) == LastPoll(1.0, ok=True, new=3)


def test_on_a_full_disk_beside_a_process(folder: Path) -> None:
    own = journal(folder)
    own.open(ADDRESS)
    own.facts.polled(LastPoll(1.0, ok=True, new=3))
    with full_disk():
        assert read(folder) == LastPoll(1.0, ok=True, new=3)
    own.close()


def test_a_copy_is_named_after_the_worker_and_goes_in_the_end(folder: Path) -> None:
    killed(folder, 3)
    with read_only(folder):
        looking = journal(folder).to_read(ADDRESS)
        copy = Path(str(looking.database.url.database).removeprefix("file:")).parent
        assert copy.name.startswith("nhsmail-journal-")
        assert copy.exists()
        looking.close()
        assert not copy.exists()


@pytest.mark.parametrize("mode", [0o000, 0o600])
def test_a_folder_that_cannot_be_entered_is_told(folder: Path, mode: int) -> None:
    written(folder, 3)
    with read_only(folder, mode), pytest.raises(JournalUnavailable, match="Permission denied"):
        read(folder)


def test_a_file_that_cannot_be_read_is_told(folder: Path) -> None:
    written(folder, 3)
    (folder / FILE).chmod(0)
    with read_only(folder), pytest.raises(JournalUnavailable, match="unable to open database file"):
        read(folder)


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_file_in_place_of_the_folder_is_told(folder: Path, below: str) -> None:
    folder.write_text("")
    with pytest.raises(JournalUnavailable, match="Not a directory"):
        read(folder / below)


def test_what_the_journal_is_is_looked_at_as_ever(folder: Path) -> None:
    written(folder, 3)
    with pytest.raises(OtherAccount):
        journal(folder).to_read("another@nhs.net")
    with closing(sqlite3.connect(folder / FILE)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(JournalTooNew):
        read(folder)
    (folder / FILE).write_bytes(b"\xff" * 5000)
    with pytest.raises(JournalDamaged):
        read(folder)


def test_a_journal_without_tables_yet_is_made_whole(folder: Path) -> None:
    folder.mkdir()
    (folder / FILE).touch()
    assert read(folder) is None


def test_a_journal_is_looked_at_as_it_is_or_not_at_all(folder: Path) -> None:
    assert journal(folder).as_it_is(ADDRESS) is None
    assert not (folder / FILE).exists()
    written(folder, 3)
    looking = journal(folder).as_it_is(ADDRESS)
    assert looking is not None
    looking.close()
    with closing(sqlite3.connect(folder / FILE)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '0001'")
    before = (folder / FILE).read_bytes()
    assert journal(folder).as_it_is(ADDRESS) is None
    assert (folder / FILE).read_bytes() == before
    assert Journal(folder, "postgresql+psycopg://db.example/journal", lambda: 1.0).as_it_is(ADDRESS) is None


def damage(folder: Path, table: str) -> None:
    """Overwrite the first page of this table."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (folder / FILE).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


@pytest.mark.parametrize("table", ["attempt", "fact", "message", "delivery"])
def test_damage_to_any_table_of_a_journal_of_usual_size_is_found(folder: Path, table: str) -> None:
    written(folder, 7)
    damage(folder, table)
    with pytest.raises(JournalDamaged):
        read(folder)


@pytest.mark.parametrize("table", ["attempt", "fact"])
def test_in_a_large_journal_damage_to_a_small_table_is_found(
    folder: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.journal.read_only.LARGE", 0)
    written(folder, 7)
    assert read(folder) == LastPoll(1.0, ok=True, new=7)
    damage(folder, table)
    with pytest.raises(JournalDamaged):
        read(folder)


def test_in_a_large_journal_damage_to_rows_is_found_by_who_reads_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checking all of them would take seconds. A start does."""
    monkeypatch.setattr("worker.journal.read_only.LARGE", 0)
    written(folder, 7)
    damage(folder, "message")
    assert read(folder) == LastPoll(1.0, ok=True, new=7)
    found = journal(folder).to_read(ADDRESS)
    with pytest.raises(JournalDamaged):
        found.messages.everything()
    found.close()
    with pytest.raises(JournalDamaged):
        journal(folder).open(ADDRESS)
