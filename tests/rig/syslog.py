"""Takes what a program sends to syslog, and writes it to a file."""

import contextlib
import socket
import threading
from pathlib import Path

from tests.rig.daemon import give_away


class Syslog:
    """A socket such as /dev/log that the rig's servers may write to. Each message becomes a line of the file."""

    def __init__(self, path: Path, file: Path) -> None:
        self._file = file
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        give_away(path)
        self._thread = threading.Thread(target=self._run, name="syslog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        with self._file.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while message := self._socket.recv(65536):
                file.write(message.rstrip(b"\0\n") + b"\n")
