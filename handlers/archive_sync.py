"""How `archive` brings its files to the disk: each by itself, in threads of its own, while others are being written.

The files of one message are synced one after the other, and those of many messages at the same time. A thread for each
file would bring one message to the disk sooner, but hand over between threads three times for each message.

`syncfs` is one wait for a whole batch, but for everything that others have written to the file system as well. On ext4,
a drain of 300 messages waited in `flush` for 0.7 s with it and for 0.2 s with these threads; for 1.0 s and 0.5 s beside
a neighbour that wrote at full speed (medians of alternating runs on a busy machine, for 5 % more CPU).
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import takewhile
from pathlib import Path
from queue import SimpleQueue
from threading import BoundedSemaphore, Lock, Thread

AT_ONCE = 16
"""How many files are synced at a time. The disk takes those that wait for it at the same time in one go."""
TOGETHER = 6
"""How many open files of one message are synced one after the other: all of one that has one attachment."""
WAITING = 24
"""How often so many files may be open, because they wait for their turn."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
"""How to open a folder, to sync it."""

_Line = SimpleQueue[tuple[Sequence[int], Future[None]] | None]
"""Open files that wait for their sync. None ends the thread that takes it."""


class FileSyncs:
    """Syncs open files and folders, and closes them. Thread-safe.

    A file stays open until it is synced: the system may forget a failed write of a file that nobody has open.

    A disk may never answer. So the threads are daemons: those of a `ThreadPoolExecutor` would keep the process from
    ending.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._line: _Line = SimpleQueue()
        self._threads: list[Thread] = []
        self._files = _OpenFiles()

    def __del__(self) -> None:
        """Nobody closes it any more: end the threads."""
        for _ in self._threads:
            self._line.put(None)

    def start(self, *files: int) -> Future[None]:
        """Begin to sync these open files or folders. Waits for room if too many are open.

        If the disk refuses one, the result of what this returns raises the OSError. If the system lets us have no
        thread at all, they are synced when this returns.
        """
        sync = Future[None]()
        count = self._files.more()
        with self._lock:
            if len(self._threads) < min(count, AT_ONCE):
                self._start_thread()
            if self._threads:
                self._line.put((files, sync))
                return sync
        self._files.sync(files, sync)
        return sync

    def close(self) -> None:
        """Wait for what has begun, and end the threads."""
        with self._lock:
            threads, self._threads = self._threads, []
            line, self._line = self._line, SimpleQueue()
            for _ in threads:
                line.put(None)
        for thread in threads:
            thread.join()

    def _start_thread(self) -> None:
        thread = Thread(target=_work, args=(self._line, self._files), name="archive-sync", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError):  # the system lets us have no more threads
            return
        self._threads.append(thread)


class FilesOfOne:
    """The files of one message, which are written one after the other, and whose syncs begin some at a time."""

    def __init__(self, syncs: FileSyncs) -> None:
        self._syncs = syncs
        self._open: list[int] = []
        self._begun: list[Future[None]] = []

    def add(self, file: int) -> None:
        """This open file or folder is to be synced, and closed."""
        self._open.append(file)
        if len(self._open) >= TOGETHER:
            self._begin()

    def begun(self) -> list[Future[None]]:
        """Begin with those that are left. Returns all syncs."""
        if self._open:
            self._begin()
        return self._begun

    def drop(self) -> None:
        """Close those whose sync hasn't begun, if something went wrong: they aren't wanted any more."""
        while self._open:
            os.close(self._open.pop())

    def _begin(self) -> None:
        files, self._open = self._open, []
        self._begun.append(self._syncs.start(*files))


class _OpenFiles:
    """The files whose sync isn't over yet. The threads know no more than this, so they keep no `FileSyncs` alive."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._room = BoundedSemaphore(WAITING)

    def more(self) -> int:
        """Wait for room for some files, and take it. Returns how many syncs there are now."""
        self._room.acquire()
        with self._lock:
            self._count += 1
            return self._count

    def sync(self, files: Sequence[int], sync: Future[None]) -> None:
        """Sync and close these files, for which there was room, and give the result."""
        refused: BaseException | None = None
        for file in files:
            try:
                _sync(file)
            except BaseException as error:  # noqa: BLE001 -- whatever it is, `flush` must hear of it
                refused = refused or error
        with self._lock:
            self._count -= 1
        self._room.release()
        if refused is None:
            sync.set_result(None)
        else:
            sync.set_exception(refused)


def _sync(file: int) -> None:
    try:
        os.fdatasync(file)  # of a folder, too: the names in it are its data
    finally:
        os.close(file)


def _work(line: _Line, files: _OpenFiles) -> None:
    while (one := line.get()) is not None:
        files.sync(*one)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk."""
    folder = os.open(path, FOLDER)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_folder(path: Path, mode: int) -> None:
    """Create a folder, and those above it, unless they exist. Their names are on the disk when this returns."""
    missing = list(takewhile(lambda folder: not folder.exists(), (path, *path.parents)))
    path.mkdir(mode, parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync_folder(folder.parent)
