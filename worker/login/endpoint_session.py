"""The HTTP session for the token endpoint: https alone, verified as all our connections are, directly or by a proxy.

requests and urllib3 come with the extra `oauth`, and are imported only if OAuth is configured.
"""

import socket
from pathlib import Path
from typing import Any

from worker.connections import Dialer, Direct, ProxyTrouble, verified_context


class EndpointDialer:
    """Opens the connections to the endpoint, and remembers why the proxy made none."""

    def __init__(self, dialer: Dialer | None) -> None:
        self._given = dialer or Direct()
        self.trouble: ProxyTrouble | None = None

    def forget(self) -> None:
        """Begin a new request."""
        self.trouble = None

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """As `Dialer` says."""
        try:
            return self._given.connect(host, port, timeout)
        except ProxyTrouble as error:
            self.trouble = error
            raise


def https_session(ca_file: Path | None, dialer: Dialer | None) -> Any:
    """A session of requests.

    ca_file: authorities to trust besides the public ones, which requests' own setting would replace. dialer: opens the
    connections, and the environment's proxies don't count; None: urllib3 opens them, as the environment says.
    """
    import requests

    class Session(requests.Session):
        def __init__(self) -> None:
            super().__init__()
            self.trust_env = dialer is None
            self.mount("https://", _adapter(ca_file, dialer))
            del self.adapters["http://"]  # whatever discovery answers, nothing is sent in clear text

    return Session()


def _adapter(ca_file: Path | None, dialer: Dialer | None) -> Any:
    """An adapter that verifies as all our connections do, whatever the session or the environment says."""
    from requests.adapters import HTTPAdapter

    context = verified_context(ca_file)

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **named: Any) -> None:
            if dialer is None:
                super().init_poolmanager(connections, maxsize, block, ssl_context=context, **named)
            else:
                pools = _pool_manager(dialer)
                self.poolmanager = pools(connections, maxsize=maxsize, block=block, ssl_context=context, **named)

        def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
            return super().proxy_manager_for(proxy, ssl_context=context, **named)

        def send(self, request: Any, *given: Any, **named: Any) -> Any:
            return super().send(request, *given, **{**named, "verify": True})

        def cert_verify(self, *_: Any) -> None:
            """Leave the connection as it is: verified by the context, without requests' own authorities."""

    return Adapter()


def _pool_manager(dialer: Dialer) -> Any:
    """urllib3's class of pools, with connections that the dialer opens."""
    from urllib3 import PoolManager
    from urllib3.connection import HTTPSConnection
    from urllib3.connectionpool import HTTPSConnectionPool
    from urllib3.exceptions import NewConnectionError

    class Connection(HTTPSConnection):
        def _new_conn(self) -> Any:  # what urllib3's own connections over SOCKS override as well
            limit = float(self.timeout) if isinstance(self.timeout, int | float) else _LONGEST
            try:
                return dialer.connect(self.host, int(self.port or 443), limit)
            except OSError as error:
                raise NewConnectionError(self, str(error)) from error

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    class Pools(PoolManager):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.pool_classes_by_scheme = {"https": Pool}

    return Pools


_LONGEST = 30.0
"""Seconds to connect where urllib3 gives a connection no number; requests always sets one."""
