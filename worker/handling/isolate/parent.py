"""Handlers in processes of their own, which can be ended when they hang, die, or take too much memory.

Whatever becomes of such a process is a failure of its handler, for one message; the worker goes on.
"""

import contextlib
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from worker.handling.failure import WORDS, Came, Elsewhere
from worker.handling.isolate.frames import Ended, receive, send
from worker.message.message import Message
from worker.message.outcome import LONGEST_AFTER

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from worker.handling.isolate.child import main; main(int(sys.argv[2]))"
)
_KEPT = re.compile(r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|SSL_CERT_FILE|SSL_CERT_DIR")
_PROXY = re.compile(r"(?i)(https?|no|all)_proxy")
_CLASS = re.compile(r"[^\W\d]\w{0,99}")
_PLACE = re.compile(r"[\w.]{1,100}:\d{1,7}")
_LONGEST_ANSWER = 100_000
_CLOSING = 5.0
"""Seconds that a handler has for its `close`."""


class CannotStart(Exception):
    """The process was started, and the handler in it can't be built."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What is in the process. target: `module:name`. own: its settings. memory: bytes. limit, start: s."""

    name: str
    target: str
    own: Any
    memory: int
    limit: float
    start: float


class Isolated:
    """One handler, in as many processes as there are calls at a time. Any number of threads may call it."""

    def __init__(
        self,
        inside: Inside,
        heard: Callable[[str, int, int], None] = lambda _name, _printed, _threads: None,
        *,
        headers_only: bool = False,
    ) -> None:
        """Starts the first process. heard: told of the bytes that each call printed, and of threads left over.

        Raises:
            CannotStart, TimeoutError: the handler can't be built, or not in time.
        """
        self._inside = inside
        self._heard = heard
        self.headers_only = headers_only
        self._lock = threading.Lock()
        self._closed = False
        self._all: set[_Process] = set()
        self._idle = [self._started()]

    def __call__(self, message: Message) -> None:
        """Give the message to a process, and go by its answer.

        Raises:
            Elsewhere: the handler raised something, or its process died or was killed.
        """
        process = self._taken()
        try:
            answer = process.ask(pickle.dumps(message), self._inside.limit)
        except TimeoutError:
            self._end(process)
            raise Elsewhere(Came("error", "TimedOut")) from None
        except (Ended, OSError, ValueError):
            self._end(process)
            raise Elsewhere(Came("error", "Died")) from None
        except BaseException:
            self._end(process)  # nobody knows what it was told, and nobody would call it again
            raise
        if answer.get("kind") == "MemoryError":
            self._end(process)  # nobody knows what in it is still whole
        else:
            with self._lock:
                self._idle.append(process)
        self._heard(self._inside.name, _count(answer, "printed"), _count(answer, "threads"))
        if answer.get("word") != "done":
            raise Elsewhere(_came(answer))

    def close(self) -> None:
        """End all processes: those at rest in order."""
        with self._lock:
            self._closed = True
            resting, self._idle = self._idle, []
        for process in resting:
            with contextlib.suppress(Ended, OSError, ValueError):
                process.ask(b"", _CLOSING)
        for process in list(self._all):
            self._end(process)

    def _taken(self) -> "_Process":
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._closed:
                raise Elsewhere(Came("error", "Closed"))
        try:
            return self._started()
        except (CannotStart, TimeoutError, OSError) as error:
            kind = "TimedOut" if isinstance(error, TimeoutError) else type(error).__name__
            raise Elsewhere(Came("error", kind)) from None

    def _started(self) -> "_Process":
        process = _Process()
        with self._lock:
            self._all.add(process)
        inside = self._inside
        try:
            what = (inside.name, inside.target, inside.own, inside.memory)
            answer = process.ask(pickle.dumps(what), inside.start)
        except (Ended, ValueError):
            self._end(process)
            raise CannotStart("its process died") from None
        except BaseException:
            self._end(process)
            raise
        if "kind" in answer:
            self._end(process)
            raise CannotStart(f"{answer['kind']}: {answer.get('words', '')}".removesuffix(": "))
        return process

    def _end(self, process: "_Process") -> None:
        process.end()
        with self._lock:
            self._all.discard(process)


class _Process:
    """A process and the socket to it. One thread at a time asks it."""

    def __init__(self) -> None:
        self._ending = threading.Lock()
        self._peer, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- this interpreter
                [sys.executable, "-I", "-c", _BOOT, json.dumps(sys.path), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment(os.environ),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def ask(self, request: bytes, seconds: float) -> dict[str, Any]:
        """Its answer.

        Raises:
            TimeoutError: there is none in time. Ended, OSError, ValueError: it died, or talks nonsense.
        """
        until = time.monotonic() + seconds

        def in_time() -> None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._peer.settimeout(left)

        in_time()
        send(self._peer, request)
        answer = json.loads(receive(self._peer, most=_LONGEST_ANSWER, before=in_time))
        if not isinstance(answer, dict):
            raise ValueError("not an answer")  # noqa: TRY004 -- what it says is wrong, not what we did
        return answer

    def end(self) -> None:
        """Kill it and all that it started (and that did not move to a session of its own)."""
        with self._ending:
            # It isn't waited for before that, so that its number can't have become another's.
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._peer.close()


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What such a process is told of ours: no secret, so nothing but what is known to be none."""
    return {
        name: value
        for name, value in given.items()
        if _KEPT.fullmatch(name) or (_PROXY.fullmatch(name) and "@" not in value)
    }


def _came(answer: Mapping[str, Any]) -> Came:
    """What the process says, in the form that it must have: the code in it isn't ours."""
    word, kind, after, where = (answer.get(key) for key in ("word", "kind", "after", "where"))
    wait = None
    if isinstance(after, int | float):
        with contextlib.suppress(ValueError, OverflowError):
            wait = min(timedelta(seconds=after), LONGEST_AFTER)
    return Came(
        word if word in WORDS else "error",
        kind if isinstance(kind, str) and all(map(_CLASS.fullmatch, kind.split(":"))) else "Unknown",
        wait,
        where if isinstance(where, str) and _PLACE.fullmatch(where) else None,
    )


def _count(answer: Mapping[str, Any], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0
