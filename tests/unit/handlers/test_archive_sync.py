"""`archive` and the disk: what is synced, in which order, and what happens if the disk refuses."""

import errno
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from handlers import archive_sync
from handlers.archive_sync import AT_ONCE, TOGETHER, WAITING, FilesOfOne, FileSyncs, make_folder
from tests.unit.handlers.test_archive import RAW, archive, files, message

Sync = Callable[[int], None]


class Disk:
    """Notes what is synced by its inode, and refuses what it is told to refuse."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: list[int] = []
        self.refuses: str | None = None
        """The file that can't be synced, by its name."""
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._noting(getattr(os, name)))

    def _noting(self, real: Sync) -> Sync:
        def sync(file: int) -> None:
            if Path(f"/proc/self/fd/{file}").readlink().name == self.refuses:
                raise OSError(errno.EIO, "Input/output error")
            real(file)
            self.synced.append(os.fstat(file).st_ino)

        return sync


def open_files(folder: Path) -> int:
    """How many descriptors this process has of a folder, or of what is in it."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # another thread may have closed it meanwhile
            count += descriptor.readlink().is_relative_to(folder)
    return count


def test_every_file_and_folder_is_synced_before_the_first_rename_and_the_renames_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    handler = archive(tmp_path)
    before: list[int] = []
    renamed = Path.rename

    def rename(staged: Path, place: Path) -> None:
        before[:] = before or disk.synced
        renamed(staged, place)

    monkeypatch.setattr(Path, "rename", rename)
    for key in ("k1", "k2"):
        handler(message(key))
    handler.flush()
    written = [path for key in ("k1", "k2") for path in (tmp_path / key, *(tmp_path / key).rglob("*"))]
    assert len(written) == 2 * 6  # two folders and four files each
    assert {path.stat().st_ino for path in written} <= set(before)
    after = disk.synced[len(before) :]
    assert after == [(tmp_path / ".partial").stat().st_ino, tmp_path.stat().st_ino]


@pytest.mark.parametrize("name", ["message.eml", "r.pdf", "message.json", "attachments", "k1"])
def test_what_could_not_be_synced_is_not_in_place_and_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The system reports a failed write once, and has dropped the data: to sync the same file again proves nothing."""
    disk = Disk(monkeypatch)
    handler = archive(tmp_path)
    disk.refuses = name
    handler(message())
    refused = os.open(tmp_path / ".partial" / "k1" / "message.eml", os.O_RDONLY)  # so that its number isn't given anew
    with pytest.raises(OSError, match="Input/output"):
        handler.flush()
    assert files(tmp_path).keys() == {f".partial/{path}" for path in files(tmp_path / ".partial")}
    disk.refuses = None
    handler.flush()  # nobody has handed the message over again
    assert not (tmp_path / "k1").exists()
    handler(message())
    handler.flush()
    assert files(tmp_path / "k1")["message.eml"] == RAW
    assert (tmp_path / "k1" / "message.eml").stat().st_ino != os.fstat(refused).st_ino
    assert set(disk.synced) >= {path.stat().st_ino for path in (tmp_path / "k1", *(tmp_path / "k1").rglob("*"))}
    os.close(refused)


def test_the_flush_waits_for_a_slow_disk_and_the_handler_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    synced = os.fdatasync

    def slow(file: int) -> None:
        assert goes_on.wait(60)
        synced(file)

    monkeypatch.setattr(os, "fdatasync", slow)
    handler = archive(tmp_path)
    for key in ("k1", "k2", "k3"):
        handler(message(key))
    flush = threading.Thread(target=handler.flush)
    flush.start()
    flush.join(0.1)
    assert not list(tmp_path.glob("k*"))
    goes_on.set()
    flush.join(60)
    assert len(list(tmp_path.glob("*/message.json"))) == 3


def test_few_files_are_open_at_a_time_and_none_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = FileSyncs()
    goes_on, begun, done = threading.Event(), threading.Semaphore(0), threading.Event()

    def slow(_: int) -> None:
        assert goes_on.wait(60)

    monkeypatch.setattr(os, "fdatasync", slow)

    def start() -> None:
        for _ in range(2 * WAITING):
            syncs.start(*(os.open(tmp_path, os.O_RDONLY) for _ in range(2)))
            begun.release()
        done.set()

    starting = threading.Thread(target=start)
    starting.start()
    for _ in range(WAITING):
        assert begun.acquire(timeout=60)
    assert not done.wait(0.05)
    assert open_files(tmp_path) <= 2 * (WAITING + 1)  # the next ones are open, and wait for room
    goes_on.set()
    assert done.wait(60)
    syncs.close()
    assert open_files(tmp_path) == 0


