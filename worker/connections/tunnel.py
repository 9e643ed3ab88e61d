"""Opens a connection through a proxy: CONNECT or SOCKS5, as python-socks speaks them, within one time limit.

python-socks reads the answer to CONNECT with a single `recv`, and has a time limit for each `recv` only. It gets its
bytes from a stream of ours, which has neither weakness.
"""

import select
import socket
import ssl
import time
from pathlib import Path
from typing import Any, Final, Protocol

from worker.connections.proxy_trouble import (
    ProxyFault,
    ProxyTrouble,
    credentials_refused,
    http_refusal,
    not_reached,
    socks_refusal,
)
from worker.connections.tls_relay import plain_end
from worker.connections.tls_rule import verified_context

_LONGEST_HEAD: Final = 32_768
"""Bytes that the head of the answer to CONNECT may have."""
_ABOUT_CREDENTIALS: Final = ("Username and password authentication failure", "No acceptable authentication methods")
"""How python-socks begins the two refusals of SOCKS that have no number."""


class ProxyServer(Protocol):
    """What must be known of a proxy."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def username(self) -> str | None: ...
    @property
    def password(self) -> str | None: ...
    @property
    def ca_file(self) -> Path | None: ...
    @property
    def shown(self) -> str:
        """Its host and port, for people."""

    @property
    def is_http(self) -> bool:
        """Whether it speaks CONNECT, and not SOCKS."""

    @property
    def is_encrypted(self) -> bool:
        """Whether it is spoken to within TLS."""

    @property
    def resolves(self) -> bool:
        """Whether it finds a server's address, and not we."""


def tunnelled(proxy: ProxyServer, host: str, port: int, timeout: float) -> socket.socket:
    """A connection to the server through the proxy. timeout: seconds for all of it.

    Raises:
        ProxyTrouble: the proxy doesn't make it. OSError: the server's name, which `socks5` resolves here, isn't found.
    """
    from python_socks import ProxyError, ProxyTimeoutError, ProxyType  # the extra `proxy`
    from python_socks.sync.v2 import Proxy as Speaker

    until = time.monotonic() + timeout
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    stream = _Stream(_connected(proxy, until), proxy.shown, until, is_head=proxy.is_http)
    forward: Any = _Forward(stream)
    speaker = Speaker(
        ProxyType.HTTP if proxy.is_http else ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        proxy.username,
        proxy.password,
        rdns=proxy.resolves,
        forward=forward,
    )
    trouble: OSError
    try:
        speaker.connect(host, port, timeout=timeout)
    except ProxyTrouble as error:
        trouble = error
    except socket.gaierror as error:
        trouble = error  # of the server's name
    except ProxyError as error:
        trouble = _refusal(error, proxy, target)
    except (ProxyTimeoutError, OSError, ValueError, LookupError) as error:
        trouble = ProxyTrouble(ProxyFault.BROKEN, proxy.shown, f"ended the connection ({type(error).__name__})")
    else:
        stream.sock.settimeout(timeout)
        return stream.sock
    stream.close()
    raise trouble  # outside the except block: the library's error may quote what the proxy sent


def _connected(proxy: ProxyServer, until: float) -> socket.socket:
    """A connection to the proxy itself; through TLS, if its URL says so."""
    try:
        plain = socket.create_connection((proxy.host, proxy.port), _left(until, proxy.shown))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except ProxyTrouble:
        raise
    except (OSError, UnicodeError) as error:
        raise not_reached(proxy.shown, error if isinstance(error, OSError) else socket.gaierror()) from None
    if not proxy.is_encrypted:
        return plain
    try:
        return plain_end(_secured(plain, proxy.host, proxy.ca_file, until, proxy.shown))
    except BaseException:
        plain.close()
        raise


