"""An authorisation server that nobody here wrote, the Dovecot that takes its tokens, and a worker between the two."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from tests.rig.dovecot import Dovecot, Mailbox
from tests.rig.oidc_provider import DEVICE, TENANT, OidcProvider, issuer
from tests.rig.ports import free_port
from tests.rig.tls import Authority
from tests.rig.worker import COMMAND, Answer, Worker

PASSWORD = "Bright-Harbour-92"
SECRET = "application-secret-7Q~"
BEGINS = {"oauth2-client": "client_credentials", "oauth2-device": DEVICE, "oauth2-password": "password"}
SHORT = 200
"""A lifetime in seconds that is over too soon to start a session with: each login asks for a new token."""
_serial = count(1)


@pytest.fixture(scope="session")
def oidc_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def oidc_dovecot(authority: Authority, oidc_port: int) -> Iterator[Dovecot]:
    """A Dovecot that takes tokens of this issuer alone, and checks them by itself."""
    with Dovecot(authority=authority, extra=f"oauth2 {{\n  issuers = {issuer(oidc_port)}\n}}") as server:
        yield server


@pytest.fixture(scope="session")
def oidc_server(authority: Authority, oidc_dovecot: Dovecot, oidc_port: int) -> Iterator[OidcProvider]:
    with OidcProvider(authority, oidc_dovecot, oidc_port) as server:
        yield server


@pytest.fixture
def oidc(oidc_server: OidcProvider) -> OidcProvider:
    """The authorisation server, without faults and with its usual settings."""
    oidc_server.start()
    oidc_server.mend()
    oidc_server.configure()
    return oidc_server


@pytest.fixture
def dovecot(oidc_dovecot: Dovecot) -> Mailbox:
    """A fresh, empty mailbox; locks after 12 failures, wherever the password is sent to."""
    return oidc_dovecot.add_user(f"pathology.results{next(_serial)}@nhs.net", PASSWORD)


MakeSigned = Callable[..., Worker]


@pytest.fixture
def make_signed(make_worker: Callable[..., Worker], oidc: OidcProvider, dovecot: Mailbox) -> MakeSigned:
    """A worker that gets its tokens from the authorisation server, as the application that is given or a new one.

    secret: the application's; where persons sign in, that makes it a confidential client.
    """

    def make(
        flow: str, server: Any = None, *, application: str = "", secret: str | None = None, **settings: dict[str, Any]
    ) -> Worker:
        lockout = {"waits": ["10ms"], "jitter": 0.0}
        tables = {"lockout": lockout, "poll": {"every": "100ms", "reconnect": ["10ms"]}, **settings}
        worker = make_worker(server, settings=tables)
        mailbox = ""
        if flow == "oauth2-client":
            mailbox, secret = dovecot.address, secret or SECRET
        name = application or oidc.register(mailbox=mailbox, secret=secret)
        oauth: dict[str, Any] = {"tenant": TENANT, "client_id": name, "authority": oidc.url}
        if secret is not None:
            path = worker.folder / "client-secret"
            path.touch(mode=0o600)
            path.write_text(secret)
            oauth["client_secret_file"] = str(path)
        password = worker.settings["account"]["password_file"] if flow == "oauth2-password" else None
        worker.configure(**{"account": {"auth": flow, "password_file": password}, "account.oauth": oauth})
        return worker

    return make


@dataclass
class Authorising:
    """A `login authorise` under way: what it told the person to open, and the code to enter there."""

    process: "subprocess.Popen[str]"
    told: str
    where: str
    code: str

    def finish(self) -> Answer:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=60)
        return Answer(self.process.returncode, self.told + out, err)


@contextmanager
def authorising(worker: Worker) -> Iterator[Authorising]:
    """Run the installed `login authorise` up to the line that a person acts on."""
    with subprocess.Popen(
        [COMMAND, "login", "authorise", "--config", str(worker.config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=worker.environment(PYTHONUNBUFFERED="1"),
        cwd=worker.folder,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            found = re.search(r"(https://\S+) .*code ([A-Z-]+)", told)
            assert found is not None, (told, process.communicate(timeout=30))
            yield Authorising(process, told, found[1], found[2])
        finally:
            process.kill()


def sign_in(worker: Worker, oidc: OidcProvider, address: str = "") -> Answer:
    """A person signs the worker in: with a browser, by the code that it shows."""
    with authorising(worker) as begun, oidc.person() as person:
        page = person.enter_code(begun.where, begun.code, address or worker.settings["account"]["address"])
        assert "Sign-in Success" in page, page
        return begun.finish()


def application_of(worker: Worker) -> str:
    return str(worker.settings["account.oauth"]["client_id"])


def login(worker: Worker) -> tuple[str, int]:
    """Where the login stands, and how many failures count."""
    found = worker.status()["login"]
    return found["state"], found["failures"]


def signed_in(make_signed: MakeSigned, oidc: OidcProvider, flow: str, server: Any = None) -> Worker:
    """A worker that can get in by this flow: if it takes a person, that has been here."""
    worker = make_signed(flow, server)
    if flow == "oauth2-device":
        assert sign_in(worker, oidc).code == 0
    return worker


def refresh_token(worker: Worker) -> str:
    """The refresh token that the worker keeps."""
    tokens = json.loads(json.loads((worker.state / "oauth.json").read_text())["tokens"])
    (kept,) = tokens["RefreshToken"].values()
    return str(kept["secret"])


def refused(oidc: OidcProvider, worker: Worker) -> list[str | None]:
    """The refusals, but for the answer to a device that nobody has signed in at yet."""
    asked = oidc.asked_by(application_of(worker))
    return [one.description for one in asked if one.error not in {None, "authorization_pending"}]
