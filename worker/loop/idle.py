"""Wakes the schedule when the connection in IDLE has something to read."""

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol


class WatchesSocket(Protocol):
    """Watches one socket at a time for incoming data."""

    def watch(self, fileno: int | None) -> None:
        """Watch this socket from now on; None: none."""


class NoWatcher:
    """Watches nothing. For `once`, which doesn't wait for new mail."""

    def watch(self, fileno: int | None) -> None:
        """Do nothing."""


class Watcher:
    """Waits in its own thread until the socket is readable, then calls `wake`. It never reads from the socket."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._watched: int | None = None
        self._changed, self._change = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="idle-watcher", daemon=True)
        self._thread.start()

    def watch(self, fileno: int | None) -> None:
        """Watch this socket from now on; None: none."""
        self._watched = fileno
        with suppress(BlockingIOError):
            os.write(self._change, b".")

    def close(self) -> None:
        """Stop the thread."""
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
                self._watched = None  # wake once; the owner sets it again after reading
                self._wake()
