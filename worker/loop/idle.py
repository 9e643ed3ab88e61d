"""Wakes the schedule when the idling connection has something to read."""

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol


class WatchesSocket(Protocol):
    """Told which socket to watch for news."""

    def watch(self, fileno: int | None) -> None:
        """Watch this socket from now on; None: nothing."""


class NoWatcher:
    """Watches nothing: `once` waits for no news."""

    def watch(self, fileno: int | None) -> None:
        """Do nothing."""


class Watcher:
    """Waits, in a thread of its own, until the connection has something to read, and calls `wake`. It never reads."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._watched: int | None = None
        self._changed, self._change = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="idle-watcher", daemon=True)
        self._thread.start()

    def watch(self, fileno: int | None) -> None:
        """Watch this socket from now on; None: nothing."""
        self._watched = fileno
        with suppress(BlockingIOError):
            os.write(self._change, b".")

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self.watch(None)
        self._thread.join()
        os.close(self._changed)
        os.close(self._change)

    def _run(self) -> None:
        while not self._closed:
            poller = select.poll()
            poller.register(self._changed, select.POLLIN)
            watched = self._watched
            if watched is not None:
                poller.register(watched, select.POLLIN)
            ready: list[Any] = [descriptor for descriptor, _ in poller.poll()]
            if self._changed in ready:
                os.read(self._changed, 4096)
            elif watched is not None and self._watched == watched:
                self._watched = None  # once: the owner sets it again when it has read
                self._wake()
