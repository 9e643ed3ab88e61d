"""The proxy of the table `[proxy]`, and which connections go through it."""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import quote, urlsplit

from worker.connections.dialer import Direct
from worker.connections.no_proxy import LOOPBACK, NoProxy
from worker.connections.tls_rule import Target
from worker.connections.tunnel import tunnelled

Scheme = Literal["http", "https", "socks5", "socks5h"]
SCHEMES: Final[tuple[str, ...]] = get_args(Scheme)
TABLE: Final = "[proxy]"
_LONGEST: Final = 255
"""Bytes that SOCKS has for a user name, and for a password (RFC 1929)."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, as a `Dialer`: it makes the connections of all clients but to the servers that `no_proxy` names.

    `http` and `https` speak CONNECT, `https` within TLS that is verified against the proxy's name. `socks5` gives the
    proxy an address that is resolved here; the other three give it the server's name, which it resolves.

    username, password: both or neither. ca_file: authorities to trust for the proxy besides the system's.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    no_proxy: NoProxy = field(default_factory=lambda: NoProxy.of(LOOPBACK))
    ca_file: Path | None = None

    @classmethod
    def of(
        cls,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        no_proxy: tuple[str, ...] = LOOPBACK,
        ca_file: Path | None = None,
        allow_clear: bool = False,
    ) -> "Proxy":
        """Read the settings of the table.

        Raises:
            ValueError: says which can't be right, and quotes no credential. Unprotected, which is one: the credentials
            would leave this machine in clear text.
        """
        scheme, host, port = _parsed(url)
        if (username is None) != (password is None):
            raise ValueError("username and password (or password_file) belong together: set both, or neither")
        for name, value in (("username", username), ("password", password)):
            if value is not None and not _is_sendable(value):
                raise ValueError(f"{name} must be 1 to {_LONGEST} plain ASCII characters, as proxies take no others")
        if username is not None and ":" in username:
            raise ValueError("username can't have a colon: HTTP has no way to send one")
        try:
            exempt = NoProxy.of(no_proxy)
        except ValueError as fault:
            raise ValueError(f"no_proxy: {fault}") from None
        found = cls(scheme, host, port, username, password, exempt, ca_file)
        if username is not None:
            _target(found, allow_clear=allow_clear).check("use https:// to the proxy")
        return found

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """As `Dialer` says.

        Raises:
            ProxyTrouble: the proxy doesn't make it. OSError: it doesn't go through the proxy, and there is none.
        """
        if self.passes_by(host, port):
            return Direct().connect(host, port, timeout)
        return tunnelled(self, host, port, timeout)

    def passes_by(self, host: str, port: int) -> bool:
        """Whether connections to this server don't go through the proxy."""
        return self.no_proxy.matches(host, port)

    @property
    def shown(self) -> str:
        """Its host and port, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url_with_credentials(self) -> str:
        """Its URL for a library that takes nothing else. Never show it."""
        user = "" if self.username is None else f"{quote(self.username, '')}:{quote(self.password or '', '')}@"
        return f"{self.scheme}://{user}{self.shown}"

    @property
    def is_http(self) -> bool:
        """Whether it speaks CONNECT, and not SOCKS."""
        return self.scheme in ("http", "https")

    @property
    def is_encrypted(self) -> bool:
        """Whether what we say to the proxy itself is within TLS."""
        return self.scheme == "https"

    @property
    def resolves(self) -> bool:
        """Whether it is the proxy that finds a server's address."""
        return self.scheme != "socks5"

    @property
    def sends_clear(self) -> bool:
        """Whether credentials for it leave this machine in clear text."""
        return self.username is not None and _target(self, allow_clear=True).is_clear


def _target(proxy: Proxy, *, allow_clear: bool) -> Target:
    """The proxy as what our credentials for it are sent to."""
    return Target(
        f"{proxy.scheme} with a user name and a password",
        proxy.host,
        proxy.port,
        encrypted=proxy.is_encrypted,
        allow_clear=allow_clear,
        table=TABLE,
    )


def _parsed(url: str) -> tuple[str, str, int]:
    example = "such as http://proxy.example.nhs.uk:3128"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"url must be a URL, {example}") from None
    if "@" in parts.netloc:
        raise ValueError("url can't hold a user or a password: use username, and password_file")
    if parts.scheme not in SCHEMES:
        raise ValueError(f"url must begin with {', '.join(f'{one}://' for one in SCHEMES[:-1])} or {SCHEMES[-1]}://")
    if not parts.hostname or port is None or port == 0:
        raise ValueError(f"url must name the proxy's host and port, {example}")
    if parts.path not in ("", "/") or parts.query or parts.fragment or any(char <= " " for char in url):
        raise ValueError(f"url has nothing after the port: {example}")
    return parts.scheme, parts.hostname, port


def _is_sendable(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and all(" " <= char <= "~" for char in text)
