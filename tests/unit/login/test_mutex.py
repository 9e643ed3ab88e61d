"""The attempt mutex on one host: a lock on a file in the state folder."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from worker.journal.database import Database, JournalUnavailable
from worker.login.mutex import AttemptInProgress, AttemptMutex


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """It needs no tables."""
    found = Database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield found
    found.close()


def test_one_at_a_time(database: Database, tmp_path: Path) -> None:
    slept: list[float] = []
    time = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time[0] += seconds

    one = AttemptMutex(database, tmp_path)
    other = AttemptMutex(database, tmp_path, patience=1.0, sleep=sleep, monotonic=lambda: time[0])
    with one.hold():
        with pytest.raises(AttemptInProgress, match="another process"), other.hold():
            pytest.fail("two at a time")
        assert 1.0 <= sum(slept) < 1.2
    with other.hold(), pytest.raises(AttemptInProgress), AttemptMutex(database, tmp_path, patience=0.0).hold():
        pytest.fail("two at a time")


def test_it_is_given_back_after_an_error(database: Database, tmp_path: Path) -> None:
    mutex = AttemptMutex(database, tmp_path, patience=0.0)
    with pytest.raises(ValueError, match="oh"), mutex.hold():
        raise ValueError("oh")
    with mutex.hold():
        pass


def test_waiting_ends_when_the_other_is_done(database: Database, tmp_path: Path) -> None:
    one = AttemptMutex(database, tmp_path)
    held = ExitStack()
    held.enter_context(one.hold())
    with AttemptMutex(database, tmp_path, sleep=lambda _seconds: held.close()).hold():
        pass


def test_no_state_folder_no_attempt(database: Database, tmp_path: Path) -> None:
    with (
        pytest.raises(JournalUnavailable, match="state folder can't be written"),
        AttemptMutex(database, tmp_path / "none").hold(),
    ):
        pytest.fail("held")


def test_a_lock_that_is_a_link_isnt_followed(database: Database, tmp_path: Path) -> None:
    (tmp_path / "login.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalUnavailable), AttemptMutex(database, tmp_path).hold():
        pytest.fail("held")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_system_without_locks(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(JournalUnavailable, match="can't be locked: no locks"),
        AttemptMutex(database, tmp_path).hold(),
    ):
        pytest.fail("held")


def test_the_lock_file_is_the_workers_own(database: Database, tmp_path: Path) -> None:
    with AttemptMutex(database, tmp_path).hold():
        assert (tmp_path / "login.lock").stat().st_mode & 0o777 == 0o600
