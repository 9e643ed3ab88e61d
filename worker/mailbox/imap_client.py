"""IMAPClient, changed where a worker that runs unattended for a year needs more of it.

- The memory that an answer can take is bounded, whatever length the server announces.
- Nothing received is ever formatted for a logger. IMAPClient does that for every body at debug level, which costs more
  than half of the speed and would put content into a log.
- `Wire.buffered` tells whether something has been read from the socket and not used yet. Without it, a change reported
  together with another answer would go unnoticed until the socket is readable again.
"""

import imaplib
import io
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.response_parser import parse_fetch_response
from imapclient.tls import IMAP4_TLS, wrap_socket

LINE_CAP = 8_000_000
"""Bytes that one line of an answer may have. The answer to SEARCH in a folder of a million messages is one line."""
BUFFER = 1 << 16


class Wire(IMAP4_TLS):  # type: ignore[misc]  # IMAPClient ships no types
    """imaplib's half of the client: reads lines and literals, and bounds both."""

    literal_cap: int
    """Bytes that literals may still add up to. `Client.literals_up_to` sets it for one command."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float | None, literal_cap: int) -> None:
        self.literal_cap = literal_cap
        super().__init__(host, port, context, timeout)

    def open(self, host: str = "", port: int = 993, timeout: float | None = None) -> None:
        """Connect, verify the certificate, and set up a read buffer of our own."""
        self.host, self.port = host, port
        self.sock = self._create_socket(timeout)
        self._reader = io.BufferedReader(self.sock.makefile("rb", 0), BUFFER)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        sock = socket.create_connection((self.host, self.port), timeout=timeout or self._timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            secured: socket.socket = wrap_socket(sock, self.ssl_context, self.host)
        except BaseException:
            sock.close()
            raise
        return secured

    def read(self, size: int) -> bytes:
        """Read one literal. imaplib calls this."""
        self.literal_cap -= size
        if self.literal_cap < 0:
            raise self.abort("literal over the bound")
        data = self._reader.read(size)
        if len(data) != size:
            raise self.abort("socket error: EOF in a literal")
        return data

    def readline(self) -> bytes:
        """Read one line. imaplib calls this."""
        line = self._reader.readline(LINE_CAP + 1)
        if len(line) > LINE_CAP:
            raise self.abort("line over the bound")
        return line

    def shutdown(self) -> None:
        """Close the connection in whatever state it is."""
        self._reader.close()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # already closed by the other side
        finally:
            self.sock.close()

    def buffered(self) -> bool:
        """Whether the buffer holds unread bytes, which waiting for the socket wouldn't reveal."""
        timeout = self.sock.gettimeout()
        self.sock.settimeout(0)
        try:
            return bool(self._reader.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            self.sock.settimeout(timeout)

    def begin_idle(self) -> bytes:
        """Begin IDLE and return its tag. IMAPClient's own `idle` fails if a report comes before the `+`.

        Raises:
            ImapError: the server refused.
        """
        tag: bytes = self._command("IDLE")
        while self._get_response() is not None:
            if self.tagged_commands[tag] is not None:
                _, lines = self.tagged_commands.pop(tag)
                raise self.error(f"IDLE: {lines!r}")
        return tag

    def end_idle(self, tag: bytes) -> None:
        """End the IDLE with this tag and read everything up to its tagged answer."""
        self.send(b"DONE\r\n")
        self._command_complete("IDLE", tag)


class Client(IMAPClient):  # type: ignore[misc]  # IMAPClient ships no types
    """IMAPClient on top of `Wire`."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext, *, connect: float, read: float, literal_cap: int
    ) -> None:
        self._literal_cap = literal_cap
        super().__init__(host, port, ssl_context=context, timeout=SocketTimeout(connect=connect, read=read))
        self.wire.debug = 0  # nothing received may be formatted; see above
        self.normalise_times = False

    def _create_IMAP4(self) -> Wire:  # noqa: N802 -- IMAPClient's name
        return Wire(self.host, self.port, self.ssl_context, self._timeout.connect, self._literal_cap)

    @property
    def wire(self) -> Wire:
        """imaplib's half of this client."""
        wire: Wire = self._imap
        return wire

    def fetch_all(self, items: Sequence[str]) -> dict[int, dict[bytes, object]]:
        """Fetch these items of every message in the folder, by UID. IMAPClient's own `fetch` takes no range."""
        wire = self.wire
        tag = wire._command("UID", "FETCH", "1:*", f"({' '.join(items)})")  # noqa: SLF001 -- as IMAPClient's fetch does
        status, data = wire._command_complete("FETCH", tag)  # noqa: SLF001 -- likewise
        self._checkok("fetch", status, data)
        status, data = wire._untagged_response(status, data, "FETCH")  # noqa: SLF001 -- likewise
        answer: dict[int, dict[bytes, object]] = parse_fetch_response(data, self.normalise_times)
        return answer

    @contextmanager
    def literals_up_to(self, cap: int) -> Iterator[None]:
        """Let the literals of one command add up to `cap` bytes; afterwards the usual limit applies again."""
        self.wire.literal_cap = cap
        try:
            yield
        finally:
            self.wire.literal_cap = self._literal_cap

    def forget_capabilities(self) -> None:
        """Drop the cached capabilities, since a login may change them."""
        self._cached_capabilities = None

    def untagged(self, name: str) -> list[Any]:
        """Return and forget the untagged responses, or response codes, of this name."""
        responses: list[Any] = self.wire.untagged_responses.pop(name, [])
        return responses


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """A context that verifies certificate and host name and needs TLS 1.2 or newer. This can't be turned off.

    Raises:
        OSError: the CA file can't be read.
        ssl.SSLError: the CA file holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def text_of(value: object) -> str:
    """A name or flag as text; IMAPClient returns some as bytes."""
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


ImapError = imaplib.IMAP4.error
"""Base of what IMAPClient raises when an answer isn't OK or can't be parsed, or the connection ends."""
