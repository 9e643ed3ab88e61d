"""An ordinary socket whose bytes travel in a TLS connection: TLS to the server can then be put into TLS to the proxy.

A client needs a real socket: it wraps it in TLS, waits for it with poll, and shuts it down from another thread. An
`ssl` object on top of an `ssl` object is none. So a thread carries the bytes between the TLS connection and one end of
a pair of sockets, and the client has the other end. The thread ends with either side.
"""

import select
import socket
import ssl
import threading
from typing import Final

_CHUNK: Final = 16_384
"""Bytes of one TLS record."""
_MOST: Final = 4 * _CHUNK
"""Bytes that are held in each direction; beyond that, the side that sends has to wait."""
_FLUSH: Final = 10_000
"""Milliseconds in which what the client has sent before it closed must leave."""


def plain_end(secured: ssl.SSLSocket) -> socket.socket:
    """Return a socket that speaks through this TLS connection, which from now on is the relay's."""
    ours, theirs = socket.socketpair()
    try:
        threading.Thread(target=_Relay(secured, ours).run, name="proxy-tls", daemon=True).start()
    except BaseException:
        ours.close()
        theirs.close()
        raise
    return theirs


class _Relay:
    """Carries bytes both ways until one side ends. One thread alone uses it: a TLS connection has no room for two."""

    def __init__(self, secured: ssl.SSLSocket, plain: socket.socket) -> None:
        secured.setblocking(False)
        plain.setblocking(False)
        self._secured, self._plain = secured, plain
        self._up, self._down = bytearray(), bytearray()
        self._client_ended = self._proxy_ended = False
        self._wants_to_write = False

    def run(self) -> None:
        try:
            while not self._is_over and self._wait():
                self._receive()
                self._take()
                self._send()
                self._give()
        except OSError:
            pass  # one side is gone, and the other learns of it by the close
        finally:
            self._plain.close()
            self._secured.close()

    @property
    def _is_over(self) -> bool:
        if self._client_ended:
            return not self._up or self._proxy_ended  # nobody takes what still comes down
        return self._proxy_ended and not self._down

    def _wait(self) -> bool:
        """Wait until something can be done. False: a client that has ended left what can't be sent.

        A side of which nothing is wanted isn't watched: its end would be told again and again.
        """
        if self._may_receive and self._secured.pending():
            return True
        poll = select.poll()
        to_client = bool(self._down) and not self._client_ended
        to_proxy = (bool(self._up) and not self._proxy_ended) or self._wants_to_write
        for side, reads, writes in (
            (self._plain, self._may_take, to_client),
            (self._secured, self._may_receive, to_proxy),
        ):
            if reads or writes:
                poll.register(side, (select.POLLIN if reads else 0) | (select.POLLOUT if writes else 0))
        return bool(poll.poll(_FLUSH if self._client_ended else None))

    @property
    def _may_take(self) -> bool:
        return not self._client_ended and not self._proxy_ended and len(self._up) < _MOST

    @property
    def _may_receive(self) -> bool:
        return not self._proxy_ended and not self._client_ended and len(self._down) < _MOST

    def _receive(self) -> None:
        """From the proxy. Also what TLS has decrypted already, which poll doesn't see."""
        self._wants_to_write = False
        while self._may_receive:
            try:
                data = self._secured.recv(_CHUNK)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLWantWriteError:
                self._wants_to_write = True
                return
            except OSError:
                data = b""  # however it ended: what came before is still to be given to the client
            self._down += data
            self._proxy_ended = not data

    def _take(self) -> None:
        """From the client."""
        if not self._may_take:
            return
        try:
            data = self._plain.recv(_CHUNK)
        except BlockingIOError:
            return
        self._up += data
        self._client_ended = not data

    def _send(self) -> None:
        """To the proxy. Once it has ended, nobody takes it."""
        try:
            while self._up and not self._proxy_ended:
                del self._up[: self._secured.send(self._up[:_CHUNK])]
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            self._wants_to_write = True
        except OSError:
            self._up.clear()  # nobody takes it; what the proxy has said before it went may still be there to be read

    def _give(self) -> None:
        """To the client."""
        try:
            while self._down and not self._client_ended:
                del self._down[: self._plain.send(self._down)]
        except BlockingIOError:
            pass
