"""A token endpoint on loopback that answers like Microsoft's: discovery, device codes, tokens and AADSTS errors."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.rig.tls import HOST, Authority

Answer = tuple[int, dict[str, Any]] | None
"""Status and body, or None to hang up without an answer."""

DESCRIPTION = (
    "AADSTS{number}: Something about it. Trace ID: 6f1c. Correlation ID: 92aa. Timestamp: 2026-11-23 10:00:00Z"
)


def refusal(number: int, error: str = "invalid_grant", status: int = 400) -> Answer:
    """A refusal in Microsoft's format."""
    description = DESCRIPTION.format(number=number)
    return status, {"error": error, "error_description": description, "error_codes": [number], "suberror": ""}


def tokens(
    access: str = "access-1", *, refresh: str | None = "refresh-1", expires_in: int = 3600, user: str = ""
) -> Answer:
    """A success. user: who signed in, if a person did."""
    body: dict[str, Any] = {"token_type": "Bearer", "access_token": access, "expires_in": expires_in}
    if refresh is not None:
        body |= {"refresh_token": refresh, "client_info": _encoded({"uid": "u", "utid": "t"})}
        claims = {"iss": "x", "sub": "s", "aud": "client", "exp": 1 << 40, "iat": 0, "preferred_username": user}
        body["id_token"] = f"{_encoded({'alg': 'none'})}.{_encoded(claims)}.x"
    return 200, body


def _encoded(value: dict[str, Any]) -> str:
    import base64

    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class TokenEndpoint:
    """Gives the `answers` that a test has put into it, in order, and keeps the forms that were posted."""

    def __init__(self, authority: Authority) -> None:
        self.answers: list[Answer] = []
        self.forms: list[dict[str, str]] = []
        self.discovery_status = 200
        self.discovery_body: dict[str, Any] | None = None
        self.headers: dict[str, str] = {}
        self._scope = ""
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.socket = authority.server_context().wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://{HOST}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _class: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def respond(self, path: str, form: dict[str, str]) -> Answer:
        """Answer a request."""
        if path.endswith("openid-configuration"):
            base = f"{self.url}/tenant"
            if self.discovery_body is not None:
                return self.discovery_status, self.discovery_body
            return self.discovery_status, {
                "issuer": base,
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/token",
                "device_authorization_endpoint": f"{base}/devicecode",
            }
        self.forms.append(form)
        self._scope = form.get("scope", self._scope)
        if path.endswith("devicecode"):
            return 200, {
                "device_code": "d",
                "user_code": "ABCD-1234",
                "verification_uri": "https://microsoft.com/devicelogin",
                "expires_in": 900,
                "interval": 0,
                "message": "To sign in, open https://microsoft.com/devicelogin and enter the code ABCD-1234.",
            }
        answer = self.answers.pop(0)
        if answer is not None and "id_token" in answer[1]:
            granted = [name for name in self._scope.split() if name not in {"openid", "profile", "offline_access"}]
            answer[1]["scope"] = " ".join(granted)
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return _handler(self.respond, self.headers)


def _handler(respond: Callable[[str, dict[str, str]], Answer], headers: dict[str, str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(respond(urlsplit(self.path).path, {}))

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(content).items()}
            self._send(respond(urlsplit(self.path).path, form))

        def log_message(self, format: str, *given: Any) -> None:  # noqa: A002 -- the library's name
            """Log nothing."""

        def _send(self, answer: Answer) -> None:
            if answer is None:
                self.close_connection = True
                return
            content = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    return Handler