@pytest.mark.parametrize("allowed", [0, 1])
@pytest.mark.parametrize("kind", [RuntimeError, MemoryError])
def test_if_the_system_lets_us_have_no_more_threads_all_files_are_synced_nevertheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int, kind: type[Exception]
) -> None:
    disk, real, left = Disk(monkeypatch), threading.Thread.start, [allowed]

    def few(thread: threading.Thread) -> None:
        if not left[0]:
            raise kind("can't start new thread")
        left[0] -= 1
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    handler = archive(tmp_path)
    handler(message())
    handler.flush()
    assert {path.stat().st_ino for path in (tmp_path / "k1").rglob("*")} <= set(disk.synced)
    handler.close()
    assert open_files(tmp_path) == 0


@pytest.mark.parametrize("count", [1, TOGETHER, 2 * TOGETHER + 1])
def test_of_one_message_all_files_are_synced_whichever_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    disk, syncs = Disk(monkeypatch), FileSyncs()
    names = [f"{number}.pdf" for number in range(count)]
    for disk.refuses in (None, *names):
        disk.synced.clear()
        files = FilesOfOne(syncs)
        for name in names:
            files.add(os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT))
        refused = [sync.exception(60) for sync in files.begun()]
        assert sum(one is not None for one in refused) == (disk.refuses is not None)
        assert len(disk.synced) == count - (disk.refuses is not None)
        assert open_files(tmp_path) == 0
    syncs.close()


def test_what_is_dropped_is_closed(tmp_path: Path) -> None:
    files = FilesOfOne(FileSyncs())
    for _ in range(TOGETHER - 1):
        files.add(os.open(tmp_path, os.O_RDONLY))
    files.drop()
    assert open_files(tmp_path) == 0
    assert files.begun() == []


def test_a_disk_that_refuses_is_told_of_without_any_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    Disk(monkeypatch).refuses = tmp_path.name
    monkeypatch.setattr(threading.Thread, "start", none)
    with pytest.raises(OSError, match="Input/output"):
        FileSyncs().start(os.open(tmp_path, os.O_RDONLY)).result(0)
    assert open_files(tmp_path) == 0


def test_there_are_no_more_threads_than_files_to_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 8 MB of what a handler in a process of its own may use."""
    goes_on, real, started = threading.Event(), threading.Thread.start, [0]

    def counted(thread: threading.Thread) -> None:
        started[0] += 1
        real(thread)

    def slow(_: int) -> None:
        assert goes_on.wait(60)

    monkeypatch.setattr(os, "fdatasync", slow)
    monkeypatch.setattr(threading.Thread, "start", counted)
    syncs = FileSyncs()
    for count in (1, 2, 3):
        syncs.start(os.open(tmp_path, os.O_RDONLY))
        assert started[0] == count
    for _ in range(AT_ONCE):
        syncs.start(os.open(tmp_path, os.O_RDONLY))
    assert started[0] == AT_ONCE
    goes_on.set()
    syncs.close()
    assert open_files(tmp_path) == 0


def test_what_begins_after_close_is_synced_too(tmp_path: Path) -> None:
    syncs = FileSyncs()
    for _ in range(2):
        assert syncs.start(os.open(tmp_path, os.O_RDONLY)).result(60) is None
        syncs.close()
    assert open_files(tmp_path) == 0


def test_what_nobody_closes_leaves_no_threads(tmp_path: Path) -> None:
    others = set(threading.enumerate())
    syncs = FileSyncs()
    syncs.start(os.open(tmp_path, os.O_RDONLY)).result(60)
    (thread,) = (one for one in threading.enumerate() if one not in others and one.name == "archive-sync")
    del syncs
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


def test_a_disk_that_never_answers_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    code = """
import os, sys, threading
from handlers.archive_sync import FileSyncs

begun = threading.Event()
os.fdatasync = lambda _: (begun.set(), threading.Event().wait())
FileSyncs().start(os.open(sys.argv[1], os.O_RDONLY))
assert begun.wait(60)
sys.exit(3)
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60, check=False).returncode == 3


def test_close_ends_the_threads(tmp_path: Path) -> None:
    others = set(threading.enumerate())
    handler = archive(tmp_path)
    handler(message())
    own = [
        thread for thread in threading.enumerate() if thread not in others and thread.name.startswith("archive-sync")
    ]
    handler.close()
    assert (tmp_path / "k1" / "message.json").exists()
    assert own
    assert not any(thread.is_alive() for thread in own)


def test_the_names_of_new_folders_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(archive_sync, "sync_folder", synced.append)
    make_folder(tmp_path / "new" / "archive", 0o750)
    assert synced == [tmp_path, tmp_path / "new"]
    make_folder(tmp_path / "new" / "archive", 0o750)
    assert len(synced) == 2
