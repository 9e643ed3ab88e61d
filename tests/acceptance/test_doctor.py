"""`login doctor`, on a real Dovecot with the suite's token endpoint: what is wrong is named, and who mends it."""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import jwt
import pytest

from tests.rig.dovecot import Dovecot, Mailbox
from tests.rig.ports import free_port
from tests.rig.proxy import Answer as Say
from tests.rig.proxy import Proxy
from tests.rig.tls import Authority
from tests.rig.token_endpoint import TokenEndpoint, refusal, tokens
from tests.rig.worker import Answer, Worker

MakeWorker = Callable[..., Worker]
MakeSigned = Callable[..., Worker]
SECRET = "application-secret-7Q~"
TENANT = "5f0c0c6e-0000-4000-8000-000000000001"
CLIENT = "7c1d0000-0000-4000-8000-000000000002"
APPLICATION: dict[str, Any] = {
    "aud": "https://outlook.office365.com",
    "roles": ["IMAP.AccessAsApp"],
    "tid": TENANT,
    "scope": None,
}
PERSON: dict[str, Any] = {
    "aud": "https://outlook.office.com",
    "scp": "IMAP.AccessAsUser.All",
    "tid": TENANT,
    "scope": None,
}
STEPS = (
    *("mail-dns", "mail-port", "mail-tls", "capabilities"),
    *("sign-in-dns", "sign-in-port", "sign-in-tls", "discovery", "clock"),
    *("guard", "token", "claims", "login"),
    *("folders", "junk", "move", "uidplus", "idle"),
)
NOT_CONNECTED = Say("{tag} BAD User is authenticated but not connected.")


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(authority) as found:
        yield found


@pytest.fixture
def make_signed(make_worker: MakeWorker, endpoint: TokenEndpoint) -> MakeSigned:
    """A worker that logs in with tokens of the endpoint."""

    def make(flow: str = "oauth2-client", server: Any = None, **given: Any) -> Worker:
        worker = make_worker(server, **given)
        oauth: dict[str, Any] = {"tenant": TENANT, "client_id": CLIENT, "authority": endpoint.url}
        if flow == "oauth2-client":
            path = worker.folder / "client-secret"
            path.touch(mode=0o600)
            path.write_text(SECRET)
            oauth["client_secret_file"] = str(path)
        password = worker.settings["account"]["password_file"] if "password" in flow else None
        worker.configure(**{"account": {"auth": flow, "password_file": password}, "account.oauth": oauth})
        return worker

    return make


def applications(box: Mailbox, **claims: Any) -> Any:
    """A token that Exchange Online's is like. Dovecot needs a user in it to open a mailbox."""
    return tokens(box.token(**{**APPLICATION, **claims}), refresh=None)


def forged(**claims: Any) -> Any:
    """A token of an application, which Dovecot doesn't take."""
    return tokens(signed(**{**APPLICATION, **claims}), refresh=None)


def signed(**claims: Any) -> str:
    """A token that Dovecot didn't sign."""
    return jwt.encode({"exp": int(time.time()) + 3600, **claims}, "k" * 32, algorithm="HS256")


def refuse_as_exchange_does(proxy: Proxy) -> None:
    """Dovecot refuses what it didn't sign; this puts it in Exchange's words."""
    proxy.rewrite_answers(rb"NO \[AUTHENTICATIONFAILED\][^\r\n]*", b"NO AUTHENTICATE failed.")


class Doctor:
    """What the doctor says of a worker: once to people and once to programs, where looking twice changes nothing."""

    def __init__(self, answer: Answer) -> None:
        self.code = answer.code
        found = json.loads(answer.out)
        assert found["exit_code"] == self.code
        self.steps: dict[str, dict[str, Any]] = {step["step"]: step for step in found["steps"]}
        self.ok: bool = found["ok"]

    def all(self, state: str) -> list[str]:
        return [name for name, step in self.steps.items() if step["state"] == state]

    @property
    def wrong(self) -> list[str]:
        return self.all("wrong")

    def said(self, name: str) -> str:
        step = self.steps[name]
        return " ".join([step["found"], f"WHO {step['who']}", str(step["do"]), *step["exactly"]])


