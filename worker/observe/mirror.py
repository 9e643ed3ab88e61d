"""Where copies of the audit trail's lines go at once, out of reach of whoever owns the state folder."""

import socket
import sys
from collections.abc import Callable
from typing import Final

FACILITY: Final = 13 * 8  # 'log audit', RFC 5424, section 6.2.1
NOTICE: Final = 5
LOCAL_SYSLOG: Final = "/dev/log"


def to_stdout(line: bytes) -> None:
    """One line on standard output, where the container's engine takes it. The log itself goes to standard error."""
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def to_syslog(address: str | tuple[str, int] = LOCAL_SYSLOG) -> Callable[[bytes], None]:
    """Sends to a syslog service: the socket of this machine's, or the host and UDP port of another.

    A line that can't be delivered raises OSError there and then; over UDP nobody says whether it arrived.
    """
    family = socket.AF_UNIX if isinstance(address, str) else socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0][0]

    def send(line: bytes) -> None:
        message = f"<{FACILITY + NOTICE}>nhsmail-worker: ".encode() + line.rstrip(b"\n")
        with socket.socket(family, socket.SOCK_DGRAM) as service:
            service.settimeout(1)
            service.sendto(message, address)

    return send
