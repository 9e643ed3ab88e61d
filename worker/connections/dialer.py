"""Opens connections to other machines: the one method through which a client of any protocol gets its socket."""

import socket
from typing import Protocol


class Dialer(Protocol):
    """Opens a connection, which isn't TLS yet."""

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Open a connection to a server, by its name or address. timeout: in seconds; the socket keeps it.

        Raises:
            OSError: there is none. ProxyTrouble, which is one: it is the proxy that doesn't make it.
        """


class Direct:
    """Connects straight to the server."""

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """As `Dialer` says."""
        connected = socket.create_connection((host, port), timeout)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
