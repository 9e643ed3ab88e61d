"""A process with a handler in it, seen from the worker: started without the worker's secrets, asked, and killed."""

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
            TimeoutError: there is none in time. PeerGone, OSError, ValueError: it died, or talks nonsense.
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
