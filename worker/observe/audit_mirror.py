"""Where each line of the audit trail is copied at once, out of reach of whoever owns the state folder."""

import socket
import sys
from typing import Final

from worker.observe.access import address
from worker.observe.audit.trail import Mirror
from worker.settings import AuditSettings

FACILITY: Final = 13 * 8  # 'log audit', RFC 5424, section 6.2.1
NOTICE: Final = 5
LOCAL_SYSLOG: Final = "/dev/log"


class StandardOutput:
    """Standard output, where the container's engine takes the lines. The log itself goes to standard error."""

    def send(self, line: bytes, /) -> None:
        """One line."""
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


class Syslog:
    """A syslog service: the socket of this machine's, or the host and UDP port of another."""

    def __init__(self, address: str | tuple[str, int] = LOCAL_SYSLOG) -> None:
        self._address = address
        if isinstance(address, str):
            self._family = socket.AF_UNIX
        else:
            self._family = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0][0]

    def send(self, line: bytes, /) -> None:
        """One line. If it can't be delivered, this raises OSError; over UDP nobody says whether it arrived."""
        message = f"<{FACILITY + NOTICE}>nhsmail-worker: ".encode() + line.rstrip(b"\n")
        with socket.socket(self._family, socket.SOCK_DGRAM) as service:
            service.settimeout(1)
            service.sendto(message, self._address)


def mirror_of(settings: AuditSettings, *, stdout: bool) -> Mirror | None:
    """The mirror that the settings name. stdout: standard output is free; no command prints to a person there."""
    match settings.mirror:
        case "stdout":
            return StandardOutput() if stdout else None
        case "syslog":
            where = settings.syslog
            return Syslog(where if where.startswith("/") else address(where))
        case _:
            return None
