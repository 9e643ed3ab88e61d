"""Looks at other processes through /proc, as a handler or as a program of the `command` handler could, and writes down
what it sees.
"""

import ctypes
import errno
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from worker import Message

_PIDFD_GETFD = 438


class Snoop:
    """A handler that looks at each process above its own, and at a file.

    While `hold` exists, the call doesn't return.
    """

    class Settings(BaseModel):
        report: Path
        wanted: str
        file: Path
        hold: Path

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, _message: Message) -> None:
        look(self._settings.report, self._settings.wanted, self._settings.file, self._settings.hold)


def look(report: Path, secret: str, file: Path, hold: Path) -> None:
    """Write the report, all at once, and wait while `hold` exists."""
    found: dict[str, Any] = {"pid": os.getpid(), "uid": os.getuid(), "groups": os.getgroups()}
    found["file"] = _tried(lambda: file.read_text(), secret)
    found["status"] = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    found["processes"] = {}
    pid = os.getppid()
    while pid > 1:
        found["processes"][str(pid)] = seen(pid, secret)
        pid = int(re.findall(r"^PPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[0])
    new = report.with_name(f"{report.name}.{os.getpid()}")
    new.write_text(json.dumps(found))
    new.rename(report)
    while hold.exists():
        time.sleep(0.01)


def seen(pid: int, secret: str) -> dict[str, str]:
    """What this process sees of another: `secret` where it found the secret, `read`, or why it may not look."""
    place = Path(f"/proc/{pid}")
    return {
        "environ": _tried(lambda: (place / "environ").read_text(), secret),
        "maps": _tried(lambda: (place / "maps").read_text(), secret),
        "mem": _tried(lambda: _memory(place, secret), secret),
        "fd": _tried(lambda: " ".join(one.name for one in (place / "fd").iterdir()), secret),
        "descriptor": _tried(lambda: _taken_from(pid), secret),
        "cwd": _tried(lambda: str((place / "cwd").readlink()), secret),
    }


def _tried(read: Callable[[], str], secret: str) -> str:
    try:
        return "secret" if secret in read() else "read"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def _memory(place: Path, secret: str) -> str:
    with (place / "mem").open("rb", buffering=0) as memory:
        for line in (place / "maps").read_text().splitlines():
            begin, end = (int(number, 16) for number in line.split()[0].split("-"))
            if line.split()[1].startswith("rw") and end < 1 << 62:
                memory.seek(begin)
                try:
                    if secret.encode() in (memory.read(end - begin) or b""):
                        return secret
                except OSError:
                    continue
    return ""


def _taken_from(pid: int) -> str:
    """Take a copy of its first descriptor, as one could of its connection to the server."""
    handle = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        taken = libc.syscall(_PIDFD_GETFD, handle, 0, 0)
        if taken < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        os.close(taken)
    finally:
        os.close(handle)
    return ""


if __name__ == "__main__":
    look(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
