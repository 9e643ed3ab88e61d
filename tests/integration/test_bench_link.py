"""The bench's link is a line like any other: what goes in comes out, in order, and each end notices the other's end."""

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from bench.link import Line, Link
from tests.rig.tls import ADDRESS

QUICK = Line(round_trip=0.01, rate=1e9, window=200_000)
MUCH = random.Random(17).randbytes(3_000_000)  # many times the window
MORE_THAN_ANY_KERNEL_KEEPS = 100_000_000  # bytes


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server((ADDRESS, 0)) as server:
        server.settimeout(10)
        yield server


@pytest.fixture(scope="module")
def link(listener: socket.socket) -> Iterator[Link]:
    with Link((ADDRESS, listener.getsockname()[1]), QUICK) as running:
        yield running


@pytest.fixture
def ends(listener: socket.socket, link: Link) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's and a server's end of one connection over the link."""
    with socket.create_connection((ADDRESS, link.port), 10) as near, listener.accept()[0] as far:
        far.settimeout(10)
        yield near, far


def read_all(end: socket.socket) -> bytes:
    return b"".join(iter(lambda: end.recv(65_536), b""))


def sending(end: socket.socket, data: bytes) -> threading.Thread:
    """Send in the background, then close this direction alone."""

    def send() -> None:
        end.sendall(data)
        end.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_bytes_pass_unchanged_and_in_order_both_ways_at_once(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    threads = [sending(near, MUCH), sending(far, MUCH[::-1])]
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(read_all(far)))
    reader.start()
    assert read_all(near) == MUCH[::-1]
    for thread in (*threads, reader):
        thread.join()
    assert received == [MUCH]


def test_one_direction_ends_and_the_other_goes_on(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    near.sendall(b"that is all")
    near.shutdown(socket.SHUT_WR)
    assert read_all(far) == b"that is all"
    sending(far, MUCH).join()
    assert read_all(near) == MUCH


def test_what_was_sent_before_the_end_still_arrives(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    far.sendall(b"* BYE\r\n")
    far.close()
    assert read_all(near) == b"* BYE\r\n"


@pytest.mark.parametrize("cut", [0, 1], ids=["the client", "the server"])
def test_a_cut_reaches_the_other_end(ends: tuple[socket.socket, socket.socket], cut: int) -> None:
    other = ends[1 - cut]
    ends[cut].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ends[cut].close()
    with contextlib.suppress(ConnectionResetError):
        assert other.recv(1) == b""


def test_a_slow_reader_holds_the_sender_back(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    far.settimeout(0.5)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < MORE_THAN_ANY_KERNEL_KEEPS:
            sent += far.send(MUCH)
    assert sent < MORE_THAN_ANY_KERNEL_KEEPS
    near.settimeout(10)
    far.close()
    assert len(read_all(near)) == sent


def test_a_server_that_is_down_ends_the_connection() -> None:
    with socket.create_server((ADDRESS, 0)) as gone:
        port = gone.getsockname()[1]
    with (
        Link((ADDRESS, port), QUICK) as link,
        socket.create_connection((ADDRESS, link.port), 10) as near,
        contextlib.suppress(ConnectionResetError),
    ):
        assert near.recv(1) == b""
