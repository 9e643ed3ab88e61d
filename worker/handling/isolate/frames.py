"""Frames over a socket: eight bytes with the length, then the data."""

import socket
import struct
from collections.abc import Callable

_LENGTH = struct.Struct("!Q")


class PeerGone(Exception):
    """The other end closed the connection, or sent a frame that is too long."""


def send(peer: socket.socket, data: bytes) -> None:
    """Send one frame. Raises OSError, which includes TimeoutError."""
    peer.sendall(_LENGTH.pack(len(data)))
    peer.sendall(data)


def receive(peer: socket.socket, *, most: int | None = None, before: Callable[[], None] = lambda: None) -> bytes:
    """Receive one frame. most: its length at most, in bytes. before: called before each wait.

    Raises:
        PeerGone: the connection was closed, or the frame is longer than `most`. OSError, which includes TimeoutError.
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
