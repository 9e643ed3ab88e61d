"""The work lease: one worker at a time, and the next as soon as its holder is dead."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.journal.world import new, only
from worker.journal.database import Database, JournalUnavailable
from worker.journal.inbox_rows import InboxRows
from worker.journal.lease import DURATION, MARGIN, Lease, current_holder
from worker.journal.messages import Messages

HOLD = """
import sys, time
from pathlib import Path
from worker.journal.database import Database
from worker.journal.lease import Lease
folder = Path(sys.argv[1])
database = Database(f"sqlite:///{folder / 'journal.sqlite'}")
lease = Lease(database, folder, "other", clock=time.time, monotonic=time.monotonic)
print(lease.acquire(), flush=True)
sys.stdin.read()
"""


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(on_file: Database) -> Database:
    return on_file


def lease_of(database: Database, folder: Path, holder: str = "me", time: Time | None = None) -> Lease:
    clock = time or Time()
    return Lease(database, folder, holder, clock=clock, monotonic=clock)


def test_it_is_held_taken_again_and_given_back(database: Database, tmp_path: Path) -> None:
    mine, other = lease_of(database, tmp_path), lease_of(database, tmp_path, "other")
    assert not mine.is_held()
    assert mine.acquire()
    assert mine.acquire()
    assert mine.is_held()
    assert not other.acquire()
    assert not other.is_held()
    mine.release()
    assert not mine.is_held()
    assert other.acquire()
    assert not mine.acquire()


def test_a_term_is_counted_at_each_time_that_it_is_taken_anew(database: Database, tmp_path: Path) -> None:
    mine = lease_of(database, tmp_path)
    for term in (1, 2, 3):
        for _ in range(2):
            assert mine.acquire()
            assert mine.term == term
        mine.release()


def test_only_who_takes_it_brings_the_inbox_under_one_name(database: Database, tmp_path: Path) -> None:
    """An earlier version that holds it goes on under its own spelling."""
    messages = Messages(database)
    other, mine = lease_of(database, tmp_path, "other"), lease_of(database, tmp_path)
    assert other.acquire()
    messages.add([new(folder="Inbox")], 1.0)
    assert not mine.acquire()
    assert only(messages).place.folder == "Inbox"
    other.release()
    assert mine.acquire()
    assert only(messages).place.folder == "INBOX"


def test_it_is_renewed_while_many_messages_are_renamed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Time()
    left = [True, True, False]

    def rename_some(_rows: InboxRows) -> bool:
        time.now += DURATION - MARGIN
        return left.pop(0)

    monkeypatch.setattr(InboxRows, "rename_some", rename_some)
    mine = lease_of(database, tmp_path, time=time)
    assert mine.acquire()
    holder = current_holder(database, time.now)
    assert holder is not None
    assert holder.expires_at == time.now + MARGIN
    assert left == []


def test_who_doesnt_hold_it_gives_nothing_back(database: Database, tmp_path: Path) -> None:
    mine, other = lease_of(database, tmp_path), lease_of(database, tmp_path, "other")
    mine.acquire()
    other.release()
    holder = current_holder(database, 1000.0)
    assert holder is not None
    assert holder.name == mine.name


def test_the_row_says_who_holds_it_and_until_when(database: Database, tmp_path: Path) -> None:
    mine = lease_of(database, tmp_path)
    assert current_holder(database, 1000.0) is None
    mine.acquire()
    holder = current_holder(database, 1000.0)
    assert holder is not None
    assert holder.name.startswith("me:")  # and a mark of this process: names alone may be given twice
    assert holder.expires_at == 1000.0 + DURATION
    assert current_holder(database, 1000.0 + DURATION) == holder
    assert current_holder(database, 1000.1 + DURATION) is None
    mine.release()
    assert current_holder(database, 1000.0) is None


def test_a_heartbeat_renews_only_what_is_held(database: Database, tmp_path: Path) -> None:
    time = Time()
    mine = lease_of(database, tmp_path, time=time)
    mine.renew()
    assert not mine.is_held()
    mine.acquire()
    time.now += 10
    mine.renew()
    holder = current_holder(database, time.now)
    assert holder is not None
    assert holder.expires_at == time.now + DURATION


def test_on_one_host_it_is_ours_for_as_long_as_we_live(database: Database, tmp_path: Path) -> None:
    time = Time()
    mine = lease_of(database, tmp_path, time=time)
    mine.acquire()
    time.now += 10 * DURATION
    assert mine.is_held(), "the kernel keeps the lock, whatever a clock says"
    with database.write() as connection:
        mine.fence(connection)


def lose(database: Database) -> None:
    """The journal can't be written, until it is found again."""
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE lease RENAME TO lost")


def find(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE lost RENAME TO lease")


def test_it_is_taken_as_soon_as_the_journal_can_be_written_again(database: Database, tmp_path: Path) -> None:
    mine = lease_of(database, tmp_path)
    lose(database)
    with pytest.raises(JournalUnavailable):
        mine.acquire()
    assert not mine.is_held()
    find(database)
    assert mine.acquire()


def test_it_is_given_back_though_the_journal_cant_be_written(database: Database, tmp_path: Path) -> None:
    mine, other = lease_of(database, tmp_path), lease_of(database, tmp_path, "other")
    mine.acquire()
    lose(database)
    mine.release()
    assert not mine.is_held()
    find(database)
    assert other.acquire()


def test_another_process_holds_it_until_it_is_killed(database: Database, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "True"
        mine = lease_of(database, tmp_path)
        assert not mine.acquire()
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    assert mine.acquire()
    mine.release()


def test_the_lock_file_is_the_workers_own(database: Database, tmp_path: Path) -> None:
    lease_of(database, tmp_path).acquire()
    assert (tmp_path / "work.lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_file_that_leads_elsewhere_is_refused(database: Database, tmp_path: Path) -> None:
    (tmp_path / "work.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalUnavailable, match="lock file"):
        lease_of(database, tmp_path).acquire()
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_file_that_cannot_be_made_is_the_journals_trouble(database: Database, tmp_path: Path) -> None:
    (tmp_path / "work.lock").mkdir()
    with pytest.raises(JournalUnavailable, match="lock file"):
        lease_of(database, tmp_path).acquire()
