"""Probes, metrics and the status page on one port.

`/livez` and `/readyz` answer anybody, and say nothing but a few words of ours. `/metrics` and `/` are for whoever is on
this machine; beyond loopback they ask for a token, as `Authorization: Bearer` or, for people with a browser, as the
password of HTTP Basic. TLS is the business of whatever stands before it.
"""

import base64
import binascii
import hmac
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIEnvironment

import waitress  # type: ignore[import-untyped]  # it comes without types
from prometheus_client import CONTENT_TYPE_LATEST
from waitress import wasyncore

from worker.logs.log import get_logger
from worker.observe.health import Answer, Health
from worker.observe.metrics import Metrics
from worker.observe.page import render, style_hash
from worker.observe.view import StatusView

log = get_logger()

SHORTEST_TOKEN = 16
THREADS = 4
FRESH_FOR = 1.0
PATIENCE = 10.0
MOST_CONNECTIONS = 50
PROBES: Final = frozenset({"/livez", "/readyz"})
PLAIN: Final = "text/plain; charset=utf-8"


class UnsafeAddress(Exception):
    """The page and the metrics would be open to everybody beyond this machine."""

    log_safe = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back. headers: beyond those that every reply has."""

    status: str
    body: bytes
    kind: str = PLAIN
    headers: tuple[tuple[str, str], ...] = ()


class LastKnown:
    """The state, read at most once a second and by one thread at a time; the last known one where it can't be read."""

    def __init__(
        self,
        read: Callable[[], StatusView],
        *,
        account: str,
        clock: Callable[[], float] = time.time,
        fresh_for: float = FRESH_FOR,
    ) -> None:
        self._read = read
        self._clock = clock
        self._fresh_for = fresh_for
        self._lock = threading.Lock()
        self._view = StatusView(account=account, now=self._now(), journal_ok=False)
        self._read_at = float("-inf")

    def __call__(self) -> StatusView:
        """The state. Never raises. Doesn't wait while another thread is reading it."""
        if self._clock() - self._read_at < self._fresh_for or not self._lock.acquire(blocking=False):
            return self._view
        try:
            self._view = self._read()
        except Exception:  # whatever it is: people must see a page, and on it that the journal is in trouble
            log.warning("http.status_unreadable", exc_info=True)
            self._view = replace(self._view, now=self._now(), journal_ok=False)
        finally:
            self._read_at = self._clock()
            self._lock.release()
        return self._view

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


class Application:
    """The WSGI application.

    status: gives the state; it must not raise (see `LastKnown`). token: gives the token that page and metrics ask for;
    None: they ask for none, and answer only where they are asked for by a name of this machine.
    """

    def __init__(
        self,
        *,
        status: Callable[[], StatusView],
        health: Health,
        metrics: Metrics,
        token: Callable[[], str] | None = None,
    ) -> None:
        self._status = status
        self._health = health
        self._metrics = metrics
        self._token = token
        self._pages: dict[str, Callable[[], Reply]] = {
            "/": self._page,
            "/metrics": self._scrape,
            "/livez": lambda: _probe(self._health.live()),
            "/readyz": lambda: _probe(self._health.ready(self._status())),
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        reply = self._reply(environ)
        headers = [("Content-Type", reply.kind), ("Content-Length", str(len(reply.body))), *_SAFE, *reply.headers]
        start_response(reply.status, headers)
        return [b""] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    def _reply(self, environ: WSGIEnvironment) -> Reply:
        path = environ.get("PATH_INFO") or "/"
        make = self._pages.get(path)
        if make is None:
            return Reply("404 Not Found", b"There are /, /metrics, /livez and /readyz.\n")
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return Reply("405 Method Not Allowed", b"Nothing can be changed here.\n", headers=(("Allow", "GET, HEAD"),))
        refusal = None if path in PROBES else self._refusal(environ)
        if refusal is not None:
            return refusal
        try:
            return make()
        except Exception:  # a fault of the page must end as an answer, with nothing of the fault in it
            log.exception("http.failed", url_path=path.strip("/") or "page")
            return Reply("500 Internal Server Error", b"This page could not be made. The worker goes on.\n")

    def _refusal(self, environ: WSGIEnvironment) -> Reply | None:
        if self._token is None:
            # A name that a stranger's web page had pointed at this machine is not one of this machine's names.
            if _local_name(environ.get("HTTP_HOST", "")):
                return None
            return Reply("403 Forbidden", b"Ask by the name of this machine: localhost.\n")
        try:
            expected = self._token()
        except (OSError, ValueError):
            return Reply("503 Service Unavailable", b"The file that holds the token can't be read.\n")
        given = _given_token(environ.get("HTTP_AUTHORIZATION", ""))
        if len(expected) >= SHORTEST_TOKEN and hmac.compare_digest(given.encode(), expected.encode()):
            return None
        asks = (("WWW-Authenticate", "Bearer"), ("WWW-Authenticate", 'Basic realm="nhsmail-worker", charset="UTF-8"'))
        return Reply("401 Unauthorized", b"A token is needed.\n", headers=asks)

    def _page(self) -> Reply:
        return Reply("200 OK", render(self._status()).encode(), "text/html; charset=utf-8", (_policy(),))

    def _scrape(self) -> Reply:
        self._metrics.show(self._status())
        return Reply("200 OK", self._metrics.text(), CONTENT_TYPE_LATEST)


_SAFE: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)


