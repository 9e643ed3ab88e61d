"""httpx through a dialer: for how long a connection is kept for the next request."""

import socket
import time

import httpx
import pytest

from tests.rig.https import HttpsServer
from tests.rig.tls import Authority
from worker.connections import Direct, http_transport, verified_context
from worker.connections.http_transport import ProxiedTransport


class Counting:
    def __init__(self) -> None:
        self.connections = 0

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        self.connections += 1
        return Direct().connect(host, port, timeout)


@pytest.mark.parametrize(("idle", "connections"), [(60.0, 1), (0.01, 2)])
def test_a_connection_is_kept_for_moments_alone(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, idle: float, connections: int
) -> None:
    """An alert an hour after the last one mustn't go into a tunnel that a firewall has dropped without a word."""
    monkeypatch.setattr(http_transport, "_IDLE", idle)
    dialer = Counting()
    with (
        HttpsServer(authority) as server,
        httpx.Client(transport=ProxiedTransport(dialer, verified_context(authority.ca_file))) as client,
    ):
        for _ in range(2):
            assert client.get(server.url).status_code == 204
            time.sleep(0.05)
    assert dialer.connections == connections
