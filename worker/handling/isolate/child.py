"""The child process: holds one handler, and no connection, journal or secret of the worker's.

It first closes itself to other processes and, where the settings say so, changes to another user. Over a socket, the
worker then sends what to build, and one message at a time. The answers are JSON with fixed
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

import worker
from nhsmail_worker import close_to_others
from worker.handling.building import built, imported
from worker.handling.failure import CallFailure
from worker.handling.foreign_code import words_of
from worker.handling.handler import Handler
from worker.handling.isolate.frames import receive, send
from worker.handling.isolate.log_lines import LinesToTell
from worker.handling.isolate.other_user import OtherUser, become
from worker.handling.retention import CopiesRequest
from worker.handling.target_down import is_down

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


def main(descriptor: int, user: OtherUser | None) -> NoReturn:
    """Serve the worker's requests until there are no more. descriptor: of the socket. user: whom to change to."""
    load_public_names()
    refused = _entered(user)
    peer = socket.socket(fileno=descriptor)
    printed = _Counting()
    stream: Any = printed
    sys.stdout = sys.stderr = io.TextIOWrapper(stream, "utf-8", "replace", write_through=True)
    threading.Thread(target=_end_with, args=(peer,), daemon=True).start()
    try:
        _serve(peer, printed, refused)
    finally:
        os._exit(os.EX_OK)  # also after an error, and without the handler's threads and exit hooks


def load_public_names() -> None:
    """Import what a handler imports of the worker, before the change of the user: the other one may not read it."""
    for name in worker.__all__:
        getattr(worker, name)


def _end_with(peer: socket.socket) -> None:
    """Wait until the worker is gone, then kill this process and everything it started."""
    poll = select.poll()
    poll.register(peer, 0)  # a hang-up is reported even if no event is asked for
    poll.poll()
    os.killpg(0, signal.SIGKILL)


def _entered(user: OtherUser | None) -> OSError | None:
    """Become what the handler may run in, before anything of it arrives. Returns why the system refuses the user."""
    with contextlib.suppress(OSError):
        # Be the first to be killed when memory runs out. Once closed to others, a process may not write this any more.
        Path("/proc/self/oom_score_adj").write_text("1000")
    close_to_others()
    if user is None:
        return None
    try:
        become(user)
    except OSError as error:
        return error
    close_to_others()  # a change of the user sets this to what fs.suid_dumpable says
    return None


def _serve(peer: socket.socket, printed: _Counting, refused: OSError | None) -> None:
    request = receive(peer)
    try:
        _must_be(refused)
        name, target, own, memory, proxy = pickle.loads(request)  # noqa: S301 -- from the worker, which started this
        _bound(memory)
        handler = built(name, imported(target), own, proxy)
    except BaseException as error:  # noqa: BLE001 -- other people's code
        send(peer, _json(_told(CallFailure.of(error)) | {"words": words_of(error), "down": is_down(error)}))
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


def _must_be(refused: OSError | None) -> None:
    if refused is not None:
        raise refused


def _answer(handler: Handler, request: bytes) -> dict[str, Any]:
    """Handle a message, or look after old copies.

    Flushed before the answer is sent, because the worker may kill this process at any time.
    """
    lines = LinesToTell()
    try:
        asked = pickle.loads(request)  # noqa: S301 -- from the worker
        if isinstance(asked, CopiesRequest):
            return {"word": "done", "copies": asked.asked_of(handler.copies)}
        with asked.log.heard_by(lines):
            handler(asked)
            handler.flush()
    except BaseException as error:  # noqa: BLE001 -- other people's code
        return _told(CallFailure.of(error, handler.outages, handler.module)) | lines.answer()
    return {"word": "done"} | lines.answer()


def _told(failure: CallFailure) -> dict[str, Any]:
    """The failure as the worker is told of it."""
    after = None if failure.after is None else failure.after.total_seconds()
    return {
        "word": failure.word,
        "kind": failure.kind,
        "about": failure.about,
        "after": after,
        "where": failure.where,
        "fault": failure.fault,
    }


def _bound(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory + MARGIN, memory + MARGIN))


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode()
