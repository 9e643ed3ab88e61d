"""Counts the round trips that nothing overlaps: those for which the client can do nothing but wait.

A command counts if its client, when it sends it, has read everything that it asked for before. A command that is sent
while an answer is still on its way, or is still unread, costs no wait of its own.
"""

import re
from pathlib import Path
from typing import Self

from tests.rig.proxy import Instead, Proxy, Response
from tests.rig.tls import HOST, Authority

BEFORE_COMMANDS = ("TCP connection", "TLS 1.3 handshake", "greeting")
"""The round trips that each connection begins with."""
_CREDENTIALS = re.compile(r"^(LOGIN|AUTHENTICATE \S+)\b.*", re.IGNORECASE)
_LONG_SET = re.compile(r"(?<= )(\d+)[\d,:]*[,:](\d+|\*)(?= |$)")
"""UIDs: in a list, the first and the last are enough."""
_ESTABLISHED = "01"
_LAST = "LOGOUT"
"""The worker sends it and closes: nobody waits for the answer."""


class RoundTrips:
    """A proxy in front of a server, or of a link to it, that lists a client's commands. A context manager.

    alone: commands for which the client waited and did nothing else. overlapped: all others.
    """

    host = HOST

    def __init__(self, authority: Authority, target: tuple[str, int]) -> None:
        self._proxy = Proxy(authority, target, manners=self)
        self.alone: list[str] = []
        self.overlapped: list[str] = []

    def __enter__(self) -> Self:
        self._proxy.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.close()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._proxy.port

    def conversation(self) -> "_Conversation":
        """Watch a new connection, which the rig's proxy has accepted."""
        self.alone += BEFORE_COMMANDS
        return _Conversation(self)

    def sent(self, command: str, *, awaited: bool) -> None:
        """List a command. awaited: an answer was still on its way when the client sent it."""
        waits = not awaited and command.upper() != _LAST and not unread(self.port)
        (self.alone if waits else self.overlapped).append(_shown(command))


class _Conversation:
    """One connection. It changes nothing of what passes."""

    def __init__(self, counted: RoundTrips) -> None:
        self._counted = counted
        self._under_way: set[bytes] = set()

    def must_know_what_is_open(self) -> bool:
        return False

    def command(self, tag: bytes, line: bytes) -> bytes:
        command = line[len(tag) + 1 :].decode(errors="replace").rstrip()
        self._counted.sent(command, awaited=bool(self._under_way))
        self._under_way.add(tag)
        return line

    def response(self, response: Response) -> Instead:
        self._under_way.discard(response[0].split(b" ", 1)[0])
        return Instead((response,))


def _shown(command: str) -> str:
    return _LONG_SET.sub(r"\1…\2", _CREDENTIALS.sub(r"\1 …", command))


def unread(port: int) -> int:
    """How many bytes have arrived at the clients of a local port that they have not read yet."""
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, queues, *_ = line.split()
        if state == _ESTABLISHED and int(remote.partition(":")[2], 16) == port:
            count += int(queues.partition(":")[2], 16)  # the second is what was received
    return count