def examine(worker: Worker) -> Doctor:
    return Doctor(worker.command("login", "doctor", "--json"))


def attempts(worker: Worker) -> int:
    return len(worker.events("login.attempt"))


def shows(text: str, *parts: str) -> None:
    assert [part for part in parts if part not in text] == [], text


# -- all well ----------------------------------------------------------------------------------------------------------


def test_all_is_well_with_an_application(dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned) -> None:
    worker = make_signed()
    endpoint.answers = [applications(dovecot), applications(dovecot)]
    answer = worker.command("login", "doctor")
    shows(answer.out, dovecot.address, "oauth2-client", "All is well")
    assert (answer.code, "WRONG" in answer.out, answer.err) == (0, False, "")
    found = examine(worker)
    assert (found.code, found.ok, tuple(found.steps)) == (0, True, STEPS)
    assert set(found.all("ok")) == set(STEPS)
    shows(found.said("mail-tls"), "TLSv1.3", "trustme")
    shows(found.said("claims"), "Exchange Online", "carries the permission IMAP.AccessAsApp")
    shows(found.said("junk"), "'Junk Email'", "attribute")
    assert dovecot.history == []  # no password was checked


@pytest.mark.parametrize("flow", ["oauth2-device", pytest.param("oauth2-password", marks=pytest.mark.slow)])
def test_all_is_well_with_a_person(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, flow: str
) -> None:
    worker = make_signed(flow)
    endpoint.answers = [tokens(dovecot.token(**PERSON), user=dovecot.address)]
    if flow == "oauth2-device":
        assert worker.command("login", "authorise").code == 0
    found = examine(worker)
    assert (found.code, found.wrong) == (0, [])
    shows(found.said("claims"), "IMAP.AccessAsUser.All", "the mailbox's own user")
    assert len(endpoint.forms) == (2 if flow == "oauth2-device" else 1)


def test_all_is_well_with_a_password(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    found = examine(make_worker())
    assert (found.code, found.wrong) == (0, [])
    assert [name for name in STEPS if name not in found.steps] == [*STEPS[4:9], "token", "claims"]
    assert dovecot.history == ["ok"]


def test_it_works_beside_a_running_worker(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker()
    with worker.running():
        assert examine(worker).code == 0


def test_nothing_of_a_token_is_printed_or_logged(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, proxy: Proxy
) -> None:
    marks = ("mark-of-the-audience", "mark.of.a.scope", "mark.of.somebody@nhs.net", "mark-of-the-tenant")
    claims = dict(zip(("aud", "scp", "upn", "tid"), marks, strict=True))
    worker = make_signed("oauth2-client", proxy)
    refuse_as_exchange_does(proxy)
    endpoint.answers = [forged(**claims, roles=None)] * 2
    said = [worker.command("login", "doctor"), worker.command("login", "doctor", "--json")]
    said += [worker.command("login", "status"), worker.command("audit", "show")]
    text = " ".join(one.out + one.err for one in said) + json.dumps(worker.events())
    text += str(worker.rows("select * from attempt"))
    assert [mark for mark in marks if mark in text] == []
    assert worker.events("login.rejected")[0]["cause"] == "token-audience"


# -- the sign-in service -----------------------------------------------------------------------------------------------


def test_a_wrong_tenant(endpoint: TokenEndpoint, make_signed: MakeSigned) -> None:
    worker = make_signed()
    endpoint.discovery_status = 400
    text = f"AADSTS90002: Tenant '{TENANT}' not found. Check to make sure you have the correct tenant ID."
    endpoint.discovery_body = {"error": "invalid_tenant", "error_description": text, "error_codes": [90002]}
    found = examine(worker)
    assert (found.code, found.wrong) == (78, ["discovery"])
    shows(found.said("discovery"), TENANT, "AADSTS90002", "WHO you", "`tenant`", "Your Local Administrator")
    assert found.all("skipped") == [*STEPS[STEPS.index("guard") :]]
    assert (attempts(worker), endpoint.forms) == (0, [])


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (200, b"<html>Please accept our terms</html>", 69, "isn't a sign-in service"),
        pytest.param(302, b"", 69, "isn't a sign-in service (HTTP 302)", marks=pytest.mark.slow),
        (503, b"", 69, "can't answer now (HTTP 503)"),
        pytest.param(429, b"", 75, "can't answer now (HTTP 429)", marks=pytest.mark.slow),
    ],
)
def test_a_sign_in_service_that_isnt_one_or_not_now(
    endpoint: TokenEndpoint, make_signed: MakeSigned, status: int, body: bytes, code: int, said: str
) -> None:
    worker = make_signed()
    endpoint.discovery_status, endpoint.discovery_body = status, body
    found = examine(worker)
    assert (found.code, found.wrong) == (code, ["discovery"])
    shows(found.said("discovery"), said)
    assert attempts(worker) == 0


