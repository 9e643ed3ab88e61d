"""Handlers for tests: one that records its calls in a ledger, and several that fail."""

import gzip
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from worker import Message, Reject, Retry


def number_of(message: Message) -> int:
    """The number of a message made by `tests.rig.letters`; 0 for any other message."""
    return int(message.headers.get("X-Number") or 0)


class Ledger:
    """Writes one line when it is called and one when it returns, so that even a killed process leaves a record."""

    class Settings(BaseModel):
        file: Path
        hold: Path | None = None
        """The call doesn't return while this file exists."""
        seconds: float = 0.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, message: Message) -> None:
        self._write(message, done=False)
        time.sleep(self._settings.seconds)
        while self._settings.hold is not None and self._settings.hold.exists():
            time.sleep(0.005)
        self._write(message, done=True)

    def _write(self, message: Message, *, done: bool) -> None:
        line = {
            "key": str(message.key),
            "number": number_of(message),
            "path": str(message.path),
            "sha256": message.sha256,
            "done": done,
        }
        file = os.open(self._settings.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        finally:
            os.close(file)


class Failing:
    """Fails `times` times for each message, then succeeds. With -1 it always fails."""

    class Settings(BaseModel):
        times: int = -1
        how: Literal["error", "retry", "reject", "exit"] = "error"
        after: float | None = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, message: Message) -> None:
        with self._lock:
            failures = self._failures[message.key]
            self._failures[message.key] += 1
        if self._settings.times != -1 and failures >= self._settings.times:
            return
        after = self._settings.after
        match self._settings.how:
            case "retry":
                raise Retry("not now", after=None if after is None else timedelta(seconds=after))
            case "reject":
                raise Reject("never")
            case "exit":
                raise SystemExit(3)
            case _:
                raise ValueError("as it was told to")


class Connecting:
    """Connects to a port when it is built, as a client of a database may, and takes every message."""

    class Settings(BaseModel):
        port: int

    def __init__(self, settings: Settings) -> None:
        socket.create_connection(("127.0.0.1", settings.port), timeout=5).close()

    def __call__(self, message: Message) -> None:
        pass


class Unflushable:
    """Works only in `flush`, like a handler that writes in batches, and fails there `times` times."""

    class Settings(BaseModel):
        file: Path
        times: int = 1

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failures = 0
        self._lock = threading.Lock()
        self._waiting: list[str] = []

    def __call__(self, message: Message) -> None:
        with self._lock:
            self._waiting.append(message.sha256)

    def flush(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if waiting and self._failures < self._settings.times:
            self._failures += 1
            raise OSError("no space left on device")
        with self._settings.file.open("a") as file:
            file.writelines(f"{item}\n" for item in waiting)


class Poison:
    """Does what the message's X-Poison header says: fails, kills the process in some way, or never returns."""

    def __call__(self, message: Message) -> None:
        match (message.headers.get("X-Poison") or "").strip():
            case "error":
                raise ValueError("not a report")
            case "gzip":
                raise gzip.BadGzipFile("not a gzipped file")
            case "memory":
                raise MemoryError
            case "recursion":
                _fall()
            case "exit":
                os._exit(3)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                threading.Event().wait()


def _fall() -> None:
    _fall()


class Talkative:
    """Prints the subject, and leaves a thread running."""

    def __call__(self, message: Message) -> None:
        sys.stdout.write(message.subject + "\n")
        sys.stderr.write(message.subject + "\n")
        threading.Thread(target=threading.Event().wait, daemon=True).start()
