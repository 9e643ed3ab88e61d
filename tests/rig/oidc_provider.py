"""An authorisation server that isn't ours, for tests: the npm package oidc-provider, over TLS, in front of a Dovecot.

    with OidcProvider(authority, dovecot) as server:
        application = server.register(mailbox=address, secret="…")
        server.fault(Answer(429, {"Retry-After": "1"}))
        assert server.asked[-1].error is None

`tests/rig/oidc/server.mjs` says what is the package's and what are our hooks. The Dovecot trusts its key and counts the
passwords that are sent to it. Needs `scripts/bootstrap authorisation-server`, which `make test-slow` calls.
"""

import html
import json
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import urljoin, urlsplit

import requests

from tests.rig.daemon import Daemon
from tests.rig.dovecot import Dovecot
from tests.rig.tls import HOST, Authority

PLACE: Final = Path(__file__).parents[2] / ".tools" / "servers" / "oidc"
PROGRAM: Final = Path(__file__).parent / "oidc" / "server.mjs"
TENANT: Final = "0f3c9a52-7f0e-4d2b-9a61-3c1d5e8b7a90"
DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"
PERSONS: Final = ("authorization_code", DEVICE, "refresh_token", "password")
Route = Literal["token", "device_authorization", "revocation"]
_PATHS: Final = {
    "token": "/token",
    "device_authorization": "/device/auth",
    "discovery": "/.well-known/openid-configuration",
}


def issuer(port: int) -> str:
    """The issuer, as it stands in tokens: mounted where Microsoft's is."""
    return f"https://{HOST}:{port}/{TENANT}/v2.0"


@dataclass(frozen=True)
class Asked:
    """One request to an endpoint, and how it was answered. fault: how it was broken, if it was."""

    route: str
    status: int | None
    grant: str | None = None
    client: str | None = None
    error: str | None = None
    description: str | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Fault:
    """How one request goes wrong.

    answer: it is answered with `status`, `headers` and `body`. garbage: the answer isn't HTTP. unheard: the server
    hangs up and does nothing. unanswered: the server does what it is asked, and the answer is lost. slow: it does so,
    and answers after `delay` seconds.
    """

    how: Literal["answer", "garbage", "unheard", "unanswered", "slow"] = "answer"
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    delay: float = 0.0


