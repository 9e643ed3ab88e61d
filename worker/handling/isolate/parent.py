"""Calls a handler in child processes, which can be killed when they hang and may die without harm to the worker.

Whatever happens to a child process is a failure of its handler with one message.
"""

import contextlib
import pickle
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from worker.connections import Proxy
from worker.handling.failure import KEY_TAKEN, WORDS, CallFailure, RemoteFailure, is_slug
from worker.handling.isolate.child_process import ChildProcess
from worker.handling.isolate.frames import PeerGone
from worker.handling.isolate.log_lines import repeat_lines
from worker.handling.isolate.other_user import OtherUser
from worker.handling.outage import About
from worker.handling.retention import CopiesRequest, checked_look, checked_removal
from worker.handling.target_down import NotThereYet
from worker.logs.log import get_logger
from worker.logs.system_words import fault_words
from worker.message.copies import Look, OldCopies, RemovedCopies
from worker.message.message import Message
from worker.message.outcome import LONGEST_AFTER, Reject

log = get_logger()

_CLASS = re.compile(r"[^\W\d]\w{0,99}")
_PLACE = re.compile(r"[\w.]{1,100}:\d{1,7}")
_CLOSING = 5.0
"""Seconds that a child process has to close its handler."""
ENDING = 5.0
"""Seconds to wait until a process that was killed is gone."""
MOST_LEFT = 4
"""So many processes of a handler that can't be ended: it has no more."""