def _policy() -> tuple[str, str]:
    return "Content-Security-Policy", (
        f"default-src 'none'; style-src '{style_hash()}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _probe(answer: Answer) -> Reply:
    if answer.ok:
        return Reply("200 OK", b"ok\n")
    return Reply("503 Service Unavailable", ("\n".join(answer.reasons) + "\n").encode())


def _given_token(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""


def _local_name(host: str) -> bool:
    name = re.sub(r":\d*$", "", host).strip("[]").lower()
    return name in {"", "localhost"} or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address(listen: str) -> tuple[str, int]:
    """The host and port of `127.0.0.1:8080` or `[::1]:8080`, the form that the setting has."""
    host, _, port = listen.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def token_from(file: Path) -> Callable[[], str]:
    """Reads the token anew each time it is asked for, so that a new one needs no restart."""
    return lambda: file.read_text().strip()


class Server:
    """Serves an application on one address, in a thread of its own with a few more for requests.

    patience: s that a connection may last while none of its requests is being worked on, however busily it sends or
    reads: clients that are slow, or mean to be, must not keep an engine's probe out. most: connections at a time; for
    one more, the oldest that waits for its client ends.

    Raises (on creation):
        UnsafeAddress: the address is beyond loopback and there is no token, or it is too short.
        OSError: the address can't be listened on, or the token's file can't be read.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        status: Callable[[], StatusView],
        account: str,
        health: Health,
        metrics: Metrics,
        token: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
        most: int = MOST_CONNECTIONS,
    ) -> None:
        _check(host, token)
        application = Application(
            status=LastKnown(status, account=account, clock=clock), health=health, metrics=metrics, token=token
        )
        self._patience = patience
        self._most = most
        self._since: dict[Any, float] = {}
        self._map: dict[int, Any] = {}
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._server = waitress.create_server(
            application,
            map=self._map,
            sockets=[self._socket],
            threads=THREADS,
            connection_limit=4 * most,  # beyond it nobody is let in; ours, below, is met long before
            max_request_header_size=16 * 1024,
            max_request_body_size=1024,
            asyncore_use_poll=True,
            ident=None,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        log.info("http.listening", host=self.host, port=self.port)

    def stop(self, timeout: float = 2.0) -> None:
        """Stop answering; returns when the port is free again, or after so many seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._server.pull_trigger()
            self._thread.join(timeout)
        else:
            self._close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=min(1.0, self._patience), map=self._map, use_poll=True, count=1)
            self._send_away()
        self._close()

    def _send_away(self) -> None:
        """End the connections that have lasted too long, and the oldest ones where there are too many."""
        now = time.monotonic()
        channels = list(self._server.active_channels.values())
        self._since = {channel: self._since.get(channel, now) for channel in channels}  # in the order of their coming
        waiting = [channel for channel in channels if not channel.requests]
        too_many = len(channels) - self._most + 1
        for place, channel in enumerate(waiting):
            if place < too_many or now - self._since[channel] > self._patience:
                channel.handle_close()

    def _close(self) -> None:
        # In the loop's own thread: closing a socket under a waiting loop is an error there.
        self._server.task_dispatcher.shutdown(timeout=1)
        self._server.close()
        wasyncore.close_all(self._map, ignore_all=True)
        self._socket.close()


def _check(host: str, token: Callable[[], str] | None) -> None:
    if token is None and not is_loopback(host):
        raise UnsafeAddress(
            "Beyond loopback the status page and the metrics need a token: "
            "set health.token_file, or listen on 127.0.0.1."
        )
    if token is not None and len(token()) < SHORTEST_TOKEN:
        raise UnsafeAddress(
            f"The token of health.token_file is too short: it needs {SHORTEST_TOKEN} characters or more."
        )


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(64)
    except OSError:
        listening.close()
        raise
    return listening
