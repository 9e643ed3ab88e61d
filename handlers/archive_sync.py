"""How `archive` brings its files to the disk: each by itself, in threads of its own, while others are being written."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

AT_ONCE = 8
"""How many files are synced at a time. The disk takes those that wait for it at the same time in one go."""
OPEN = 64
"""How many files may be open, because they wait for their turn."""


class FileSyncs:
    """Syncs open files and folders, and closes them. Thread-safe.

    A file stays open until it is synced: the system may forget a failed write of a file that nobody has open.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="archive-sync")
        self._room = BoundedSemaphore(OPEN)

    def start(self, sync: Callable[[int], None], file: int) -> Future[None]:
        """Begin to sync this open file. Waits for room if too many are open.

        sync: `os.fsync` or `os.fdatasync`. If it fails, the result of what this returns raises its OSError.
        """
        self._room.acquire()
        try:
            return self._threads.submit(self._run, sync, file)
        except BaseException:  # no thread can be started
            self._end(file)
            raise

    def close(self) -> None:
        """Wait for what has begun, and end the threads."""
        self._threads.shutdown()

    def _run(self, sync: Callable[[int], None], file: int) -> None:
        try:
            sync(file)
        finally:
            self._end(file)

    def _end(self, file: int) -> None:
        try:
            os.close(file)
        finally:
            self._room.release()
