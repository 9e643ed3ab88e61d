"""One connection to the mail server, from opening to end. It turns what IMAPClient raises into our own errors."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from worker.connections import Dialer, Direct, verified_context
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    JustExpunged,
    MailboxError,
    Preauthenticated,
    ProtocolFault,
)
from worker.mailbox.folder_answers import text_of
from worker.mailbox.imap_client import Client
from worker.mailbox.imap_exceptions import login_failure, session_error
from worker.mailbox.login_failures import Kind
from worker.mailbox.login_offer import LoginOffer
from worker.mailbox.sasl import Plain, Sasl
from worker.mailbox.wire import ImapError

SMALL_ANSWER = 16_000_000
"""Bytes that the literals in the answer to a command may add up to, unless it fetches headers or bodies."""
EXPUNGED_TRIES = 5
"""How often a command is tried while other people keep expunging messages that it names."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to find the mailbox, and the way there. Timeouts are in seconds."""

    host: str
    port: int
    ca_file: Path | None = None
    connect_timeout: float = 30.0
    read_timeout: float = 60.0
    dialer: Dialer = field(default_factory=Direct)


class ImapConnection:
    """Owns the IMAPClient of one connection. The room's other classes use `client` within `translated`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: Client | None = None
        self.ended_at_a_command = False
        """Whether an error ended it that the messages which a command names may have caused."""

    def connect(self) -> None:
        """Open the connection and verify the server's certificate."""
        context = verified_context(self._endpoint.ca_file)
        with self.translated():
            self._client = Client(
                self._endpoint.host,
                self._endpoint.port,
                context,
                connect=self._endpoint.connect_timeout,
                read=self._endpoint.read_timeout,
                literal_cap=SMALL_ANSWER,
                dialer=self._endpoint.dialer,
            )
            if self._client.is_logged_in:
                raise Preauthenticated("it greets the worker as if it were already logged in (PREAUTH)")

    def login(self, address: str, password: str) -> None:
        """Log in once: with LOGIN, or with PLAIN if the server disables LOGIN or the password isn't ASCII."""
        client = self.client
        if self.login_offer().takes_by_login(password):
            with self._login_translated("password"):
                client.login(address, password)
        else:
            mechanism = Plain(address, password)
            with self._login_translated("password", mechanism):
                client.sasl_login("PLAIN", mechanism)
        self.client.forget_capabilities()

    def login_token(self, mechanism: Sasl) -> None:
        """Log in once, by XOAUTH2."""
        with self._login_translated("token", mechanism):
            self.client.sasl_login("XOAUTH2", mechanism)
        self.client.forget_capabilities()

    def close(self, *, log_out: bool) -> None:
        """Close the connection, with or without a LOGOUT first. Never raises."""
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(ImapError, OSError):
            client.wire.sock.settimeout(2.0)
            in_flight = client.wire.in_flight
            if log_out and in_flight.is_brief:
                in_flight.finish()
                client.wire.log_out()
        with suppress(ImapError, OSError):
            client.shutdown()

    def abort(self) -> None:
        """Shut the socket down. The only method that other threads may call."""
        client = self._client
        if client is not None:
            with suppress(OSError):
                client.wire.sock.shutdown(socket.SHUT_RDWR)

    @property
    def is_open(self) -> bool:
        """Whether the connection was opened and neither closed nor ended by an error."""
        return self._client is not None

    @property
    def client(self) -> Client:
        """The IMAPClient.

        Raises:
            ConnectionLost: the connection isn't open.
        """
        if self._client is None:
            raise ConnectionLost("not connected")
        return self._client

    def fileno(self) -> int:
        """The socket's descriptor, for a thread that waits until there is something to read but doesn't read it."""
        return int(self.client.wire.sock.fileno())

    def has(self, capability: str) -> bool:
        """Whether the server announces this capability."""
        return capability in self._capabilities()

    def login_offer(self) -> LoginOffer:
        """The ways to log in that the server announces. Ask before the login."""
        return LoginOffer.of(self._capabilities())

    def take_news(self) -> bool:
        """Return whether the server reported that mail came or went, and forget all it reported about the folder."""
        client = self.client
        kinds = [kind for kind in ("EXISTS", "EXPUNGE", "VANISHED") if client.untagged(kind)]
        for kind in ("RECENT", "FETCH", "OK", "FLAGS"):
            client.untagged(kind)
        return bool(kinds)

    def on_those_left(self, command: Callable[[], T]) -> T:
        """Run a command on messages, and repeat it if somebody else has just expunged some of them."""
        for _ in range(EXPUNGED_TRIES - 1):
            try:
                with self.translated():
                    return command()
            except JustExpunged:
                self.hear_what_was_expunged()
        with self.translated():
            return command()

    def hear_what_was_expunged(self) -> None:
        """Make the server report which messages are gone, so that a command may name the others."""
        with self.translated():
            self.client.noop()  # `take_news` still returns the report

    def _capabilities(self) -> set[str]:
        with self.translated():
            return {text_of(name).upper() for name in self.client.capabilities()}

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn whatever IMAPClient, imaplib and the socket raise into a `MailboxError`.

        Ends the connection unless the error was a mere refusal.
        """
        try:
            yield
        except MailboxError as error:
            self._end_unless_usable(error)
            raise
        except (ImapError, OSError) as error:
            translated = session_error(error, self._untagged())
            self._end_unless_usable(translated)
            raise translated from error
        except (ValueError, TypeError, LookupError, AttributeError, AssertionError, MemoryError) as error:
            # IMAPClient's parser failed on an answer, so nothing that follows in the stream can be trusted
            fault = ProtocolFault(f"an answer that can't be understood ({type(error).__name__})")
            self._end_unless_usable(fault)
            raise fault from error

    @contextmanager
    def _login_translated(self, kind: Kind, mechanism: Sasl | None = None) -> Iterator[None]:
        try:
            yield
        except (ImapError, OSError, ValueError, TypeError, LookupError) as error:
            failure = login_failure(error, self._untagged(), kind=kind, mechanism=mechanism)
            self._drop()
            raise failure from error

    def _untagged(self) -> dict[str, list[object]]:
        return {} if self._client is None else dict(self._client.wire.untagged_responses)

    def _end_unless_usable(self, error: MailboxError) -> None:
        if self.is_open and not isinstance(error, CommandRefused):
            self.ended_at_a_command = isinstance(error, ConnectionLost | ProtocolFault)
            self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(ImapError, OSError):
                client.shutdown()


@contextmanager
def refusable(connection: ImapConnection) -> Iterator[None]:
    """As `translated`; but a server that doesn't understand the command refuses it, and the connection stays."""
    with connection.translated():
        try:
            yield
        except ImapError as error:
            refused = session_error(error, {})
            if isinstance(refused, ProtocolFault) and refused.by_server:
                raise CommandRefused(str(refused)) from error
            raise
