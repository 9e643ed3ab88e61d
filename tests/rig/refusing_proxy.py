"""A proxy that answers as it is told, byte for byte and piece by piece, and never leads anywhere."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tests.rig.tls import ADDRESS

PATIENCE = 10.0


@dataclass(frozen=True)
class Script:
    """What a proxy does with a connection.

    pieces: sent one after the other, each once something was heard if `in_turn`, else at once. pause: seconds between
    two of them. stays: the connection is left open afterwards, until the client ends it.
    """

    pieces: Sequence[bytes] = ()
    in_turn: bool = False
    pause: float = 0.0
    stays: bool = True


class RefusingProxy:
    """Listens on loopback and does as `script` says, which may be changed at any time. heard: what clients sent it."""

    def __init__(self, script: Script = Script(), context: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.heard: list[bytes] = []
        self._context = context
        self._listener = socket.create_server((ADDRESS, 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _begin(self, work: object, *given: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(PATIENCE)
            self._begin(self._serve, client, self.script)

    def _serve(self, client: socket.socket, script: Script) -> None:
        with client, contextlib.suppress(OSError):
            if self._context is not None:
                client = self._context.wrap_socket(client, server_side=True)
            if script.pieces or script.stays:
                self.heard.append(client.recv(10_000))
            for number, piece in enumerate(script.pieces):
                if number and script.in_turn:
                    self.heard.append(client.recv(10_000))
                if number and script.pause:
                    time.sleep(script.pause)
                client.sendall(piece)
            while script.stays and client.recv(10_000):
                pass
            with client:
                pass
