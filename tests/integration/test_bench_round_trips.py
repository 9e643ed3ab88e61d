"""The bench's count of round trips: a command counts if its client has read everything that it asked for before."""

import contextlib
import socket
import ssl
from collections.abc import Iterator

from bench.round_trips import BEFORE_COMMANDS, RoundTrips, unread
from tests.rig.dovecot import Mailbox
from tests.rig.tls import ADDRESS, Authority


class Client:
    """Speaks IMAP by the line."""

    def __init__(self, counted: RoundTrips, context: ssl.SSLContext) -> None:
        plain = socket.create_connection((ADDRESS, counted.port), 10)
        self._tls = context.wrap_socket(plain, server_hostname=counted.host)
        self._file = self._tls.makefile("rb")
        self._file.readline()

    def close(self) -> None:
        self._file.close()
        self._tls.close()

    def send(self, *commands: str) -> None:
        self._tls.sendall("".join(f"{command}\r\n" for command in commands).encode())

    def read_until(self, tag: str) -> None:
        while not self._file.readline().startswith(f"{tag} OK".encode()):
            pass


@contextlib.contextmanager
def counting(authority: Authority, dovecot: Mailbox) -> Iterator[tuple[RoundTrips, Client]]:
    with (
        RoundTrips(authority, (dovecot.host, dovecot.port)) as counted,
        contextlib.closing(Client(counted, authority.client_context())) as client,
    ):
        client.send(f"a LOGIN {dovecot.address} {dovecot.password}")
        client.read_until("a")
        yield counted, client


def test_one_command_after_the_other_are_as_many_round_trips(authority: Authority, dovecot: Mailbox) -> None:
    with counting(authority, dovecot) as (counted, client):
        for tag in ("b", "c"):
            client.send(f"{tag} NOOP")
            client.read_until(tag)
    assert counted.alone == [*BEFORE_COMMANDS, "LOGIN …", "NOOP", "NOOP"]
    assert counted.overlapped == []


def test_commands_sent_together_are_one(authority: Authority, dovecot: Mailbox) -> None:
    with counting(authority, dovecot) as (counted, client):
        client.send("b SELECT INBOX", "c UID SEARCH ALL", "d NOOP")
        client.read_until("d")
    assert counted.alone[len(BEFORE_COMMANDS) :] == ["LOGIN …", "SELECT INBOX"]
    assert counted.overlapped == ["UID SEARCH ALL", "NOOP"]


def test_what_the_client_has_not_read_yet_is_known() -> None:
    with socket.create_server((ADDRESS, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((ADDRESS, port), 10) as near, server.accept()[0] as far:
            assert unread(port) == 0
            far.sendall(b"x" * 1_000)
            near.recv(1_000, socket.MSG_PEEK | socket.MSG_WAITALL)
            assert unread(port) == 1_000
            near.recv(400)
            assert unread(port) == 600
            near.recv(600)
            assert unread(port) == 0
