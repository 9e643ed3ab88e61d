"""Starts a child process for a handler, without the worker's secrets, talks to it, and kills it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from worker.handling.isolate.frames import receive, send

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from worker.handling.isolate.child import main; main(int(sys.argv[2]))"
)
_KEPT = re.compile(r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|SSL_CERT_FILE|SSL_CERT_DIR")
_PROXY = re.compile(r"(?i)(https?|no|all)_proxy")
_LONGEST_ANSWER = 100_000


class ChildProcess:
    """A child process and the socket to it. Only one thread at a time may call `ask`."""

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
        """Send a request and return the answer.

        Raises:
            TimeoutError: there was no answer in time. PeerGone, OSError, ValueError: it died, or its answer is invalid.
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
            raise ValueError("not an answer")  # noqa: TRY004 -- the data is wrong, not a type in our code
        return answer

    def end(self) -> None:
        """Kill the process and everything it started, except what moved to a session of its own."""
        with self._ending:
            # Kill before `wait`: once the process has been reaped, its id may belong to another one.
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._peer.close()


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment for the child: only variables that are known to hold no secret."""
    return {
        name: value
        for name, value in given.items()
        if _KEPT.fullmatch(name) or (_PROXY.fullmatch(name) and "@" not in value)
    }