class CannotStart(Exception):
    """The child process started, but the handler couldn't be built in it. about: what that tells us of."""

    def __init__(self, words: str, about: About = About.NOTHING) -> None:
        super().__init__(words)
        self.about = about


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The handler to build in a child process, and its limits.

    target: `module:name`. own: the handler's settings. memory: bytes. limit: seconds per call. start: seconds to build.
    user: whom it runs as; None: whom we run as. proxy: only for a handler that asks for it, as it holds a password.
    """

    name: str
    target: str
    own: Any
    memory: int
    limit: float
    start: float
    user: OtherUser | None = None
    proxy: Proxy | None = None


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
            NotThereYet: it can't be built yet, because what it talks to isn't there.
        """
        self._spec = spec
        self._output = output
        self.headers_only = headers_only
        self._lock = threading.Lock()
        self._closed = False
        self._all: set[ChildProcess] = set()
        self._left: set[ChildProcess] = set()
        self._idle = [self._started()]

    def __call__(self, message: Message) -> None:
        """Handle the message in a child process.

        Raises:
            RemoteFailure: the handler raised an exception, or its process died or was killed.
        """
        self._ask(message)

    def old_copies(self, look: Look) -> OldCopies:
        """Look for old copies in a child process. Raises as a call does, and `NoAnswer`."""
        return checked_look(self._copies(CopiesRequest(look)), look)

    def remove_copies(self, names: Sequence[str], before: datetime) -> RemovedCopies:
        """Remove old copies in a child process. Raises as a call does, and `NoAnswer`."""
        return checked_removal(self._copies(CopiesRequest(None, tuple(names), before)), names)

    def _copies(self, request: CopiesRequest) -> Mapping[str, Any]:
        told = self._ask(request).get("copies")
        return told if isinstance(told, dict) else {}

    def _ask(self, request: Message | CopiesRequest) -> Mapping[str, Any]:
        process = self._taken()
        try:
            answer = process.ask(pickle.dumps(request), self._spec.limit)
        except TimeoutError:
            self._end(process)
            raise RemoteFailure(_cut_off("TimedOut")) from None
        except (PeerGone, OSError, ValueError):
            self._end(process)
            raise RemoteFailure(_cut_off("Died")) from None
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
        if isinstance(request, Message):
            repeat_lines(answer, request.log)
        if answer.get("word") != "done":
            raise RemoteFailure(_failure_in(answer))
        return answer

    def close(self) -> None:
        """End all child processes. Idle ones close their handler first; those in a call are killed."""
        with self._lock:
            self._closed = True
            resting, self._idle = self._idle, []
        for process in resting:
            with contextlib.suppress(PeerGone, OSError, ValueError):
                process.ask(b"", _CLOSING)
        until = time.monotonic() + ENDING
        for process in list(self._all):
            self._end(process, until - time.monotonic())

    def _taken(self) -> ChildProcess:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._closed:
                raise RemoteFailure(_cut_off("Closed"))
        try:
            return self._started()
        except NotThereYet as error:
            raise RemoteFailure(CallFailure("retry", error.kind, error.after, about=About.TARGET)) from None
        except CannotStart as error:
            raise RemoteFailure(CallFailure("error", "CannotStart", about=error.about)) from None
        except TimeoutError:
            raise RemoteFailure(_cut_off("TimedOut")) from None
        except OSError as error:
            raise RemoteFailure(replace(CallFailure.of(error), where=None)) from None  # the line is ours

    def _started(self) -> ChildProcess:
        self._see_to_those_left()
        spec = self._spec
        process = ChildProcess(spec.user)
        with self._lock:
            self._all.add(process)
        try:
            what = (spec.name, spec.target, spec.own, spec.memory, spec.proxy)
            answer = process.ask(pickle.dumps(what), spec.start)
        except (PeerGone, ValueError):
            self._end(process)
            raise CannotStart("its process died") from None
        except BaseException:
            self._end(process)
            raise
        if "kind" in answer:
            self._end(process)
            failure = _failure_in(answer)
            words = str(answer.get("words", ""))
            if answer.get("down") is True:
                raise NotThereYet(failure.kind, words, failure.after)
            # A constructor that says nothing of its target has seen no message, either.
            about = About.TARGET if failure.about is About.TARGET else About.NOTHING
            raise CannotStart(f"{answer['kind']}: {words}".removesuffix(": "), about)
        return process

    def _end(self, process: ChildProcess, seconds: float | None = None) -> None:
        if process.end(ENDING if seconds is None else max(seconds, 0.0)):
            self._forget(process)
            return
        with self._lock:
            is_new = process not in self._left
            self._left.add(process)
            count = len(self._left)
        if is_new:
            log.warning("handler.not_ended", handler=self._spec.name, count=count)

    def _see_to_those_left(self) -> None:
        """Take away the processes that have ended since. Raises `CannotStart` if too many haven't."""
        with self._lock:
            left = list(self._left)
        for process in left:
            if process.end(0.0):
                self._forget(process)
        with self._lock:
            count = len(self._left)
        if count >= MOST_LEFT:
            # No message's fault: the handler is paused, as when what it talks to is down.
            raise CannotStart(f"{count} of its processes can't be ended", About.TARGET)

    def _forget(self, process: ChildProcess) -> None:
        with self._lock:
            self._all.discard(process)
            self._left.discard(process)


def _cut_off(kind: str) -> CallFailure:
    """The failure of a call that we ended, or that ended with its process."""
    return CallFailure("error", kind, about=About.NOTHING)


def _failure_in(answer: Mapping[str, Any]) -> CallFailure:
    """The failure in a child's answer. Every field is checked, because the child runs other people's code."""
    keys = ("word", "kind", "after", "where", "about", "fault")
    word, kind, after, where, about, fault = (answer.get(key) for key in keys)
    wait = None
    if isinstance(after, int | float):
        with contextlib.suppress(ValueError, OverflowError):
            wait = min(timedelta(seconds=after), LONGEST_AFTER)
    return CallFailure(
        word if word in WORDS else "error",
        kind if isinstance(kind, str) and _is_kind(kind) else "Unknown",
        wait,
        where if isinstance(where, str) and _PLACE.fullmatch(where) else None,
        About(about) if about in list(About) else About.MESSAGE,
        fault if isinstance(fault, str) and fault_words(fault) else None,
    )


def _is_kind(kind: str) -> bool:
    if kind == KEY_TAKEN or all(map(_CLASS.fullmatch, kind.split(":"))):
        return True
    rejected, _, slug = kind.partition(":")
    return rejected == Reject.__name__ and is_slug(slug)


def _count(answer: Mapping[str, Any], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0
