"""Probes, metrics and the status page, as answers to requests.

`/livez` and `/readyz` answer anybody, with a few words of ours. `/metrics` and `/` are for this machine; beyond
loopback they ask for a token, as `Authorization: Bearer` or, for browsers, as the password of HTTP Basic. TLS is left
to the proxy in front.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CONTENT_TYPE_LATEST

from worker.logs.log import get_logger
from worker.observe.access import Token, is_local_name, is_right
from worker.observe.counts import Counts
from worker.observe.health import Answer, Health
from worker.observe.page import REFRESH, render, style_hash
from worker.observe.view import StatusSource

log = get_logger()

PROBES: Final = frozenset({"/livez", "/readyz"})
SOONEST: Final = 5
LATEST: Final = 3600
"""The fewest and most seconds between two reads of the page that `?refresh=` may ask for."""
PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply. headers: besides those that every reply has."""

    status: str
    body: bytes
    kind: str = PLAIN
    headers: tuple[tuple[str, str], ...] = ()


class Application:
    """The WSGI application.

    status: must not raise (see `LastKnown`). token: what page and metrics ask for; None: they ask for none, and answer
    only requests that name this machine as their host.
    """

    def __init__(
        self,
        *,
        status: StatusSource,
        health: Health,
        metrics: Counts,
        token: Token | None = None,
    ) -> None:
        self._status = status
        self._health = health
        self._metrics = metrics
        self._token = token
        self._pages: dict[str, Callable[[str], Reply]] = {
            "/": self._page,
            "/metrics": lambda _query: self._scrape(),
            "/livez": lambda _query: _probe(self._health.live()),
            "/readyz": lambda _query: _probe(self._health.ready(self._status.view())),
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
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
            return make(environ.get("QUERY_STRING", ""))
        except Exception:  # a fault of the page becomes an answer that shows nothing of the fault
            log.exception("http.failed", url_path=path.strip("/") or "page")
            return Reply("500 Internal Server Error", b"This page could not be made. The worker goes on.\n")

    def _refusal(self, environ: WSGIEnvironment) -> Reply | None:
        if self._token is None:
            # A foreign web page may have pointed a name of its own at this machine (DNS rebinding): refuse that name.
            if is_local_name(environ.get("HTTP_HOST", "")):
                return None
            return Reply("403 Forbidden", b"Ask by the name of this machine: localhost.\n")
        try:
            expected = self._token.read()
        except (OSError, ValueError):
            return Reply("503 Service Unavailable", b"The file that holds the token can't be read.\n")
        if is_right(expected, environ.get("HTTP_AUTHORIZATION", "")):
            return None
        asks = (("WWW-Authenticate", "Bearer"), ("WWW-Authenticate", 'Basic realm="nhsmail-worker", charset="UTF-8"'))
        return Reply("401 Unauthorized", b"A token is needed.\n", headers=asks)

    def _page(self, query: str) -> Reply:
        refresh = _refresh(query)
        again = () if refresh is None else (("Refresh", str(refresh)),)
        page = render(self._status.view(), refresh).encode()
        return Reply("200 OK", page, "text/html; charset=utf-8", (_policy(), *again))

    def _scrape(self) -> Reply:
        self._metrics.show(self._status.view())
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


def _refresh(query: str) -> int | None:
    """The seconds after which the browser reads the page again; None if `?refresh=off` stops that."""
    asked = parse_qs(query).get("refresh", [""])[-1]
    if asked == "off":
        return None
    return max(SOONEST, min(int(asked), LATEST)) if asked.isascii() and asked.isdigit() else REFRESH


def _policy() -> tuple[str, str]:
    return "Content-Security-Policy", (
        f"default-src 'none'; style-src '{style_hash()}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _probe(answer: Answer) -> Reply:
    if answer.ok:
        return Reply("200 OK", b"ok\n")
    return Reply("503 Service Unavailable", ("\n".join(answer.reasons) + "\n").encode())
