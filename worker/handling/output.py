"""Handlers are guests in our process: what they print, and the threads that they leave, are theirs by name.

What a handler prints may be content or a secret, and standard output and error are the log of a container: so it is
counted and dropped. Threads that it begins are known by the thread that began them, however many threads lie between.
"""

import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO
from weakref import WeakSet

from worker.logs import get_logger

log = get_logger()

THREADS_TO_TELL = 20
"""Threads that one handler may leave running before that is told."""

_here = threading.local()
_MARK = "_nhsmail_handler"


def running_handler() -> str | None:
    """The handler whose code this thread runs; None: it is ours."""
    return getattr(_here, "name", None) or getattr(threading.current_thread(), _MARK, None)


class OutputCapture:
    """What each handler printed, and its threads. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._printed: dict[str, int] = {}
        self._told: dict[tuple[str, str], int] = {}
        self._threads: dict[str, WeakSet[threading.Thread]] = {}
        self._remove: list[Callable[[], None]] = []

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """This thread runs this handler's code for as long as the block lasts."""
        before = getattr(_here, "name", None)
        _here.name = name
        try:
            yield
        finally:
            _here.name = before
            self._tell(name)

    def reported(self, name: str, printed: int, threads: int) -> None:
        """What a handler did in a process of its own: bytes printed just now, threads that it has left so far."""
        if printed:
            self.print(name, printed)
        self._tell(name, threads)

    def print(self, name: str, size: int) -> None:
        """The handler printed so many bytes."""
        with self._lock:
            self._printed[name] = self._printed.get(name, 0) + size

    def install(self) -> None:
        """From now on what handlers print is dropped, and their threads are known."""
        for stream in ("stdout", "stderr"):
            real = getattr(sys, stream)
            if real is None:
                continue
            gated: Any = _CapturedStream(real, self)
            gate = io.TextIOWrapper(gated, "utf-8", "backslashreplace", write_through=True)
            gate.behind = real  # type: ignore[attr-defined]  # the log, which is ours in any thread, goes there
            setattr(sys, stream, gate)
            self._remove.append(lambda stream=stream, real=real, gate=gate: _put_back(stream, real, gate))  # type: ignore[misc]  # bound at once
        start = threading.Thread.start
        setattr(threading.Thread, "start", self._marking(start))  # noqa: B010 -- nothing else tells who begins one
        self._remove.append(lambda: setattr(threading.Thread, "start", start))

    def remove(self) -> None:
        """All as it was before `install`. Handlers whose threads are still there are named."""
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

    def _alive(self, name: str) -> int:
        with self._lock:
            return sum(thread.is_alive() for thread in self._threads.get(name, ()))

    def _tell(self, name: str, threads: int | None = None) -> None:
        printed = self._printed.get(name, 0)
        if self._is_more("printed", name, printed, least=1):
            log.warning("handler.printed", handler=name, bytes=printed)
        threads = self._alive(name) if threads is None else threads
        if self._is_more("threads", name, threads, least=THREADS_TO_TELL):
            log.warning("handler.threads", handler=name, count=threads)

    def _is_more(self, what: str, name: str, number: int, *, least: int) -> bool:
        """Whether it is twice what was told last: so a handler that goes on for ever doesn't fill the log."""
        with self._lock:
            told = self._told.get((what, name), 0)
            if number < max(least, 2 * told):
                return False
            self._told[what, name] = number
            return True


def _put_back(stream: str, real: TextIO, gate: TextIO) -> None:
    if getattr(sys, stream) is gate:
        setattr(sys, stream, real)


class _CapturedStream(io.BufferedIOBase):
    """In place of a stream: passes on what is ours, and counts what a handler prints."""

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
            with suppress(ValueError):  # the stream behind was closed first
                self._real.flush()

    def isatty(self) -> bool:
        return self._real.isatty()

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        """The stream behind is somebody else's."""
