"""imaplib's half of the client, changed where a worker that runs unattended for a year needs more of it.

- The memory that an answer can take is bounded, whatever length the server announces.
- `Wire.buffered` tells whether something has been read from the socket and not used yet. Without it, a change reported
  together with another answer would go unnoticed until the socket is readable again.
"""

import imaplib
import io
import socket
import ssl
from contextlib import suppress
from typing import Any

from imapclient.tls import IMAP4_TLS

from worker.connections import Dialer
from worker.mailbox.handshake import secured
from worker.mailbox.in_flight import InFlight

LINE_CAP = 8_000_000
"""Bytes that one line of an answer may have. The answer to SEARCH in a folder of a million messages is one line."""
BUFFER = 1 << 16


class Wire(IMAP4_TLS):  # type: ignore[misc]  # IMAPClient ships no types
    """imaplib's half of the client: reads lines and literals, and bounds both."""

    literal_cap: int
    """Bytes that literals may still add up to. `InFlight` sets it anew with each command and each answer."""
    untagged_responses: dict[str, list[Any]]

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext, timeout: float, literal_cap: int, dialer: Dialer
    ) -> None:
        self.literal_cap = literal_cap
        self.in_flight = InFlight(self)
        self._dialer = dialer
        super().__init__(host, port, context, timeout)

    def open(self, host: str = "", port: int = 993, timeout: float | None = None) -> None:
        """Connect, verify the certificate, and set up a read buffer of our own."""
        self.host, self.port = host, port
        self.sock = self._create_socket(timeout)
        self._reader = io.BufferedReader(self.sock.makefile("rb", 0), BUFFER)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        sock = self._dialer.connect(self.host, self.port, timeout or self._timeout)
        return secured(sock, self.ssl_context, self.host)

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

    def log_out(self) -> None:
        """Send LOGOUT, and don't wait for the answer: whatever it is, the connection is closed next.

        What has come meanwhile is read: closing with something unread is a reset, at which the server may drop LOGOUT.
        """
        self.send_at_once("LOGOUT")
        while self.buffered():
            self._reader.read1(BUFFER)

    def _command(self, name: str, *arguments: str | bytes) -> bytes:
        """Send a command, as imaplib does, once everything in flight was answered."""
        self.in_flight.finish()
        return self.send_at_once(name, *arguments)

    def send_at_once(self, *command: str | bytes) -> bytes:
        """Send a command without waiting for anything, and return its tag."""
        tag: bytes = super()._command(*command)
        return tag

    def send(self, data: bytes) -> None:
        """Send these bytes. imaplib and IMAPClient call this."""
        try:
            super().send(data)
        except OSError:
            self._hear_why_it_ended()
            raise

    def _hear_why_it_ended(self) -> None:
        """Keep what the server said before it closed the connection. A failure to send may hide that."""
        with suppress(ImapError, OSError):
            while self.buffered():
                self._get_response()

    def read_response(self) -> None:
        """Read one response of the server and keep it, as imaplib does while it waits for a tagged one."""
        self._check_bye()
        self._get_response()

    def untagged(self, name: str) -> list[Any]:
        """Return and forget the untagged responses, or response codes, of this name."""
        responses: list[Any] = self.untagged_responses.pop(name, [])
        return responses

    def allow_literals(self, cap: int) -> None:
        """Let the literals of the next answers add up to so many bytes."""
        self.literal_cap = cap

    def all_untagged(self) -> dict[str, list[Any]]:
        """Return and forget all untagged responses and response codes, but not that the server ends the connection."""
        responses = self.untagged_responses
        self.untagged_responses = {name: lines for name, lines in responses.items() if name == "BYE"}
        return responses

    def is_answered(self, tag: bytes) -> bool:
        """Whether the command with this tag was answered."""
        return self.tagged_commands.get(tag) is not None

    def forget_answer(self, tag: bytes) -> None:
        """Drop the tagged answer of a command that nobody asks for any more."""
        self.tagged_commands.pop(tag, None)

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


ImapError = imaplib.IMAP4.error
"""Base of what IMAPClient raises when an answer isn't OK or can't be parsed, or the connection ends."""