class OidcProvider(Daemon):
    """The server. Its registrations, tokens, port and key outlast `stop` and `start`."""

    name = "oidc"
    unprivileged = False  # it gives root's rights up by itself, as it lies in a folder that others may not read
    tenant = TENANT

    def __init__(self, authority: Authority, dovecot: Dovecot, port: int) -> None:
        if not (PLACE / ".stamp").exists():
            raise RuntimeError("The authorisation server is missing. Make it: scripts/bootstrap authorisation-server")
        self._authority = authority
        self._dovecot = dovecot
        self._clients = count(1)
        self._faults = count(1)
        self._given_port = port
        super().__init__()

    @property
    def url(self) -> str:
        """The authority, without the tenant."""
        return f"https://{HOST}:{self.port}"

    @property
    def issuer(self) -> str:
        return issuer(self.port)

    # -- what tests arrange

    def configure(
        self,
        *,
        access_lasts: int = 3600,
        refresh_lasts: int = 90 * 86400,
        code_lasts: int = 900,
        interval: int = 1,
        rotate: bool = False,
    ) -> None:
        """Choose what holds from now on: lifetimes in seconds, and how long to wait between two questions for a device.

        rotate: each refresh token serves once, and its second use ends the sign-in; Microsoft's serve again.
        """
        chosen = {"accessLasts": access_lasts, "refreshLasts": refresh_lasts, "codeLasts": code_lasts}
        self._write("settings.json", chosen | {"interval": interval, "rotate": rotate})

    def register(
        self,
        *,
        mailbox: str = "",
        secret: str | None = None,
        jwks: Sequence[Mapping[str, Any]] = (),
        redirect_uris: Iterable[str] = ("http://localhost",),
    ) -> str:
        """Register an application and return its id.

        mailbox: what it may open by itself, with client credentials; otherwise persons sign in to it.
        secret: its secret; jwks: its certificates' keys; with neither, it is a public client.
        """
        name = f"application-{next(self._clients)}"
        grants = ["client_credentials"] if mailbox else list(PERSONS)
        method = "private_key_jwt" if jwks else "none" if secret is None else "client_secret_post"
        client: dict[str, Any] = {
            "client_id": name,
            "grant_types": grants,
            "response_types": [] if mailbox else ["code"],
            "redirect_uris": [] if mailbox else list(redirect_uris),
            "application_type": "web" if mailbox else "native",
            "token_endpoint_auth_method": method,
        }
        optional = {"mailbox": mailbox, "client_secret": secret, "jwks": {"keys": list(jwks)} if jwks else None}
        self._keep("Client", name, client | {key: value for key, value in optional.items() if value})
        return name

    def change(self, application: str, **values: Any) -> None:
        """Change an application's registration, as an administrator does."""
        kept = json.loads(self._file("Client", application).read_text())["payload"]
        self._keep("Client", application, kept | values)

    def fault(self, *faults: Fault, at: Literal["token", "device_authorization", "discovery"] = "token") -> None:
        """Break the next requests to an endpoint, one by each fault."""
        for one in faults:
            number = next(self._faults)
            self._write(f"faults/{number:06}.json", {"at": _PATHS[at], **asdict(one)})

    def mend(self) -> None:
        """Take back the faults that have not come up."""
        for path in (self.root / "faults").iterdir():
            path.unlink(missing_ok=True)

    def revoke(self, token: str, application: str, secret: str | None = None) -> None:
        """Revoke a refresh token, and whatever came from the same sign-in."""
        proof = {"client_secret": secret} if secret else {}
        with self.person() as person:
            answer = person.post(f"{self.issuer}/token/revocation", {"token": token, "client_id": application, **proof})
        assert answer.status_code == 200, answer.text

    def expire(self, refresh_token: str) -> None:
        """Let a refresh token's time be over."""
        kept = json.loads(self._file("RefreshToken", refresh_token).read_text())["payload"]
        self._keep("RefreshToken", refresh_token, kept | {"exp": int(time.time()) - 1})

    # -- what tests ask

    @property
    def asked(self) -> list[Asked]:
        """Every request to an endpoint that asks for a token or revokes one, in order."""
        path = self.root / "asked.log"
        text = path.read_text() if path.exists() else ""
        return [Asked(**json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def asked_by(self, application: str, route: Route = "token") -> list[Asked]:
        return [one for one in self.asked if (one.client, one.route) == (application, route)]

    def grants(self, application: str) -> list[str]:
        """The grants by which an application got tokens, in order."""
        return [str(one.grant) for one in self.asked_by(application) if one.error is None]

    def person(self) -> "Person":
        """A person at a browser, which must be closed."""
        return Person(self._authority)

    # -- inside

    def _choose_port(self) -> int:
        return self._given_port

    def _prepare(self) -> None:
        for folder in ("store/Client", "faults"):
            (self.root / folder).mkdir(parents=True)
        certificate, key = self._authority.issue()
        shutil.copyfile(certificate, self.root / "server.pem")
        shutil.copyfile(key, self.root / "server.key")
        given = {
            "port": self.port,
            "tenant": TENANT,
            "certificate": str(self.root / "server.pem"),
            "key": str(self.root / "server.key"),
            "accounts": str(self._dovecot.root / "accounts"),
            "attempts": str(self._dovecot.root / "attempts"),
        }
        self._write("server.json", given)
        self.configure()

    def start(self) -> None:
        super().start()
        self._dovecot.trust("RS256", "rig", (self.root / "public.pem").read_text())

    def _command(self) -> Sequence[str]:
        return (str(PLACE / "node"), str(PROGRAM), str(self.root), str(PLACE / "node_modules"))

    def _keep(self, model: str, name: str, payload: Mapping[str, Any]) -> None:
        self._write(str(self._file(model, name).relative_to(self.root)), {"id": name, "payload": payload})

    def _file(self, model: str, name: str) -> Path:
        return self.root / "store" / model / f"{sha256(name.encode()).hexdigest()}.json"

    def _write(self, name: str, value: Any) -> None:
        part = self.root / f"{name}.part"
        part.write_text(json.dumps(value))
        part.rename(self.root / name)


class Person:
    """A person at a browser: cookies, redirects, and the forms of the server's own pages."""

    def __init__(self, authority: Authority) -> None:
        self._session = requests.Session()
        self._session.verify = str(authority.ca_file)
        self._session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _class: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._session.close()

    def post(self, url: str, form: Mapping[str, str]) -> requests.Response:
        return self._session.post(url, data=dict(form), timeout=20)

    def enter_code(self, where: str, code: str, address: str) -> str:
        """Sign in as RFC 8628 has it: enter the code at the address that the program shows, and confirm."""
        page = self._code_page(where, code)
        return self._sign_in(self._submit(page), address).text

    def decline_code(self, where: str, code: str) -> str:
        """Enter the code, and then decline."""
        return self._submit(self._code_page(where, code), add={"abort": "yes"}).text

    def authorise(self, where: str, address: str) -> str:
        """Sign in at the authorization endpoint. Returns the address that the browser is sent back to.

        That address is the program's own: it isn't opened.
        """
        return self._sign_in(self._open(where), address).headers["Location"]

    def decline(self, where: str) -> str:
        """Decline at the authorization endpoint. Returns the address that the browser is sent back to."""
        page = self._open(where)
        while page.is_redirect:
            page = self._open(urljoin(page.url, page.headers["Location"]))
        abort = re.search(r'href="([^"]*/abort)"', page.text)
        assert abort is not None, page.text
        page = self._open(urljoin(page.url, html.unescape(abort[1])))
        return self._open(urljoin(page.url, page.headers["Location"])).headers["Location"]

    def come_back(self, location: str) -> str:
        """Open the address that the browser is sent back to, which the program listens at. Returns its page."""
        return self._session.get(location, timeout=20).text

    def _open(self, where: str) -> requests.Response:
        return self._session.get(where, timeout=20, allow_redirects=False)

    def _code_page(self, where: str, code: str) -> requests.Response:
        page = self._session.get(where, timeout=20)
        return self._submit(page, user_code=code)

    def _sign_in(self, page: requests.Response, address: str) -> requests.Response:
        """Fill in the pages of the sign-in and of the consent, up to whatever comes after them."""
        for _ in range(20):
            if page.is_redirect:
                there = urljoin(page.url, page.headers["Location"])
                if urlsplit(there)[:2] != urlsplit(page.url)[:2]:
                    return page
                page = self._open(there)
            elif 'name="prompt"' in page.text:
                page = self._submit(page, login=address, password="not looked at")
            else:
                assert page.status_code == 200, page.text
                return page
        raise AssertionError("the sign-in doesn't come to an end")

    def _submit(
        self, page: requests.Response, add: Mapping[str, str] | None = None, **values: str
    ) -> requests.Response:
        form = re.search(r"<form(?P<head>[^>]*)>(?P<body>.*?)</form>", page.text, re.DOTALL)
        assert form is not None, page.text
        fields = {
            name[1]: html.unescape(value[1]) if value else ""
            for found in re.findall(r"<input[^>]*>", form["body"])
            if (name := re.search(r'\bname="([^"]*)"', found))
            for value in [re.search(r'\bvalue="([^"]*)"', found)]
        }
        action = re.search(r'action="([^"]*)"', form["head"])
        assert action is not None, form["head"]
        filled = {**fields, **{name: value for name, value in values.items() if name in fields}, **(add or {})}
        there = urljoin(page.url, html.unescape(action[1]))
        return self._session.post(there, data=filled, timeout=20, allow_redirects=False)
