"""A TCP relay in front of a server that can cut all connections at once, or each after so many bytes."""

import contextlib
import socket
import struct
import threading
from typing import Self

from tests.rig.tls import ADDRESS


class Cut:
    """Relays bytes between `port` and the server's port.

    after: ends each connection once so many bytes came from the server; None: never. reset: by a TCP reset. Both may be
    changed between connections.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.after: int | None = None
        self.reset = False
        self._listener = socket.create_server((ADDRESS, 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def cut(self) -> None:
        """End every connection."""
        with self._lock:
            for connection in self._open:
                self.cuts += 1
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]  # a function
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, near)

    def _serve(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection((ADDRESS, self._target), 10) as far:
            with self._lock:
                self._open |= {near, far}
            back = threading.Thread(
                target=_hand_on, args=(far, near, self.after), kwargs={"reset": self.reset}, daemon=True
            )
            back.start()
            _hand_on(near, far, reset=self.reset)
            back.join()
            with self._lock:
                self._open -= {near, far}


def _hand_on(source: socket.socket, target: socket.socket, upto: int | None = None, *, reset: bool = False) -> None:
    """Hand bytes on until the source ends, or so many have passed.

    reset: write no end of file to either side; if all of the bytes have passed, the target is reset when it is closed.
    """
    left = upto
    with contextlib.suppress(OSError):
        while left != 0 and (data := source.recv(65_536 if left is None else min(left, 65_536))):
            target.sendall(data)
            left = None if left is None else left - len(data)
        if left == 0 and reset:
            target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
