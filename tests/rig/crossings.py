"""Kills the process at a chosen point: before or after a journal write, IMAP command, handler call or disk operation.

The test's own process (`tests.rig.doomed`) patches these points into the product's code, which knows nothing of them. A
point is a place, a side of it, and how often it was passed before, such as ("journal Tries.record", "after", 1).
"""

import functools
import imaplib
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import handlers.archive
from handlers.archive import Archive
from worker.handling.handler import Handler
from worker.journal.database import Database
from worker.mailbox.imap_client import Client
from worker.mailbox.in_flight import InFlight
from worker.mailbox.wire import Wire

Point = tuple[str, str, int]

_VERB = re.compile(rb"^\S+ ((?:UID )?[A-Z]+)[ \r]")


@dataclass
class Crossings:
    """Records each point that the process passes, and kills or stops the process at one of them."""

    deadly: Point | None = None
    strike: signal.Signals = signal.SIGKILL
    passed: list[tuple[str, str]] = field(default_factory=list)
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cross(self, place: str, side: str) -> None:
        with self._lock:
            number = self._counts[place, side]
            self._counts[place, side] += 1
            self.passed.append((place, side))
            if self.deadly == (place, side, number):
                os.kill(os.getpid(), self.strike)


current = Crossings()


def points(passed: list[tuple[str, str]]) -> list[Point]:
    """Number the crossings: each becomes a point."""
    counts: Counter[tuple[str, str]] = Counter()
    numbered: list[Point] = []
    for place, side in passed:
        numbered.append((place, side, counts[place, side]))
        counts[place, side] += 1
    return numbered


def install() -> None:
    """Patch the points into the product's code, for as long as this process lives."""
    _around_writes()
    _around_commands()
    _around(InFlight, "_answered", lambda _, sent: f"in flight {sent.name}")
    _around(InFlight, "answers", lambda _, sent: f"in flight {sent.name} begun")
    _around(Handler, "__call__", lambda handler, *_: f"handler {handler.name}")
    for name in ("flush", "_stage", "_place"):
        _around(Archive, name, lambda *_, step=name: f"archive {step.strip('_')}")
    for name in ("_write", "sync_folder", "_wait_for"):
        _around(handlers.archive, name, lambda *_, step=name: f"archive disk {step.strip('_')}")
    for name in ("fsync", "replace", "rename", "link"):
        _around(os, name, lambda *_, step=name: f"disk {step} {_file_of(sys._getframe(2))}")


def _around(owner: Any, name: str, place_of: Callable[..., str]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def traced(*arguments: Any, **options: Any) -> Any:
        place = place_of(*arguments)
        current.cross(place, "before")
        result = original(*arguments, **options)
        current.cross(place, "after")
        return result

    setattr(owner, name, traced)


def _around_writes() -> None:
    original = Database.write

    def write(self: Database, *, durable: bool = False) -> AbstractContextManager[Any]:
        return around(original(self, durable=durable), f"journal {_writer(sys._getframe(1))}")

    @contextmanager
    def around(inner: AbstractContextManager[Any], place: str) -> Iterator[Any]:
        with inner as connection:
            yield connection
            current.cross(place, "before")  # before the commit: every statement has run, and nothing is written yet
        current.cross(place, "after")

    setattr(Database, "write", write)  # noqa: B010 -- mypy forbids assigning to a method


def _around_commands() -> None:
    send, complete = Wire.send, imaplib.IMAP4._command_complete  # type: ignore[attr-defined]
    consume = Client._consume_until_tagged_response
    places: dict[bytes, str] = {}

    def traced_send(self: Wire, data: Any) -> None:
        verb = _VERB.match(bytes(data))
        if verb is None:
            send(self, data)  # a continuation of the command before
            return
        tag = bytes(data).partition(b" ")[0]
        place = places[tag] = f"imap {verb[1].decode()}"
        current.cross(place, "before")
        send(self, data)
        current.cross(place, "sent")

    def traced_complete(self: Wire, name: str, tag: Any) -> Any:
        answer = complete(self, name, tag)
        current.cross(places.pop(tag), "after")
        return answer

    def traced_consume(self: Client, tag: Any, command: str) -> Any:
        answer = consume(self, tag, command)
        current.cross(f"imap {command}", "after")
        return answer

    Client._consume_until_tagged_response = traced_consume
    Wire.send = traced_send  # type: ignore[method-assign] # a function for a method
    Wire._command_complete = traced_complete


def _writer(frame: FrameType | None) -> str:
    """The public method of the journal that writes."""
    while frame is not None:
        code = frame.f_code
        if not code.co_name.startswith("_") and "contextlib" not in code.co_filename:
            return code.co_qualname
        frame = frame.f_back
    return "?"


def _file_of(frame: FrameType | None) -> str:
    while frame is not None and "/lib/python" in frame.f_code.co_filename:
        frame = frame.f_back
    return "?" if frame is None else Path(frame.f_code.co_filename).stem