def _secured(plain: socket.socket, host: str, ca_file: Path | None, until: float, shown: str) -> ssl.SSLSocket:
    try:
        secured = verified_context(ca_file).wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except OSError as error:
        raise ProxyTrouble(ProxyFault.UNTRUSTED, shown, _tls_words(error)) from None
    try:
        secured.setblocking(False)
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                _wait_for(secured, select.POLLIN, _left(until, shown))
            except ssl.SSLWantWriteError:
                _wait_for(secured, select.POLLOUT, _left(until, shown))
            else:
                return secured
    except ProxyTrouble:
        secured.close()
        raise
    except OSError as error:
        secured.close()
        raise ProxyTrouble(ProxyFault.UNTRUSTED, shown, _tls_words(error)) from None


def _wait_for(sock: socket.socket, event: int, seconds: float) -> None:
    poll = select.poll()
    poll.register(sock, event)
    poll.poll(seconds * 1000)


def _tls_words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"shows a certificate that isn't trusted ({error.verify_message}), so nothing was sent to it"
    said = error.reason if isinstance(error, ssl.SSLError) and error.reason else type(error).__name__
    return f"doesn't speak TLS as an https:// proxy must ({said}), so nothing was sent to it"


def _refusal(error: Any, proxy: ProxyServer, target: str) -> ProxyTrouble:
    """What python-socks says of an answer, without the proxy's words."""
    code, named = error.error_code, proxy.username is not None
    if code is not None and proxy.is_http:
        return http_refusal(int(code), proxy.shown, target, named=named)
    if code is not None:
        return socks_refusal(int(code), proxy.shown, target)
    if not proxy.is_http and str(error).startswith(_ABOUT_CREDENTIALS):
        return credentials_refused(proxy.shown, named=named)
    kind = "an HTTP" if proxy.is_http else "a SOCKS5"
    return ProxyTrouble(ProxyFault.BROKEN, proxy.shown, f"doesn't answer as {kind} proxy does")


def _left(until: float, shown: str) -> float:
    """The seconds that are left. Raises ProxyTrouble if none is."""
    left = until - time.monotonic()
    if left <= 0:
        raise ProxyTrouble(ProxyFault.SILENT, shown, "gave no whole answer in time")
    return left


class _Forward:
    """Gives python-socks our stream in place of a connection of its own."""

    def __init__(self, stream: "_Stream") -> None:
        self._stream = stream

    def connect(self, **_: object) -> "_Stream":
        return self._stream


class _Stream:
    """What python-socks reads and writes. It never reads beyond the proxy's answer: a server may speak at once."""

    def __init__(self, sock: socket.socket, shown: str, until: float, *, is_head: bool) -> None:
        """is_head: `read` reads the head of an HTTP answer."""
        self.sock = sock
        self._shown = shown
        self._until = until
        self._is_head = is_head

    def write_all(self, data: bytes) -> None:
        try:
            self.sock.settimeout(_left(self._until, self._shown))
            self.sock.sendall(data)
        except TimeoutError:
            raise self._silent() from None

    def read(self, _most: int = 0) -> bytes:
        """The whole head of the answer, and no byte more."""
        head = bytearray()
        while not head.endswith((b"\r\n\r\n", b"\n\n")):
            if len(head) >= _LONGEST_HEAD:
                raise ProxyTrouble(ProxyFault.BROKEN, self._shown, "gave an answer without an end")
            head += self.read_exact(1)
        return bytes(head)

    def read_exact(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                self.sock.settimeout(_left(self._until, self._shown))
                some = self.sock.recv(count - len(data))
            except TimeoutError:
                raise self._silent() from None
            except OSError as error:
                said = error.strerror or type(error).__name__
                raise ProxyTrouble(ProxyFault.BROKEN, self._shown, f"ended the connection ({said})") from None
            if not some:
                raise ProxyTrouble(ProxyFault.BROKEN, self._shown, "ended the connection before it had answered")
            data += some
        return data

    def close(self) -> None:
        self.sock.close()

    def _silent(self) -> ProxyTrouble:
        return ProxyTrouble(ProxyFault.SILENT, self._shown, "gave no whole answer in time")
