"""A token endpoint on loopback that answers like Microsoft's: discovery, device codes, tokens and AADSTS errors.

Its authorization endpoint sends a browser back at once, as if a person had signed in.
"""

import base64
import hashlib
import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.rig.tls import HOST, Authority

Answer = tuple[int, Any] | None
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
    return _base64url(json.dumps(value).encode())


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _with_claims(token: str, **claims: str) -> str:
    head, body, tail = token.split(".")
    found = json.loads(base64.urlsafe_b64decode(body + "=="))
    return ".".join((head, _encoded({**found, **claims}), tail))


class TokenEndpoint:
    """Gives the `answers` that a test has put into it, in order, and keeps the forms that were posted."""

    def __init__(self, authority: Authority) -> None:
        self.answers: list[Answer] = []
        self.forms: list[dict[str, str]] = []
        self.discovery_status = 200
        self.discovery_body: Any = None
        """What discovery answers: bytes as they are, anything else as JSON. None: as Microsoft's does."""
        self.device: dict[str, Any] = {}
        """What a device sign-in begins with, where that isn't as Microsoft's; a value of None takes a field away."""
        self.headers: dict[str, str] = {}
        self.authorizations: list[dict[str, str]] = []
        """What browsers were sent here with."""
        self.sends_back: dict[str, str] | None = None
        """What a browser is sent back with, besides the state; None: a code that the token endpoint takes, once."""
        self._codes: dict[str, dict[str, str]] = {}
        self._scope = ""
        self._server = _Server((HOST, 0), self._handler())
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
            begun = {
                "device_code": "d",
                "user_code": "ABCD-1234",
                "verification_uri": "https://microsoft.com/devicelogin",
                "expires_in": 900,
                "interval": 0,
                "message": "To sign in, open https://microsoft.com/devicelogin and enter the code ABCD-1234.",
            } | self.device
            return 200, {name: value for name, value in begun.items() if value is not None}
        answer = self.answers.pop(0)
        if form.get("grant_type") == "authorization_code" and answer is not None and answer[0] == 200:
            answer = self._for_code(form, answer)
        if answer is not None and "id_token" in answer[1]:
            granted = [name for name in self._scope.split() if name not in {"openid", "profile", "offline_access"}]
            answer[1]["scope"] = " ".join(granted)
        return answer

    def authorize(self, query: dict[str, str]) -> str:
        """The address that a browser is sent back to."""
        self.authorizations.append(query)
        back = self.sends_back
        if back is None:
            back = {"code": f"code-{len(self.authorizations)}"}
            self._codes[back["code"]] = query
        return f"{query['redirect_uri']}?{urlencode({**back, 'state': query['state']})}"

    def _for_code(self, form: dict[str, str], answer: tuple[int, Any]) -> Answer:
        """A success, if the code is known and new, and its redirect address and PKCE verifier are the right ones."""
        asked = self._codes.pop(form["code"], None)
        challenge = _base64url(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri") or asked["code_challenge"] != challenge:
            return refusal(70008)
        if "id_token" not in answer[1]:
            return answer
        return answer[0], {**answer[1], "id_token": _with_claims(answer[1]["id_token"], nonce=asked["nonce"])}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return _handler(self.respond, self.authorize, self.headers)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up before they ask for anything; report what else goes wrong."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _handler(
    respond: Callable[[str, dict[str, str]], Answer],
    authorize: Callable[[dict[str, str]], str],
    headers: dict[str, str],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # a body after its head waits 40 ms otherwise

        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, urlsplit(self.path).query
            if not path.endswith("/authorize"):
                self._send(respond(path, {}))
                return
            self.send_response(302)
            self.send_header("Location", authorize(dict(parse_qsl(query))))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = dict(parse_qsl(content))
            self._send(respond(urlsplit(self.path).path, form))

        def log_message(self, format: str, *given: Any) -> None:  # noqa: A002 -- the library's name
            """Log nothing."""

        def _send(self, answer: Answer) -> None:
            if answer is None:
                self.close_connection = True
                return
            content = answer[1] if isinstance(answer[1], bytes) else json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    return Handler
