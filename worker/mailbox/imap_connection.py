"""One connection to the mail server, from opening to end. What IMAPClient raises on it becomes an error of ours."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from worker.mailbox.errors import CommandRefused, ConnectionLost, JustExpunged, MailboxError, ProtocolFault
from worker.mailbox.imap_client import Client, ImapError, text_of, tls_context
from worker.mailbox.imap_exceptions import login_failure, session_error
from worker.mailbox.login_failures import Kind
from worker.mailbox.sasl import Plain, Sasl

SMALL_ANSWER = 16_000_000
"""Bytes of literals that a command which fetches no message may bring."""
EXPUNGED_TRIES = 5
"""How often a command is given while people go on expunging what it names."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the mailbox is. Times in seconds."""

    host: str
    port: int
    ca_file: Path | None = None
    connect_timeout: float = 30.0
    read_timeout: float = 60.0


class ImapConnection:
    """One connection, and the one owner of its IMAPClient. What works on it asks for `client` at each command."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: Client | None = None

    def connect(self) -> None:
        """Open the connection and verify the server."""
        context = tls_context(None if self._endpoint.ca_file is None else str(self._endpoint.ca_file))
        with self.translated():
            self._client = Client(
                self._endpoint.host,
                self._endpoint.port,
                context,
                connect=self._endpoint.connect_timeout,
                read=self._endpoint.read_timeout,
                literal_cap=SMALL_ANSWER,
            )

    def login(self, address: str, password: str) -> None:
        """LOGIN where it can carry the password and the server allows it, else PLAIN; once, whatever the answer."""
        client = self.client
        if self.has("LOGINDISABLED") or not password.isascii():
            mechanism = Plain(address, password)
            with self._login_translated("password", mechanism):
                client.sasl_login("PLAIN", mechanism)
        else:
            with self._login_translated("password"):
                client.login(address, password)
        self.client.forget_capabilities()

    def login_token(self, mechanism: Sasl) -> None:
        """XOAUTH2, once."""
        with self._login_translated("token", mechanism):
            self.client.sasl_login("XOAUTH2", mechanism)
        self.client.forget_capabilities()

    def close(self, *, log_out: bool) -> None:
        """Close, after a LOGOUT if one is wanted. Never raises."""
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(ImapError, OSError):
            client.wire.sock.settimeout(2.0)
            if log_out:
                client.logout()
        with suppress(ImapError, OSError):
            client.shutdown()

    def abort(self) -> None:
        """Shut the socket down. May be called from another thread than the owner's."""
        client = self._client
        if client is not None:
            with suppress(OSError):
                client.wire.sock.shutdown(socket.SHUT_RDWR)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that no error has ended."""
        return self._client is not None

    @property
    def client(self) -> Client:
        """The client, for one command within `translated`.

        Raises:
            ConnectionLost: there is no connection, or none any more.
        """
        if self._client is None:
            raise ConnectionLost("not connected")
        return self._client

    def fileno(self) -> int:
        """The socket, for a thread that waits until it is readable and doesn't read it."""
        return int(self.client.wire.sock.fileno())

    def has(self, capability: str) -> bool:
        """Whether the server says that it has this capability."""
        with self.translated():
            return capability in {text_of(name).upper() for name in self.client.capabilities()}

    def take_news(self) -> bool:
        """Take what the server said unasked about the selected folder; true where mail came or went."""
        client = self.client
        kinds = [kind for kind in ("EXISTS", "EXPUNGE", "VANISHED") if client.untagged(kind)]
        for kind in ("RECENT", "FETCH", "OK", "FLAGS"):
            client.untagged(kind)
        return bool(kinds)

    def on_those_left(self, command: Callable[[], T]) -> T:
        """Give a command on messages, again where others have expunged some of them just before."""
        for _ in range(EXPUNGED_TRIES - 1):
            try:
                with self.translated():
                    return command()
            except JustExpunged:
                with self.translated():
                    self.client.noop()  # the server names them now; for us that stays news
        with self.translated():
            return command()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn whatever IMAPClient, imaplib and the socket raise into an error of this room."""
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
            # IMAPClient's parser on an answer that it doesn't understand; what follows in the stream can't be trusted
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
        if not isinstance(error, CommandRefused):
            self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(ImapError, OSError):
                client.shutdown()
