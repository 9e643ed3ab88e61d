"""The socket whose bytes travel in a TLS connection: whole and in order both ways, and it ends with either side."""

import random
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rig.tls import HOST, Authority
from worker.connections.tls_relay import plain_end

SOME = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="module")
def contexts(authority: Authority) -> Contexts:
    return authority.server_context(), authority.client_context()


class Far:
    """The far end of the TLS connection, in a thread of its own: does one thing, and closes."""

    def __init__(self, contexts: Contexts, work: Callable[[ssl.SSLSocket], object]) -> None:
        self._server, client = contexts
        near, self._far = socket.socketpair()
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.plain = plain_end(client.wrap_socket(near, server_hostname=HOST))
        self.plain.settimeout(20)

    def _run(self) -> None:
        self._far.settimeout(20)
        with self._server.wrap_socket(self._far, server_side=True) as secured:
            self._work(secured)

    def __enter__(self) -> socket.socket:
        return self.plain

    def __exit__(self, *_: object) -> None:
        self.plain.close()
        self._thread.join(20)
        assert not self._thread.is_alive()
        for relay in [one for one in threading.enumerate() if one.name == "proxy-tls"]:
            relay.join(20)
            assert not relay.is_alive()


def everything(sock: Any) -> bytes:
    """What comes until the end, which may be a reset: TLS 1.3 has servers send what nobody reads."""
    found = bytearray()
    with suppress(OSError):
        while data := sock.recv(65_536):
            found += data
    return bytes(found)


@SOME
@given(size=st.integers(0, 600_000), seed=st.integers(0, 9), pieces=st.integers(1, 50))
def test_all_arrives_in_order_both_ways_at_once(contexts: Contexts, size: int, seed: int, pieces: int) -> None:
    data = random.Random(seed).randbytes(size)

    def echo(far: ssl.SSLSocket) -> None:
        left = size
        while left:
            some = far.recv(65_536)
            far.sendall(some)
            left -= len(some)

    with Far(contexts, echo) as plain:

        def send() -> None:
            step = size // pieces + 1
            for at in range(0, size, step):
                plain.sendall(data[at : at + step])

        sending = threading.Thread(target=send)
        sending.start()
        assert everything(plain) == data
        sending.join(20)


def test_what_was_sent_before_the_far_end_closed_arrives(contexts: Contexts) -> None:
    data = bytes(1_000_000)
    with Far(contexts, lambda far: far.sendall(data)) as plain:
        assert len(everything(plain)) == len(data)


def test_what_was_sent_before_we_closed_arrives(contexts: Contexts) -> None:
    got: list[bytes] = []
    with Far(contexts, lambda far: got.append(everything(far))) as plain:
        plain.sendall(bytes(500_000))
        plain.close()
    assert len(got[0]) == 500_000


def test_it_can_be_shut_down_by_another_thread(contexts: Contexts) -> None:
    with Far(contexts, everything) as plain:
        threading.Timer(0.05, lambda: plain.shutdown(socket.SHUT_RDWR)).start()
        assert plain.recv(1) == b""


def test_a_far_end_that_goes_without_a_word(contexts: Contexts) -> None:
    with Far(contexts, lambda far: far.shutdown(socket.SHUT_RDWR)) as plain:
        assert everything(plain) == b""
