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
from dataclasses import asdict
from typing import Any

from worker.handling.isolate.frames import receive, send
from worker.handling.isolate.other_user import OtherUser

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from worker.handling.isolate.child import main; "
    "from worker.handling.isolate.other_user import OtherUser; "
    "user = json.loads(sys.argv[3]); main(int(sys.argv[2]), user and OtherUser(**user))"
)
_KEPT = re.compile(r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|SSL_CERT_FILE|SSL_CERT_DIR")
_PROXY = re.compile(r"(?i)(https?|no|all)_proxy")
_LONGEST_ANSWER = 100_000


class ChildProcess:
    """A child process and the socket to it. Only one thread at a time may call `ask`."""

    def __init__(self, user: OtherUser | None = None) -> None:
        """user: whom it runs as; None: whom we run as."""
        self._ending = threading.Lock()
        self._peer, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- this interpreter
                [sys.executable, "-I", "-c", _BOOT, json.dumps(sys.path), *self._told(theirs.fileno(), user)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment(os.environ, user),
                cwd=None if user is None else "/",  # our own folder may be closed to that user
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

    def end(self, seconds: float) -> bool:
        """Kill the process and everything it started, except what moved to a session of its own.

        Returns:
            Whether it has ended within this time. A process may outlast that: one that we may not signal, or that waits
            for a disk. Then call this again later.
        """
        with self._ending:
            # Kill before `wait`: once the process has been reaped, its id may belong to another one.
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                with contextlib.suppress(OSError):
                    self._peer.shutdown(socket.SHUT_RDWR)  # at a hang-up it kills itself, if it still can
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            self._peer.close()
            return True

    @staticmethod
    def _told(descriptor: int, user: OtherUser | None) -> tuple[str, str]:
        return str(descriptor), json.dumps(user and asdict(user))


def environment(given: Mapping[str, str], user: OtherUser | None = None) -> dict[str, str]:
    """The environment for the child: only variables that are known to hold no secret.

    user: whom it runs as, if not as us. It has a home of its own, and may not be able to write in our `TMPDIR`.
    """
    kept = {
        name: value
        for name, value in given.items()
        if _KEPT.fullmatch(name) or (_PROXY.fullmatch(name) and "@" not in value)
    }
    if user is not None:
        kept.pop("TMPDIR", None)
        kept["HOME"] = user.home
    return kept