def test_no_consent(endpoint: TokenEndpoint, make_signed: MakeSigned) -> None:
    worker = make_signed()
    endpoint.answers = [refusal(65001)]
    found = examine(worker)
    assert (found.code, found.wrong) == (77, ["token"])
    shows(found.said("token"), "AADSTS65001", "consent", "your Local Administrator")
    assert found.all("skipped") == [*STEPS[STEPS.index("claims") :]]
    again = examine(worker)  # halted: it isn't asked a second time
    assert (again.code, again.wrong) == (77, ["guard"])
    shows(again.said("guard"), "AADSTS65001")
    assert (attempts(worker), len(endpoint.forms)) == (1, 1)


def test_nobody_has_signed_in_yet(make_signed: MakeSigned) -> None:
    found = examine(make_signed("oauth2-device"))
    assert (found.code, found.wrong) == (78, ["token"])
    shows(found.said("token"), "Nobody has signed in", "login authorise", "WHO the person who signs the worker in")


# -- what Exchange says no to ------------------------------------------------------------------------------------------


def test_the_service_principal_is_missing(endpoint: TokenEndpoint, make_signed: MakeSigned, proxy: Proxy) -> None:
    worker = make_signed("oauth2-client", proxy)
    refuse_as_exchange_does(proxy)
    endpoint.answers = [forged()]
    found = examine(worker)
    assert (found.code, found.wrong, found.steps["claims"]["state"]) == (75, ["login"], "ok")
    said = found.said("login")
    shows(said, "New-ServicePrincipal", f"-AppId {CLIENT}", "Enterprise application", "WHO your Local Administrator")
    assert worker.events("login.rejected")[0]["cause"] == "service-principal"
    shows(worker.command("login", "status").out, "New-ServicePrincipal")


def test_an_application_without_the_permission(endpoint: TokenEndpoint, make_signed: MakeSigned, proxy: Proxy) -> None:
    worker = make_signed("oauth2-client", proxy)
    refuse_as_exchange_does(proxy)
    endpoint.answers = [forged(roles=["Mail.Read"])]
    found = examine(worker)
    assert found.wrong == ["claims", "login"]
    shows(found.said("claims"), "lacks the permission IMAP.AccessAsApp", "Application: IMAP.AccessAsApp")
    shows(found.said("login"), "lacks the permission IMAP.AccessAsApp")


