"""Calls a handler in child processes, which can be killed when they hang and may die without harm to the worker.

Whatever happens to a child process is a failure of its handler with one message.
"""

import contextlib
import pickle
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from worker.handling.failure import WORDS, CallFailure, RemoteFailure
from worker.handling.isolate.child_process import ChildProcess
from worker.handling.isolate.frames import PeerGone
from worker.message.message import Message
from worker.message.outcome import LONGEST_AFTER

_CLASS = re.compile(r"[^\W\d]\w{0,99}")
_PLACE = re.compile(r"[\w.]{1,100}:\d{1,7}")
_CLOSING = 5.0
"""Seconds that a child process has to close its handler."""


class CannotStart(Exception):
    """The child process started, but the handler couldn't be built in it."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The handler to build in a child process, and its limits.

    target: `module:name`. own: the handler's settings. memory: bytes. limit: seconds per call. start: seconds to build.
    """

    name: str
    target: str
    own: Any
    memory: int
    limit: float
    start: float


class OutputObserver(Protocol):
    """Told what handlers in child processes print, and how many threads they leave."""

    def reported(self, name: str, printed: int, threads: int, /) -> None:
        """The handler's last call printed this many bytes; this many threads of it are still running."""


class IsolatedHandler:
    """One handler, in as many child processes as there are calls at a time. Thread-safe."""

    def __init__(
        self,
        spec: ChildSpec,
        output: OutputObserver | None = None,
        *,
        headers_only: bool = False,
    ) -> None:
        """Start the first child process.

        headers_only: whether the handler needs no more of a message than its headers.

        Raises:
            CannotStart, TimeoutError: the handler can't be built, or not in time.
        """
        self._spec = spec
        self._output = output
        self.headers_only = headers_only
        self._lock = threading.Lock()
        self._closed = False
        self._all: set[ChildProcess] = set()
        self._idle = [self._started()]

    def __call__(self, message: Message) -> None:
        """Handle the message in a child process.

        Raises:
            RemoteFailure: the handler raised an exception, or its process died or was killed.
        """
        process = self._taken()
        try:
            answer = process.ask(pickle.dumps(message), self._spec.limit)
        except TimeoutError:
            self._end(process)
            raise RemoteFailure(CallFailure("error", "TimedOut")) from None
        except (PeerGone, OSError, ValueError):
            self._end(process)
            raise RemoteFailure(CallFailure("error", "Died")) from None
        except BaseException:
            self._end(process)  # it may have received half a request
            raise
        if answer.get("kind") == "MemoryError":
            self._end(process)  # its state may be corrupt
        else:
            with self._lock:
                self._idle.append(process)
        if self._output is not None:
            self._output.reported(self._spec.name, _count(answer, "printed"), _count(answer, "threads"))
        if answer.get("word") != "done":
            raise RemoteFailure(_failure_in(answer))

    def close(self) -> None:
        """End all child processes. Idle ones close their handler first; those in a call are killed."""
        with self._lock:
            self._closed = True
            resting, self._idle = self._idle, []
        for process in resting:
            with contextlib.suppress(PeerGone, OSError, ValueError):
                process.ask(b"", _CLOSING)
        for process in list(self._all):
            self._end(process)

    def _taken(self) -> ChildProcess:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._closed:
                raise RemoteFailure(CallFailure("error", "Closed"))
        try:
            return self._started()
        except (CannotStart, TimeoutError, OSError) as error:
            kind = "TimedOut" if isinstance(error, TimeoutError) else type(error).__name__
            raise RemoteFailure(CallFailure("error", kind)) from None

    def _started(self) -> ChildProcess:
        process = ChildProcess()
        with self._lock:
            self._all.add(process)
        spec = self._spec
        try:
            what = (spec.name, spec.target, spec.own, spec.memory)
            answer = process.ask(pickle.dumps(what), spec.start)
        except (PeerGone, ValueError):
            self._end(process)
            raise CannotStart("its process died") from None
        except BaseException:
            self._end(process)
            raise
        if "kind" in answer:
            self._end(process)
            raise CannotStart(f"{answer['kind']}: {answer.get('words', '')}".removesuffix(": "))
        return process

    def _end(self, process: ChildProcess) -> None:
        process.end()
        with self._lock:
            self._all.discard(process)


def _failure_in(answer: Mapping[str, Any]) -> CallFailure:
    """The failure in a child's answer. Every field is checked, because the child runs other people's code."""
    word, kind, after, where = (answer.get(key) for key in ("word", "kind", "after", "where"))
    wait = None
    if isinstance(after, int | float):
        with contextlib.suppress(ValueError, OverflowError):
            wait = min(timedelta(seconds=after), LONGEST_AFTER)
    return CallFailure(
        word if word in WORDS else "error",
        kind if isinstance(kind, str) and all(map(_CLASS.fullmatch, kind.split(":"))) else "Unknown",
        wait,
        where if isinstance(where, str) and _PLACE.fullmatch(where) else None,
    )


def _count(answer: Mapping[str, Any], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0
