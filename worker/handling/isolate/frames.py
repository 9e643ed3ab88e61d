"""Messages of any length over a socket: eight bytes for the length, then the bytes."""

import socket
import struct
from collections.abc import Callable

_LENGTH = struct.Struct("!Q")


class PeerGone(Exception):
    """The other end is gone."""


def send(peer: socket.socket, data: bytes) -> None:
    """Raises OSError; TimeoutError where the socket has a time-out and that has passed."""
    peer.sendall(_LENGTH.pack(len(data)))
    peer.sendall(data)


def receive(peer: socket.socket, *, most: int | None = None, before: Callable[[], None] = lambda: None) -> bytes:
    """The next message. most: bytes that it may have; before: called before each wait.

    Raises:
        PeerGone: there is none, or a longer one. OSError, TimeoutError.
    """
    (length,) = _LENGTH.unpack(_exactly(peer, _LENGTH.size, before))
    if most is not None and length > most:
        raise PeerGone
    return bytes(_exactly(peer, length, before))


def _exactly(peer: socket.socket, length: int, before: Callable[[], None]) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        before()
        count = peer.recv_into(view)
        if not count:
            raise PeerGone
        view = view[count:]
    return data
