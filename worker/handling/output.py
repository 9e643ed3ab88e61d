"""Keeps what handlers print out of the log, and counts the threads that they leave behind.

What a handler prints may be mail content or a secret, and a container's standard output and error are its log. So the
output of handlers' code is counted by handler and dropped.
"""

import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO
from weakref import WeakSet

from worker.logs.log import get_logger

log = get_logger()

THREADS_TO_LOG = 20
"""A handler's running threads are logged from this number on."""

_here = threading.local()
_MARK = "_nhsmail_handler"


_running: dict[int, str] = {}
"""The handler whose code each thread of the pool runs, by the thread's number."""


def handler_in(thread: int) -> str | None:
    """The handler that this thread is calling; None if it calls none. thread: as `threading.get_ident` numbers it."""
    return _running.get(thread)


def running_handler() -> str | None:
    """The handler whose code this thread runs; None if it is the worker's own."""
    return getattr(_here, "name", None) or getattr(threading.current_thread(), _MARK, None)


class OutputCapture:
    """Attributes output and threads to handlers. Thread-safe.

    A handler may print from threads that it started, or that those started, long after its call has returned. They have
    to be recognised as the handler's, or their output would reach the log. While installed, this class therefore wraps
    `threading.Thread.start`, which marks each new thread with the handler of the thread that starts it. There is no
    gentler way to learn this: in the new thread nothing refers to the one that started it, context variables aren't
    inherited, and comparing the running threads before and after a call can't tell apart the handlers that run at the
    same time, nor see a thread that starts later. An audit hook would see every start, but can't be removed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._printed: dict[str, int] = {}
        self._logged: dict[tuple[str, str], int] = {}
        self._threads: dict[str, WeakSet[threading.Thread]] = {}
        self._remove: list[Callable[[], None]] = []

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """While the block runs, this thread runs this handler's code."""
        before = getattr(_here, "name", None)
        _here.name = name
        _running[threading.get_ident()] = name
        try:
            yield
        finally:
            _here.name = before
            if before is None:
                del _running[threading.get_ident()]
            else:
                _running[threading.get_ident()] = before
            self._log(name)

    def reported(self, name: str, printed: int, threads: int) -> None:
        """Add what a handler's own process reports: bytes printed in its last call, threads left over in total."""
        if printed:
            self.print(name, printed)
        self._log(name, threads)

    def print(self, name: str, size: int) -> None:
        """Count this many bytes as printed by the handler."""
        with self._lock:
            self._printed[name] = self._printed.get(name, 0) + size

    def install(self) -> None:
        """Start to capture: replace the standard streams, and wrap `Thread.start`."""
        for stream in ("stdout", "stderr"):
            real = getattr(sys, stream)
            if real is None:
                continue
            captured: Any = _CapturedStream(real, self)
            wrapper = io.TextIOWrapper(captured, "utf-8", "backslashreplace", write_through=True)
            wrapper.behind = real  # type: ignore[attr-defined]  # where the log writes, from any thread
            setattr(sys, stream, wrapper)
            self._remove.append(lambda stream=stream, real=real, wrapper=wrapper: _put_back(stream, real, wrapper))  # type: ignore[misc]  # bound at once
        start = threading.Thread.start
        setattr(threading.Thread, "start", self._marking(start))  # noqa: B010 -- mypy allows no assignment to a method
        self._remove.append(lambda: setattr(threading.Thread, "start", start))

    def remove(self) -> None:
        """Undo `install`, and log the handlers that have threads still running."""
        while self._remove:
            self._remove.pop()()
        for name in self._threads:
            if count := self._alive(name):
                log.warning("handler.threads_left", handler=name, count=count)

    def _marking(self, start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
        def marked(thread: threading.Thread) -> None:
            name = running_handler()
            if name is not None:
                setattr(thread, _MARK, name)
                with self._lock:
                    self._threads.setdefault(name, WeakSet()).add(thread)
            start(thread)

        return marked

    def _many_alive(self, name: str) -> int:
        """How many of its threads run; 0 if it never had so many that this is worth a look at each."""
        return self._alive(name) if len(self._threads.get(name, ())) >= THREADS_TO_LOG else 0

    def _alive(self, name: str) -> int:
        with self._lock:
            return sum(thread.is_alive() for thread in self._threads.get(name, ()))

    def _log(self, name: str, threads: int | None = None) -> None:
        printed = self._printed.get(name, 0)
        if self._has_doubled("printed", name, printed, least=1):
            log.warning("handler.printed", handler=name, bytes=printed)
        threads = self._many_alive(name) if threads is None else threads
        if self._has_doubled("threads", name, threads, least=THREADS_TO_LOG):
            log.warning("handler.threads", handler=name, count=threads)

    def _has_doubled(self, what: str, name: str, number: int, *, least: int) -> bool:
        """Whether the number has doubled since it was last logged, so that no handler can fill the log."""
        with self._lock:
            told = self._logged.get((what, name), 0)
            if number < max(least, 2 * told):
                return False
            self._logged[what, name] = number
            return True


def _put_back(stream: str, real: TextIO, wrapper: TextIO) -> None:
    if getattr(sys, stream) is wrapper:
        setattr(sys, stream, real)


class _CapturedStream(io.BufferedIOBase):
    """Stands in for a standard stream: passes on the worker's own output, and counts and drops a handler's."""

    def __init__(self, real: TextIO, output: OutputCapture) -> None:
        super().__init__()
        self._real = real
        self._output = output

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        name = running_handler()
        if name is not None:
            self._output.print(name, size)
        elif isinstance(self._real, io.TextIOWrapper):
            self._real.flush()
            self._real.buffer.write(data)
        else:
            self._real.write(bytes(data).decode("utf-8", "backslashreplace"))
        return size

    def flush(self) -> None:
        if running_handler() is None:
            with suppress(ValueError):  # the real stream was closed first
                self._real.flush()

    def isatty(self) -> bool:
        return self._real.isatty()

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        """Leave the real stream open: it isn't ours."""
