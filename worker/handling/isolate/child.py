"""The child process: holds one handler, and no connection, journal or secret of the worker's.

Over a socket, the worker first sends what to build, and then one message at a time. The answers are JSON with fixed
words and class names, so that no content of a message gets back. The child ends when the worker ends, for whatever
reason.
"""

import contextlib
import io
import json
import os
import pickle
import resource
import select
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from worker.handling.building import built, imported
from worker.handling.failure import CallFailure
from worker.handling.foreign_code import words_of
from worker.handling.handler import Handler
from worker.handling.isolate.frames import receive, send

MARGIN = 200_000_000
"""Memory in bytes that the interpreter and its libraries take before any message."""


class _Counting(io.BufferedIOBase):
    """A stream that counts the bytes written to it and drops them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.count += size
        return size


def main(descriptor: int) -> NoReturn:
    """Serve the worker's requests until there are no more. descriptor: of the socket."""
    peer = socket.socket(fileno=descriptor)
    printed = _Counting()
    stream: Any = printed
    sys.stdout = sys.stderr = io.TextIOWrapper(stream, "utf-8", "replace", write_through=True)
    threading.Thread(target=_end_with, args=(peer,), daemon=True).start()
    try:
        _serve(peer, printed)
    finally:
        os._exit(os.EX_OK)  # also after an error, and without the handler's threads and exit hooks


def _end_with(peer: socket.socket) -> None:
    """Wait until the worker is gone, then kill this process and everything it started."""
    poll = select.poll()
    poll.register(peer, 0)  # a hang-up is reported even if no event is asked for
    poll.poll()
    os.killpg(0, signal.SIGKILL)


def _serve(peer: socket.socket, printed: _Counting) -> None:
    name, target, own, memory = pickle.loads(receive(peer))  # noqa: S301 -- from the worker, which started this
    _bound(memory)
    try:
        handler = built(name, imported(target), own)
    except BaseException as error:  # noqa: BLE001 -- other people's code
        send(peer, _json({"kind": CallFailure.of(error).kind, "words": words_of(error)}))
        return
    send(peer, _json({}))
    threads = threading.active_count()
    while (request := receive(peer)) != b"":
        before = printed.count
        answer = _answer(handler, request)
        del request  # a message may be large: release it
        answer["printed"] = printed.count - before
        answer["threads"] = threading.active_count() - threads
        send(peer, _json(answer))
    handler.close()
    send(peer, _json({}))


def _answer(handler: Handler, request: bytes) -> dict[str, Any]:
    """Handle a message. Flushed before the answer is sent, because the worker may kill this process at any time."""
    try:
        handler(pickle.loads(request))  # noqa: S301 -- from the worker
        handler.flush()
    except BaseException as error:  # noqa: BLE001 -- other people's code
        failure = CallFailure.of(error)
        after = None if failure.after is None else failure.after.total_seconds()
        return {"word": failure.word, "kind": failure.kind, "after": after, "where": failure.where}
    return {"word": "done"}


def _bound(memory: int) -> None:
    """Limit the memory, write no core file (it would hold mail), and be the first to be killed when memory runs out."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory + MARGIN, memory + MARGIN))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode()
