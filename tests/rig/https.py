"""An HTTPS server that fails on demand and keeps the requests it got."""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from tests.rig.ports import free_port
from tests.rig.tls import ADDRESS, HOST, Authority


@dataclass(frozen=True)
class Request:
    """A request. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """How to answer a request.

    reset_before: hang up without keeping the request. reset_after: keep it, then hang up without an answer.
    drip: send the head (`head`) or the body (`body`) one byte at a time, for ever. garbage: don't answer in HTTP.
    """

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    reset_before: bool = False
    reset_after: bool = False
    drip: str = ""
    garbage: bool = False
    cut: bool = False
    """Announce a longer body than is sent."""


class HttpsServer:
    """Gives `answers` in order, then `after` for ever. `requests` holds the requests that it accepted.

    It keeps its port across `stop` and `start`. client_ca: clients must present a certificate of this authority.
    """

    host = HOST

    def __init__(
        self,
        authority: Authority,
        answers: Iterable[Answer] = (),
        *,
        after: Answer | Callable[[Request], Answer] = Answer(),
        names: tuple[str, ...] = (),
        client_ca: Authority | None = None,
        plain: bool = False,
    ) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._answers = list(answers)
        self._after = after
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._context = None if plain else authority.server_context(*names)
        if self._context is not None and client_ca is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(cafile=client_ca.ca_file)
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self._open: set[socket.socket] = set()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{'http' if self._context is None else 'https'}://{HOST}:{self.port}/mail"

    def start(self) -> None:
        rig = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # a body after its head waits 40 ms otherwise

            def setup(self) -> None:
                if rig._context is not None:
                    self.request = rig._context.wrap_socket(self.request, server_side=True)
                with rig._lock:
                    rig.connections += 1
                    rig._open.add(self.request)
                super().setup()

            def finish(self) -> None:
                with contextlib.suppress(OSError):
                    super().finish()
                with rig._lock:
                    rig._open.discard(self.request)
                self.request.close()

            def do_POST(self) -> None:
                rig._serve(self)

            do_GET = do_PUT = do_HEAD = do_POST  # noqa: N815 -- http.server's own names

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = False  # so that `server_close` waits for them
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Ignore clients that hang up or refuse our certificate, as tests expect them to."""

        self._stopping.clear()
        self._server = Quiet((ADDRESS, self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Stop at once and end every connection."""
        if self._server is None:
            return
        self._stopping.set()
        self._server.shutdown()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self._server.server_close()
        self._server = None

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        if len(body) < length:  # the client hung up, so there is no whole request
            handler.close_connection = True
            return
        request = Request(handler.path, {name.lower(): value for name, value in handler.headers.items()}, body)
        with self._lock:
            answer = self._answers.pop(0) if self._answers else self._after
        if callable(answer):
            answer = answer(request)
        if answer.reset_before:
            self._reset(handler)
            return
        with self._lock:
            self.requests.append(request)
        self._stopping.wait(answer.delay)
        if answer.reset_after:
            self._reset(handler)
            return
        self._answer(handler, answer)

    def _reset(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()

    def _answer(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.garbage:
            handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
            handler.close_connection = True
            return
        if answer.drip == "head":
            self._drip(handler, b"HTTP/1.1 200 OK\r\nX-Slow: ")
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        length = len(answer.body) + (1000 if answer.cut or answer.drip == "body" else 0)
        if answer.status != 204:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        if answer.drip == "body":
            self._drip(handler, b"")
            return
        handler.wfile.write(answer.body)
        if answer.cut:
            handler.close_connection = True

    def _drip(self, handler: BaseHTTPRequestHandler, start: bytes) -> None:
        handler.close_connection = True
        until = time.monotonic() + 30
        with contextlib.suppress(OSError):
            handler.wfile.write(start)
            while time.monotonic() < until and not self._stopping.wait(0.02):
                handler.wfile.write(b"a")
