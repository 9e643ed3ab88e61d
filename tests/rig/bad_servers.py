"""Servers that no secret may reach: one without TLS, one with a certificate of its own making, one with another's name.

They listen on loopback, and clients reach them at 0.0.0.0. Linux takes that address to loopback as well, but to every
client, and to the worker, it is the address of another machine.

Each plays as much of its protocol as it takes to be told a password, and keeps all bytes that it was sent. A fourth
one, with the right certificate, shows that the secret comes if nothing is wrong.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, Self

from tests.rig.tls import ADDRESS, Authority

ELSEWHERE: Final = "0.0.0.0"  # noqa: S104 -- connected to, not listened at
"""Loopback, at an address that nobody takes for it."""

Fault = Literal["no TLS", "self-signed", "another's name", "none"]
BAD: Final[tuple[Fault, ...]] = ("no TLS", "self-signed", "another's name")
Protocol = Literal["https", "imaps", "amqps", "rediss", "postgres", "smtp"]


class Line:
    """One connection as the server sees it. Everything that is received is kept."""

    def __init__(self, server: "BadServer", peer: socket.socket) -> None:
        self._server, self.peer, self._rest = server, peer, b""

    def secure(self) -> None:
        """Go on in TLS. Raises OSError if the client refuses the certificate."""
        assert self._server.context is not None
        self.peer = self._server.context.wrap_socket(self.peer, server_side=True)

    def some(self) -> bytes:
        """What has come. Raises EOFError at the end."""
        found = self._rest or self.peer.recv(65536)
        self._rest = b""
        if not found:
            raise EOFError
        inside = isinstance(self.peer, ssl.SSLSocket)
        (self._server.inside if inside else self._server.clear).extend(found)
        return found

    def say(self, data: bytes) -> None:
        self.peer.sendall(data)


class BadServer:
    """clear: all bytes that came unencrypted. inside: all that came through TLS. port: where it listens."""

    def __init__(self, protocol: Protocol, fault: Fault, certificates: Mapping[Fault, tuple[Path, Path]]) -> None:
        self.clear, self.inside = bytearray(), bytearray()
        self.connections = 0
        self._serve = _PROTOCOLS[protocol]
        self.context: ssl.SSLContext | None = None
        if fault != "no TLS":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificates[fault])
        self._listening = socket.create_server((ADDRESS, 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)
        self.settled()

    def settled(self) -> "BadServer":
        """Wait until no connection is open: then everything that was sent has been kept."""
        with self._idle:
            if not self._idle.wait_for(lambda: not self._open, 5):
                for peer in self._open:
                    with contextlib.suppress(OSError):
                        peer.shutdown(socket.SHUT_RDWR)
                self._idle.wait_for(lambda: not self._open, 5)
        return self

    def forget(self) -> None:
        """Begin anew: nothing was sent."""
        self.settled()
        self.clear.clear()
        self.inside.clear()
        self.connections = 0

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(peer)
            threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _answer(self, peer: socket.socket) -> None:
        peer.settimeout(3)
        line = Line(self, peer)
        with contextlib.suppress(OSError, EOFError):
            self._serve(line, self.context is not None)
        with contextlib.suppress(OSError):
            line.peer.close()
        with self._idle:
            self._open.discard(peer)
            peer.close()
            self._idle.notify_all()


def certificates(authority: Authority, folder: Path) -> dict[Fault, tuple[Path, Path]]:
    """The certificates of the servers with TLS. authority: the one that the clients trust."""
    stranger = Authority(folder / "stranger")
    return {
        "self-signed": stranger.issue(ELSEWHERE, "localhost"),
        "another's name": authority.issue("other.example"),
        "none": authority.issue(ELSEWHERE, "localhost"),
    }


def _https(line: Line, tls: bool) -> None:
    if tls:
        line.secure()
    while True:
        head = line.some()
        while b"\r\n\r\n" not in head and not head.startswith(b"\x16\x03"):
            head += line.some()
        if head.startswith(b"HEAD"):  # an object store is asked whether it has this
            line.say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            continue
        line.say(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nETag: "1"\r\n\r\n{}')


def _imaps(line: Line, tls: bool) -> None:
    if tls:
        line.secure()
    line.say(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n")
    while True:
        tag = line.some().split(b" ")[0]
        line.say(tag + b" OK done\r\n")


def _redis(line: Line, tls: bool) -> None:
    if tls:
        line.secure()
    while True:
        line.some()
        line.say(b"+OK\r\n")


def _amqp(line: Line, tls: bool) -> None:
    if tls:
        line.secure()
    line.some()
    start = (
        struct.pack(">HHBBL", 10, 10, 0, 9, 0)
        + struct.pack(">L", 14)
        + b"PLAIN AMQPLAIN"
        + struct.pack(">L", 5)
        + b"en_US"
    )
    line.say(struct.pack(">BHL", 1, 0, len(start)) + start + b"\xce")
    line.some()


def _postgres(line: Line, tls: bool) -> None:
    while True:
        first = line.some()
        if first[4:8] == struct.pack(">L", 80877103):  # SSLRequest
            if tls:
                line.say(b"S")
                line.secure()
            else:
                line.say(b"N")
        elif first[4:8] == struct.pack(">L", 80877104):  # GSSENCRequest
            line.say(b"N")
        else:
            line.say(b"R" + struct.pack(">LL", 8, 3))  # AuthenticationCleartextPassword
            line.some()
            return


def _smtp(line: Line, tls: bool) -> None:
    line.say(b"220 relay.example ESMTP\r\n")
    content = False
    while True:
        said = line.some()
        word = said[:4].upper()
        if content:
            content = not said.endswith(b"\r\n.\r\n")
            if not content:
                line.say(b"250 taken\r\n")
        elif word == b"EHLO":
            offered = b"250-STARTTLS\r\n" if tls and not isinstance(line.peer, ssl.SSLSocket) else b""
            line.say(b"250-relay.example\r\n" + offered + b"250 8BITMIME\r\n")
        elif word == b"STAR" and tls:
            line.say(b"220 go ahead\r\n")
            line.secure()
        elif word == b"STAR":
            line.say(b"454 TLS isn't available\r\n")
        elif word == b"DATA":
            content = True
            line.say(b"354 go ahead\r\n")
        else:
            line.say(b"221 bye\r\n" if word == b"QUIT" else b"250 well\r\n")


_PROTOCOLS: Final[dict[Protocol, Callable[[Line, bool], None]]] = {
    "https": _https,
    "imaps": _imaps,
    "amqps": _amqp,
    "rediss": _redis,
    "postgres": _postgres,
    "smtp": _smtp,
}