def test_what_looks_wrong_in_a_token_and_is_taken_is_no_finding(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed()
    endpoint.answers = [applications(dovecot, roles=["Mail.Read"])]
    found = examine(worker)
    assert (found.code, found.wrong, found.all("note")) == (0, [], ["claims"])
    shows(found.said("claims"), "accepts it anyway")


@pytest.mark.parametrize("when", ["the login", "the first command"])
def test_imap_is_off(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, proxy: Proxy, when: str
) -> None:
    worker = make_signed("oauth2-device", proxy)
    given = dovecot.token(**PERSON) if when == "the first command" else signed(**PERSON, upn=dovecot.address)
    endpoint.answers = [tokens(given, user=dovecot.address)]
    assert worker.command("login", "authorise").code == 0
    if when == "the login":
        refuse_as_exchange_does(proxy)
    else:
        proxy.on("LIST", NOT_CONNECTED, times=None)
    found = examine(worker)
    assert (found.code, found.wrong) == (75, ["login"])
    said = found.said("login")
    shows(said, "IMAP is switched off", f"Set-CASMailbox -Identity {dovecot.address} -ImapEnabled $true")
    shows(said, "WHO your Local Administrator")
    assert worker.events("login.rejected")[0]["cause"] == "imap-off"
    if when == "the login":  # a kept token is replaced at once; a fresh one that is refused has to wait
        endpoint.answers = [tokens(given, user=dovecot.address)]
        assert examine(worker).wrong == ["login"]
    shows(worker.command("login", "status").out, "Set-CASMailbox")


def test_a_worker_that_runs_says_why_its_token_is_refused(
    endpoint: TokenEndpoint, make_signed: MakeSigned, proxy: Proxy
) -> None:
    worker = make_signed("oauth2-client", proxy, settings={"lockout": {"waits": ["10ms"], "jitter": 0.0}})
    refuse_as_exchange_does(proxy)
    endpoint.answers = [forged(aud="https://graph.microsoft.com")] * 9
    answers = [worker.command("once") for _ in range(3)]
    shows(answers[-1].err, "another service than Exchange Online", "`scopes`")
    assert {one["cause"] for one in worker.events("login.rejected")} == {"token-audience"}
    shows(answers[-1].err, "login reset")
    assert "advice" not in worker.events("login.halted")[-1]  # the command has said it


# -- the guard ---------------------------------------------------------------------------------------------------------


def test_no_attempt_while_the_guard_forbids_one(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker()
    (worker.folder / "password").write_text("Harbour-Colour-1")
    first = examine(worker)
    assert (first.code, first.wrong) == (75, ["login"])
    shows(first.said("login"), "rejected the user name or password", "Left for the worker: 7", "WHO the owner of")
    for _ in range(3):
        again = examine(worker)
        assert (again.code, again.wrong) == (75, ["guard"])
        shows(again.said("guard"), "No attempt is allowed now", "The next attempt is at", "WHO the owner of")
    assert dovecot.history == ["fail"]


@pytest.mark.slow
def test_it_never_uses_the_last_attempt(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker(settings={"lockout": {"waits": ["1ms"], "jitter": 0.0}})
    (worker.folder / "password").write_text("Harbour-Colour-1")
    found = [examine(worker) for _ in range(6)]
    assert dovecot.history == ["fail"] * 4  # of the five with one password
    shows(found[-1].said("guard"), "Only 1 attempt is left")
    assert found[-1].code == 75


def test_a_password_that_breaks_the_policy_isnt_sent(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker()
    (worker.folder / "password").write_text("short")
    found = examine(worker)
    assert (found.code, found.wrong, dovecot.history) == (77, ["guard"], [])
    who = "WHO the owner of the account's password, or you, in the configuration, if another policy"
    shows(found.said("guard"), who)


def test_a_journal_that_cant_be_used_forbids_the_attempt_and_nothing_else(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    worker = make_worker()
    worker.state.mkdir()
    (worker.state / "journal.sqlite").write_bytes(b"no database at all " * 999)
    found = examine(worker)
    assert (found.code, found.wrong, found.all("ok")) == (78, ["guard"], [*STEPS[:4]])
    shows(found.said("guard"), "The journal is damaged", "WHO the people who run this machine")
    assert dovecot.history == []


# -- the mail server ---------------------------------------------------------------------------------------------------


def test_no_way_in(dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, proxy: Proxy) -> None:
    worker = make_signed("oauth2-client", proxy)
    proxy.rewrite_answers(rb" AUTH=XOAUTH2", b"")
    found = examine(worker)
    assert (found.code, found.wrong) == (77, ["capabilities"])
    shows(found.said("capabilities"), "AUTH=PLAIN", "needs AUTH=XOAUTH2")
    assert found.steps["discovery"]["state"] == "ok"  # it spends nothing, and is worth knowing
    assert (attempts(worker), endpoint.forms) == (0, [])


def test_a_name_that_doesnt_exist(make_worker: MakeWorker) -> None:
    worker = make_worker()
    worker.configure(account={"host": "outlook.invalid"})
    found = examine(worker)
    assert (found.code, found.wrong) == (69, ["mail-dns"])
    shows(found.said("mail-dns"), "outlook.invalid", "[account] host")
    assert found.all("skipped") == [name for name in found.steps if name != "mail-dns"]


def test_a_port_that_nobody_answers(make_worker: MakeWorker) -> None:
    worker = make_worker()
    port = free_port()
    worker.configure(account={"port": port})
    found = examine(worker)
    assert (found.code, found.wrong) == (69, ["mail-port"])
    shows(found.said("mail-port"), "refuses", f"TCP {port}", "network team")


def test_a_port_that_doesnt_speak_tls(make_worker: MakeWorker) -> None:
    worker = make_worker()
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def greet() -> None:
            connection, _ = plain.accept()
            connection.close()
            connection, _ = plain.accept()
            with connection:
                connection.sendall(b"* OK IMAP4rev1 ready\r\n")
                connection.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        worker.configure(account={"port": plain.getsockname()[1]})
        found = examine(worker)
        thread.join()
    assert (found.code, found.wrong) == (69, ["mail-tls"])
    shows(found.said("mail-tls"), "this port doesn't speak TLS", "Nothing was sent")


class Gateway(Authority):
    """An authority of a device that inspects TLS."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import trustme

        self._ca = trustme.CA(organization_name="North Trust", organization_unit_name="Web Gateway")


@pytest.mark.parametrize("where", ["mail", "sign-in"])
def test_a_middlebox_that_breaks_tls_open(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, authority: Authority, tmp_path: Path, where: str
) -> None:
    gateway = Gateway(tmp_path / "gateway")
    if where == "mail":
        with Proxy(authority, (dovecot.host, dovecot.port), presents=gateway.server_context()) as box:
            worker = make_signed("oauth2-client", box)
            found = examine(worker)
    else:
        with TokenEndpoint(gateway) as theirs:
            worker = make_signed()
            worker.configure(**{"account.oauth": {"authority": theirs.url}})
            found = examine(worker)
    assert (found.code, found.wrong) == (69, [f"{where}-tls"])
    shows(found.said(f"{where}-tls"), "issued by North Trust, Web Gateway", "inspects TLS", "network team", "ca_file")
    assert (attempts(worker), endpoint.forms) == (0, [])


def test_a_certificate_of_another_server(dovecot: Mailbox, make_worker: MakeWorker, authority: Authority) -> None:
    with Proxy(authority, (dovecot.host, dovecot.port), names=("mail.elsewhere.example",)) as other:
        found = examine(make_worker(other))
    assert (found.code, found.wrong) == (69, ["mail-tls"])
    shows(found.said("mail-tls"), "belongs to another server: mail.elsewhere.example", "[account] host")


@pytest.mark.slow
def test_a_certificate_that_is_over(dovecot: Mailbox, make_worker: MakeWorker, authority: Authority) -> None:
    over = authority.server_context(not_after=datetime(2020, 1, 2, tzinfo=UTC))
    with Proxy(authority, (dovecot.host, dovecot.port), presents=over) as old:
        found = examine(make_worker(old))
    assert (found.code, found.wrong) == (69, ["mail-tls"])
    shows(found.said("mail-tls"), "to 2020-01-02", "this machine's clock says")


# -- the mailbox -------------------------------------------------------------------------------------------------------


def test_a_junk_folder_in_another_language(
    make_dovecot: Callable[..., Dovecot], endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    server = make_dovecot(junk="Courrier indésirable", special_use=False)
    box = server.mailbox("pathology.results@nhs.net")
    worker = make_signed(mailbox=box)
    endpoint.answers = [applications(box) for _ in range(2)]
    found = examine(worker)
    assert (found.code, found.wrong) == (78, ["junk"])
    said = found.said("junk")
    shows(said, "'Courrier indésirable' is what Exchange calls it in French", "WHO you")
    shows(said, 'folder = "Courrier indésirable"', "Set-MailboxRegionalConfiguration")
    assert set(found.all("ok")) == set(STEPS) - {"junk"}
    worker.configure(junk={"folder": "Courrier indésirable"})  # as it says
    mended = examine(worker)
    assert (mended.code, mended.wrong) == (0, [])
    shows(mended.said("junk"), "named by [junk] folder")


def test_a_junk_folder_by_its_name(make_dovecot: Callable[..., Dovecot], make_worker: MakeWorker) -> None:
    box = make_dovecot(special_use=False, without=("MOVE", "IDLE")).mailbox("pathology.results@nhs.net")
    found = examine(make_worker(mailbox=box))
    assert (found.code, found.wrong, found.all("note")) == (0, [], ["move", "idle"])
    shows(found.said("junk"), "by its name")


@pytest.mark.slow
def test_neither_move_nor_uidplus(make_dovecot: Callable[..., Dovecot], make_worker: MakeWorker) -> None:
    box = make_dovecot(without=("MOVE", "UIDPLUS")).mailbox("pathology.results@nhs.net")
    worker = make_worker(mailbox=box)
    found = examine(worker)
    assert (found.code, found.wrong) == (78, ["move"])


def test_a_watched_folder_that_isnt_there(make_worker: MakeWorker) -> None:
    found = examine(make_worker(settings={"poll": {"folders": ["INBOX", "Results"]}}))
    assert (found.code, found.wrong) == (78, ["folders"])
    shows(found.said("folders"), "no folder 'Results'", "WHO you")


# -- the clock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (600, "10 min ahead of"),
        pytest.param(-600, "10 min behind", marks=pytest.mark.slow),
        pytest.param(20, "agrees with", marks=pytest.mark.slow),
    ],
)
def test_the_clock(dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned, seconds: int, said: str) -> None:
    worker = make_signed()
    endpoint.answers = [applications(dovecot)]
    shift = worker.folder / "shift"
    shift.write_text(str(seconds))
    found = Doctor(clocked(worker, shift))
    shows(found.said("clock"), said)
    if abs(seconds) < 60:
        assert (found.code, found.wrong) == (0, [])
        return
    assert (found.code, found.wrong) == (1, ["clock"])
    shows(found.said("clock"), "NTP", "timedatectl", "WHO the people who run this machine")


def clocked(worker: Worker, shift: Path) -> Answer:
    """The command in a process whose clock is off."""
    import subprocess

    command = [sys.executable, "-m", "tests.rig.clocked", str(shift), "login", "doctor", "--json"]
    done = subprocess.run(
        [*command, "--config", str(worker.config)],
        capture_output=True,
        env=worker.environment(),
        text=True,
        check=False,
        timeout=100,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


# -- a proxy of the environment ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_proxy_that_breaks_tls_open_or_lets_nobody_through(
    endpoint: TokenEndpoint, make_signed: MakeSigned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_signed()
    with TokenEndpoint(Gateway(tmp_path / "gateway")) as theirs, Tunnel(theirs) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", f"http://person:pass%20word@127.0.0.1:{tunnel.port}")
        monkeypatch.setenv("NO_PROXY", "")
        found = examine(worker)
        assert (found.code, found.wrong) == (69, ["sign-in-tls"])
        shows(found.said("sign-in-proxy"), f"127.0.0.1:{tunnel.port} leads to")
        shows(found.said("sign-in-tls"), "issued by North Trust, Web Gateway")
        assert "sign-in-dns" not in found.steps
        tunnel.allows = False
        found = examine(worker)
    assert (found.code, found.wrong) == (69, ["sign-in-proxy"])
    shows(found.said("sign-in-proxy"), "HTTP 407", "network team")
    assert "pass" not in found.said("sign-in-proxy")


class Tunnel:
    """A web proxy that leads every CONNECT to one server."""

    def __init__(self, target: TokenEndpoint) -> None:
        self.allows = True
        self._target = int(target.url.rpartition(":")[2])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._lead, args=(client,)))
            self._threads[-1].start()

    def _lead(self, client: socket.socket) -> None:
        with client, socket.create_connection(("localhost", self._target)) as server:
            client.recv(10_000)
            if not self.allows:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(server, client))
            back.start()
            _pass_on(client, server)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
