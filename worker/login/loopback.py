"""Receives the browser at the end of a sign-in: a listener on this machine's loopback addresses, for one answer.

It takes the first request that is the sign-in's answer, stops listening, and shows the person what came of it. Every
other request gets a page that says nothing, and changes nothing.
"""

import errno
import html
import socket
import socketserver
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any, Final, Self

from worker.login.credential import CredentialUnavailable
from worker.login.redirect import Awaited, Person, UnfitRedirect, unfinished
from worker.mailbox.errors import LoginFailed

PATIENCE: Final = 900.0
"""How long a person may take, in seconds. The code that ends the sign-in is valid for ten minutes, by Microsoft."""
_SLOWEST: Final = 10.0
"""How long a client may be silent, in seconds."""
_SHOWING: Final = 3.0
"""How long the last page may take to reach the browser, in seconds."""
_MOST_CLIENTS: Final = 16
_PORTS_TRIED: Final = 20
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the page's own address holds the code
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}
_NOTHING: Final = "There is nothing here."
_STOPPED: Final = "The sign-in was stopped. Look at the terminal."


class LoopbackListener:
    """The listener: `http://localhost:PORT`, on 127.0.0.1 and ::1 alone. As a context manager it closes.

    port: 0 for any that is free. patience: how long to wait for the answer, in seconds.

    Raises:
        CredentialUnavailable: the port can't be listened on.
    """

    def __init__(self, person: Person, *, port: int = 0, patience: float = PATIENCE) -> None:
        self._person = person
        self._patience = patience
        self._desk = _Desk()
        self._servers = _listening(port, self._desk)
        self._serving = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.conclude(_STOPPED)
        self._serving.close()
        for server in self._servers:
            server.server_close()

    @property
    def redirect_uri(self) -> str:
        """The address that the browser is sent back to."""
        return f"http://localhost:{self._servers[0].server_port}"

    def answer(self, address: str, state: str) -> Mapping[str, str]:
        """Tell the person the address, and wait for the browser to come back with this state.

        Raises:
            LoginFailed: nothing came in time.
        """
        self._desk.expect(Awaited(self.redirect_uri, state))
        for server in self._servers:
            thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="sign-in", daemon=True)
            thread.start()
            self._serving.callback(server.shutdown)
        self._person.tell(
            f"To sign in, open this address in a browser on this machine:\n\n{address}\n\nIf the browser is on "
            "another machine, stop this (Ctrl-C) and use `nhsmail-worker login authorise --paste`."
        )
        found = self._desk.wait(self._patience)
        self._serving.close()
        for server in self._servers:
            server.server_close()
        if found is None:
            raise LoginFailed(unfinished())
        return found

    def conclude(self, text: str) -> None:
        """Show the waiting browser what came of the sign-in. Only the first call counts."""
        self._desk.conclude(text)


class _Desk:
    """Where the servers' threads hand in the answer, and wait for what to show."""

    def __init__(self) -> None:
        self._awaited: Awaited | None = None
        self._answer: Queue[dict[str, str]] = Queue()
        self._once = threading.Lock()
        self._outcome = _STOPPED
        self._concluded = threading.Event()
        self._shown = threading.Event()
        self._shown.set()  # nobody waits for a page yet

    def expect(self, awaited: Awaited) -> None:
        self._awaited = awaited

    def wait(self, patience: float) -> dict[str, str] | None:
        try:
            return self._answer.get(timeout=patience)
        except Empty:
            return None

    def take(self, query: str) -> bool:
        """Take a request's query if it is the answer. Only one is ever taken."""
        if self._awaited is None:
            return False
        try:
            found = self._awaited.from_query(query)
        except UnfitRedirect:
            return False
        if not self._once.acquire(blocking=False):
            return False
        self._shown.clear()
        self._answer.put(found)
        return True

    def outcome(self) -> str:
        """Wait for what came of the sign-in."""
        self._concluded.wait()
        return self._outcome

    def shown(self) -> None:
        self._shown.set()

    def conclude(self, text: str) -> None:
        if not self._concluded.is_set():
            self._outcome = text
            self._concluded.set()
            self._shown.wait(_SHOWING)


class _Server(ThreadingHTTPServer):
    """Serves a few clients at once, each in a thread of its own: a browser may open connections that it never uses."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 2 * _MOST_CLIENTS

    def __init__(self, address: str, port: int, family: socket.AddressFamily, desk: _Desk) -> None:
        self.address_family = family
        self.desk = desk
        self._slots = threading.BoundedSemaphore(_MOST_CLIENTS)
        super().__init__((address, port), _Handler)

    def server_bind(self) -> None:
        """Bind, without asking DNS for the machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away: a traceback would show the request."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SLOWEST

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        named = (self.headers.get("Host") or "").lower()  # another name is that of a page that rebinds its own
        if path != "/" or named != f"localhost:{self.server.server_port}" or not self.server.desk.take(query):
            self.send_error(404)
            return
        try:
            self._page(200, self.server.desk.outcome())
        finally:
            self.server.desk.shown()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 -- the library's texts quote the request
        """Answer with the one page that says nothing."""
        self._page(code, _NOTHING)

    def log_message(self, format: str, *given: Any) -> None:  # noqa: A002 -- the library's name
        """Log nothing: a request holds the code."""

    def version_string(self) -> str:
        return "nhsmail-worker"

    def _page(self, code: int, text: str) -> None:
        said = html.escape(text)
        page = f'<!doctype html><html lang="en"><title>Sign-in</title><p>{said}</p></html>\n'.encode()
        self.close_connection = True
        self.send_response(code)
        for name, value in {**_HEADERS, "Content-Length": str(len(page))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)


def _listening(port: int, desk: _Desk) -> list[_Server]:
    """Return servers on both loopback addresses; on one if this machine has no IPv6.

    A browser tries both, so a port that somebody else has on either isn't used.
    """
    for _ in range(1 if port else _PORTS_TRIED):
        try:
            first = _Server("127.0.0.1", port, socket.AF_INET, desk)
        except OSError as error:
            raise _not_listening(port, error) from error
        try:
            return [first, _Server("::1", first.server_port, socket.AF_INET6, desk)]
        except OSError as error:
            if error.errno in _NO_IPV6:
                return [first]
            first.server_close()
            problem = error
    raise _not_listening(port, problem) from problem


def _not_listening(port: int, error: OSError) -> CredentialUnavailable:
    where = f"port {port}" if port else "a port"
    return CredentialUnavailable(
        f"The sign-in needs {where} of this machine's loopback addresses, and the worker can't listen there "
        f"({error.strerror}). Nothing was done. Choose another port with --port, or use --paste."
    )
