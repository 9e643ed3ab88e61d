"""A real clamd with a signature of our own, since a closed network can't fetch ClamAV's. Debian: clamav-daemon."""

import contextlib
import socket
from collections.abc import Sequence

from tests.rig.daemon import Daemon, program
from tests.rig.tls import ADDRESS

WORD = b"an-infection-of-the-test-rig"
"""The text that this clamd reports as an infection."""


class Clamd(Daemon):
    """Listens on a Unix socket and on TCP. Scans streams of up to `stream` bytes, and files in them of up to `file`."""

    name = "clamd"

    def __init__(self, *, stream: str = "1M", file: str = "25M", alert: bool = True) -> None:
        self._limits = (stream, file)
        self._alert = alert
        super().__init__()

    @property
    def unix_url(self) -> str:
        return f"unix://{self.root}/clamd.sock"

    @property
    def tcp_url(self) -> str:
        return f"tcp://{ADDRESS}:{self.port}"

    def ready(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, self.port), 5) as connection:
            connection.sendall(b"zPING\0")
            return connection.recv(100) == b"PONG\0"
        return False

    def _prepare(self) -> None:
        database = self.root / "db"
        database.mkdir()
        (database / "rig.ndb").write_text(f"Rig.Infection:0:*:{WORD.hex()}\n")
        stream, file = self._limits
        lines = {
            "DatabaseDirectory": database,
            "LocalSocket": self.root / "clamd.sock",
            "LocalSocketMode": "666",
            "TCPSocket": self.port,
            "TCPAddr": ADDRESS,
            "TemporaryDirectory": self.root,
            "Foreground": "yes",
            "StreamMaxLength": stream,
            "MaxFileSize": file,
            "AlertExceedsMax": "yes" if self._alert else "no",
            "AlertEncryptedArchive": "yes",
            "SelfCheck": "3600",
        }
        (self.root / "clamd.conf").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))

    def _command(self) -> Sequence[str]:
        return (program("clamd", "clamav-daemon"), "--config-file", str(self.root / "clamd.conf"))
