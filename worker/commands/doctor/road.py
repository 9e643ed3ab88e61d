"""A road to a server: straight, or through a proxy. It connects, and no more.

The proxy is that of `[proxy]` or, to the sign-in service alone and without such a table, that of the environment.
"""

import base64
import socket
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import unquote, urlsplit

from worker.connections import Proxy


@dataclass(frozen=True, slots=True)
class Road:
    """Where a server is, and how it is reached.

    setting: where its name stands in the configuration. timeout: in seconds. ca_file: an authority to trust besides the
    system's. configured: the proxy of the settings. proxy: the URL of the environment's proxy, without one of the
    settings; None: it isn't reached by that.
    """

    host: str
    port: int
    setting: str
    timeout: float
    ca_file: Path | None = None
    proxy: str | None = None
    configured: Proxy | None = None

    @property
    def by_proxy(self) -> bool:
        """Whether it leads through any proxy."""
        return self.by_settings or self.proxy is not None

    @property
    def by_settings(self) -> bool:
        """Whether it leads through the proxy of the settings."""
        return self.configured is not None and not self.configured.passes_by(self.host, self.port)

    @property
    def named_by(self) -> str:
        """What names the proxy."""
        return "[proxy]" if self.by_settings else "HTTPS_PROXY"

    @property
    def proxy_host(self) -> str:
        """The proxy's host and port, without the credentials that its URL may have."""
        if self.configured is not None:
            return self.configured.shown
        parts = urlsplit(self.proxy or "")
        return f"{parts.hostname}:{parts.port or 80}"

    def connect(self) -> socket.socket:
        """Open a connection, not yet TLS.

        Raises:
            OSError: there is none. Also if the proxy refuses: that of the settings with a `ProxyTrouble`.
        """
        if self.configured is not None:
            return self.configured.connect(self.host, self.port, self.timeout)
        if self.proxy is None:
            return socket.create_connection((self.host, self.port), self.timeout)
        parts = urlsplit(self.proxy)
        tunnel = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=self.timeout)
        tunnel.set_tunnel(self.host, self.port, headers=_proxy_login(parts.username, parts.password))
        tunnel.connect()
        return tunnel.sock


def _proxy_login(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}
