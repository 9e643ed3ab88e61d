"""The server on a real socket: it answers, bears with slow and hostile clients, and gives its port back."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.rig.ports import free_port
from tests.unit.observe import views
from worker.observe.health import Health
from worker.observe.metrics import Metrics
from worker.observe.server import Server


def _server(port: int = 0, patience: float = 10.0, most: int = 50) -> Server:
    return Server(
        "127.0.0.1",
        port,
        status=views.Source(views.WORKING),
        account="a@nhs.net",
        health=Health(pool=1),
        metrics=Metrics(),
        patience=patience,
        most=most,
    )


@pytest.fixture
def server() -> Iterator[Server]:
    running = _server()
    running.start()
    yield running
    running.stop()


def _get(port: int, path: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(), dict(response.headers)
    finally:
        connection.close()


def test_all_four_are_on_one_port_and_the_server_does_not_name_itself(server: Server) -> None:
    for path in ("/", "/metrics", "/livez", "/readyz"):
        status, body, headers = _get(server.port, path)
        assert (status, bool(body)) == (200, True)
        assert "Server" not in headers


def test_clients_that_send_nothing_or_nonsense_do_not_keep_others_out(server: Server) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
    try:
        for number, client in enumerate(idle):
            client.sendall(b"GET / HTTP/1.1\r\nX: " if number % 2 else b"\x16\x03\x01\x00\xff")
        assert _get(server.port, "/livez")[:2] == (200, b"ok\n")
    finally:
        for client in idle:
            client.close()


def _drip(port: int, number: int, stop: threading.Event) -> list[socket.socket]:
    """Clients that begin a request and never end it, but send a byte of it again and again."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(number)]
    for client in clients:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ")

    def drip() -> None:
        while not stop.wait(0.1):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.sendall(b"a")

    threading.Thread(target=drip, daemon=True).start()
    return clients


def _was_ended(client: socket.socket) -> bool:
    client.settimeout(5)
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_more_slow_clients_than_there_is_room_for_do_not_silence_a_probe() -> None:
    running = _server(patience=60, most=10)
    running.start()
    stop = threading.Event()
    slow = _drip(running.port, 25, stop)
    try:
        for _ in range(5):
            assert _get(running.port, "/livez")[:2] == (200, b"ok\n")
        assert all(_was_ended(client) for client in slow[:14])
    finally:
        stop.set()
        for client in slow:
            client.close()
        running.stop()


def test_a_client_that_never_ends_its_request_is_sent_away_however_busy_it_is() -> None:
    running = _server(patience=1)
    running.start()
    stop = threading.Event()
    slow = _drip(running.port, 5, stop)
    try:
        assert all(_was_ended(client) for client in slow)
        assert _get(running.port, "/livez")[0] == 200
    finally:
        stop.set()
        for client in slow:
            client.close()
        running.stop()


def _ends(client: socket.socket) -> bool:
    """Whether the other side ends the connection within ten seconds, told without reading from it."""
    ends = time.monotonic() + 10
    try:
        while time.monotonic() < ends:
            client.send(b"G")
            time.sleep(0.1)
    except OSError:
        return True
    return False


def test_a_client_that_does_not_read_its_answers_is_sent_away() -> None:
    running = _server(patience=1)
    running.start()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.connect(("127.0.0.1", running.port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        assert _get(running.port, "/livez")[0] == 200
        assert _ends(client)
    running.stop()


def test_a_request_with_too_long_a_header_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n")
        assert client.recv(100).startswith((b"HTTP/1.0 431", b"HTTP/1.1 431"))


def test_threads_stay_few_however_many_ask(server: Server) -> None:
    before = threading.active_count()
    askers = [threading.Thread(target=_get, args=(server.port, "/")) for _ in range(20)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert threading.active_count() <= before


def test_it_stops_at_once_and_gives_its_port_back() -> None:
    running = _server(free_port())
    running.start()
    with socket.create_connection(("127.0.0.1", running.port)):
        began = time.monotonic()
        running.stop(timeout=30)
        assert time.monotonic() - began < 8  # the client would be borne with for ten seconds
    again = _server(running.port)
    again.start()
    assert _get(again.port, "/livez")[0] == 200
    again.stop()


def test_one_that_never_started_gives_its_port_back_too() -> None:
    never = _server(free_port())
    never.stop()
    _server(never.port).stop()
