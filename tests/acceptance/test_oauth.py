"""XOAUTH2, the whole command: a token endpoint as Microsoft's is, and a Dovecot that checks the tokens itself."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_marks import Marks
from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.nursery import Nursery
from tests.rig.proxy import Answer as Say
from tests.rig.proxy import Call, Proxy
from tests.rig.tls import Authority
from tests.rig.token_endpoint import TokenEndpoint, refusal, tokens
from tests.rig.worker import Answer, Worker, eventually

MakeWorker = Callable[..., Worker]
SECRET = "application-secret-7Q~"


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(authority) as found:
        yield found


@pytest.fixture
def make_signed(make_worker: MakeWorker, endpoint: TokenEndpoint, tmp_path: Path) -> Callable[..., Worker]:
    """A worker that logs in with tokens of the endpoint."""

    def make(flow: str, server: Any = None, *, secret: str = SECRET, **settings: dict[str, Any]) -> Worker:
        lockout = {"waits": ["10ms"], "jitter": 0.0}
        tables = {"lockout": lockout, "poll": {"every": "100ms", "reconnect": ["10ms"]}, **settings}
        worker = make_worker(server, settings=tables)
        oauth: dict[str, Any] = {"tenant": "tenant", "client_id": "client", "authority": endpoint.url}
        if flow == "oauth2-client":
            path = worker.folder / "client-secret"
            path.touch(mode=0o600)
            path.write_text(secret)
            oauth["client_secret_file"] = str(path)
        password = worker.settings["account"]["password_file"] if "password" in flow else None
        account: dict[str, Any] = {"auth": flow, "password_file": password}
        worker.configure(**{"account": account, "account.oauth": oauth})
        return worker

    return make


MakeSigned = Callable[..., Worker]


def login(worker: Worker) -> tuple[str, int, str | None]:
    found = worker.status()["login"]
    return found["state"], found["failures"], found["reason"]


def sign_in(worker: Worker, endpoint: TokenEndpoint, access: str, **given: Any) -> Answer:
    endpoint.answers.append(tokens(access, user=worker.settings["account"]["address"], **given))
    return worker.command("login", "authorise")


def grants(endpoint: TokenEndpoint) -> list[str]:
    return [form["grant_type"] for form in endpoint.forms if "grant_type" in form]


# -- the flows ---------------------------------------------------------------------------------------------------------


def test_client_credentials(dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_signed("oauth2-client")
    endpoint.answers = [tokens(dovecot.token(), refresh=None)]
    with worker.running():
        eventually(lambda: len(worker.handed()) == 3)
    assert grants(endpoint) == ["client_credentials"]
    assert login(worker) == ("ready", 0, None)
    assert dovecot.history == []  # no password was checked
    assert not (worker.state / "oauth.json").exists()


def test_device_sign_in(dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_signed("oauth2-device")
    answer = worker.command("once")
    assert (answer.code, "login authorise" in answer.err) == (78, True)
    assert "ABCD-1234" in sign_in(worker, endpoint, dovecot.token()).out
    assert (worker.state / "oauth.json").stat().st_mode & 0o777 == 0o600
    with worker.running():
        eventually(lambda: len(worker.handed()) == 3)
    assert len(grants(endpoint)) == 1
    assert (login(worker), dovecot.history) == (("ready", 0, None), [])


def test_a_worker_that_waits_for_the_sign_in(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-device")
    with worker.running() as running:
        eventually(lambda: worker.events("worker.not_ready"))
        assert running.alive
        endpoint.answers.append(tokens(dovecot.token(), user=dovecot.address))
        answer = worker.installed("login", "authorise")
        assert answer.code == 0, answer
        eventually(lambda: worker.events("login.succeeded"))


def test_the_password_goes_to_the_token_endpoint_once(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_signed("oauth2-password")
    endpoint.answers = [tokens(dovecot.token(), user=dovecot.address)]
    assert worker.once() == 0
    assert worker.once() == 0
    assert len(worker.handed()) == 3
    assert grants(endpoint) == ["password"]
    assert (login(worker), dovecot.history) == (("ready", 0, None), [])


@pytest.mark.parametrize("number", [50126, pytest.param(12345, marks=pytest.mark.slow)])
def test_a_wrong_password_at_the_token_endpoint_keeps_to_the_budget(
    endpoint: TokenEndpoint, make_signed: MakeSigned, number: int
) -> None:
    worker = make_signed("oauth2-password")
    for one in range(11):
        (worker.folder / "password").write_text(f"Harbour-Colour-{one}")
        endpoint.answers = [refusal(number)]
        assert worker.once() in {75, 77}
    assert grants(endpoint) == ["password"] * 8
    assert login(worker) == ("halted", 8, "budget")


def test_a_locked_account_at_the_token_endpoint_halts_at_once(endpoint: TokenEndpoint, make_signed: MakeSigned) -> None:
    worker = make_signed("oauth2-password")
    endpoint.answers = [refusal(50053)] * 3
    assert [worker.once() for _ in range(3)] == [77, 77, 77]
    assert len(endpoint.forms) == 1


def test_a_refresh_token_that_is_over_leads_back_to_the_password_and_to_the_next_token(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-password")
    first, second = (dovecot.token(number=number) for number in (1, 2))
    endpoint.answers = [tokens(first, user=dovecot.address, expires_in=1), refusal(700082)]
    endpoint.answers.append(tokens(second, user=dovecot.address))
    assert worker.once() == 0
    answer = worker.command("once")
    assert (answer.code, "authorise" in answer.err) == (75, False)
    assert login(worker)[0] != "halted"
    eventually(lambda: worker.once() == 0)
    assert [worker.once(), worker.once()] == [0, 0]
    assert grants(endpoint) == ["password", "refresh_token", "password"]
    assert worker.events("login.halted") == []
    assert login(worker) == ("ready", 0, None)
    assert worker.status()["password"]["days_left"] in {89, 90}


def test_a_worker_whose_sign_in_is_over_signs_in_anew_and_reconnects(
    dovecot: Mailbox, proxy: Proxy, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-password", proxy)
    endpoint.answers = [tokens(dovecot.token(number=1), user=dovecot.address, expires_in=1), refusal(700082)]
    endpoint.answers.append(tokens(dovecot.token(number=2), user=dovecot.address))
    with worker.running():
        for number in (1, 2, 3):
            eventually(lambda: len(worker.events("login.succeeded")) == number)  # noqa: B023 -- called at once
            proxy.cut()
    assert grants(endpoint) == ["password", "refresh_token", "password"]
    assert worker.events("login.halted") == []


def test_status_tells_of_the_halt_of_a_token_that_the_password_has_led_to(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-password")
    endpoint.answers = [tokens(dovecot.token(), user=dovecot.address, expires_in=1), refusal(50057)]
    assert [worker.once(), worker.once()] == [0, 77]
    assert login(worker) == ("halted", 0, "disabled")
    assert "enable the account" in worker.command("login", "status").out


def test_a_client_secret_that_has_expired_is_named_and_a_new_one_tried_at_once(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-client")
    endpoint.answers = [refusal(7000222, "invalid_client", 401), tokens(dovecot.token(), refresh=None)]
    answer = worker.command("once")
    assert (answer.code, "client secret has expired" in answer.err, "login reset" in answer.err) == (77, True, False)
    (worker.folder / "client-secret").write_text("another-secret-8R~")
    assert worker.once() == 0


def test_another_tenant_is_tried_at_once(dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned) -> None:
    worker = make_signed("oauth2-password")
    endpoint.discovery_status = 400
    answer = worker.command("once")
    assert (answer.code, "tried at once" in answer.err, "login reset" in answer.err) == (77, True, False)
    endpoint.discovery_status = 200
    assert worker.once() == 77
    worker.configure(**{"account.oauth": {"tenant": "tenant-2"}})
    endpoint.answers = [tokens(dovecot.token(), user=dovecot.address)]
    assert worker.once() == 0


def test_check_connect_says_that_a_token_spends_nothing(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-client")
    endpoint.answers = [tokens(dovecot.token(), refresh=None)]
    answer = worker.command("check", "--connect")
    assert answer.code == 0
    assert "No password is sent" in answer.err
    assert "token_attempts (3 left)" in answer.err


# -- a sign-in that isn't made -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "answer", "code", "said"),
    [
        (200, {"error": "authorization_declined"}, 75, ("declined", "Nothing was kept", "Run it again")),
        (200, {"error": "expired_token"}, 75, ("the code expired", "Nothing was kept", "Run it again")),
        (200, {"error": "invalid_grant", "error_codes": [65001]}, 78, ("AADSTS65001", "consent", "Nothing was kept")),
        (200, {"error": "x", "error_codes": [50053]}, 75, ("The account is locked.", "Nothing was kept")),
        (200, {"error": "x", "error_codes": [12345]}, 75, ("AADSTS12345", "Nothing was kept", "Run it again")),
        (503, None, 69, ("localhost", "HTTP 503", "Nothing was kept")),
        (429, None, 75, ("300 s", "Nothing was kept")),
        (404, None, 78, ("tenant", "Nothing was kept")),
    ],
)
def test_a_sign_in_that_isnt_made_says_why(
    endpoint: TokenEndpoint,
    make_signed: MakeSigned,
    status: int,
    answer: dict[str, Any] | None,
    code: int,
    said: tuple[str, ...],
) -> None:
    worker = make_signed("oauth2-device")
    endpoint.discovery_status = status
    if answer is not None:
        endpoint.answers = [(400, answer)]
    found = worker.command("login", "authorise")
    assert found.code == code, found
    assert [part for part in said if part not in found.err] == []
    assert not (worker.state / "oauth.json").exists()


# -- tokens that run out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["oauth2-client", "oauth2-device", "oauth2-password"])
def test_a_token_that_runs_out_in_a_session(
    dovecot: Mailbox, proxy: Proxy, endpoint: TokenEndpoint, make_signed: MakeSigned, flow: str
) -> None:
    worker = make_signed(flow, proxy)
    first, second = dovecot.token(number=1), dovecot.token(number=2)
    user = "" if flow == "oauth2-client" else dovecot.address
    refresh = None if flow == "oauth2-client" else "refresh-1"
    if flow == "oauth2-device":
        sign_in(worker, endpoint, first)
    else:
        endpoint.answers = [tokens(first, refresh=refresh, user=user)]
    endpoint.answers.append(tokens(second, refresh=refresh, user=user))
    with worker.running() as running:
        eventually(lambda: worker.events("login.succeeded"))
        proxy.inject("* BYE Session invalidated - AccessTokenExpired")
        proxy.cut()
        eventually(lambda: len(worker.events("login.succeeded")) == 2)
        dovecot.append_many("INBOX", letters(2))
        eventually(lambda: len(worker.handed()) == 2)
        assert running.alive
    assert len(grants(endpoint)) == 2, "a fresh token, at once"
    assert worker.events("login.rejected") == []
    assert (login(worker), dovecot.history) == (("ready", 0, None), [])


def test_a_token_is_refreshed_ahead_of_its_end(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-device")
    sign_in(worker, endpoint, dovecot.token(), expires_in=200)
    endpoint.answers = [tokens(dovecot.token(), refresh="refresh-2", user=dovecot.address)]
    assert worker.once() == 0
    assert grants(endpoint)[1:] == ["refresh_token"]
    assert worker.once() == 0
    assert len(grants(endpoint)) == 2
    assert [one["event"] for one in worker.events() if one["event"].startswith("login.")] == [
        "login.public_client",  # of the sign-in itself
        *("login.attempt", "login.succeeded") * 2,
    ]


def test_a_kept_token_that_the_server_no_longer_takes_is_refreshed_once(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-device")
    sign_in(worker, endpoint, dovecot.token(lasts=-60))  # the endpoint says an hour; the server, that it is over
    endpoint.answers = [tokens(dovecot.token(), user=dovecot.address)]
    with worker.running():
        eventually(lambda: worker.events("login.succeeded"))
    assert [one["counts"] for one in worker.events("login.rejected")] == [False]
    assert grants(endpoint)[1:] == ["refresh_token"]
    assert (login(worker), dovecot.history) == (("ready", 0, None), [])


def test_tokens_that_are_rejected_have_a_limit_of_their_own(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-client")
    endpoint.answers = [tokens(dovecot.token(lasts=-60, number=number), refresh=None) for number in range(20)]
    with worker.running() as running:
        eventually(lambda: worker.events("login.halted"))
        assert running.alive
    assert [one["counts"] for one in worker.events("login.rejected")] == [True, True, True]
    assert len(grants(endpoint)) == 3, "each of them a fresh one"
    assert login(worker) == ("halted", 0, "token")
    assert worker.once() == 77
    assert dovecot.history == []

    endpoint.answers = [tokens(dovecot.token(), refresh=None)]
    assert worker.command("login", "reset", "--reason", "the application may read it now").code == 0
    assert worker.once() == 0
    assert login(worker) == ("ready", 0, None)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["sent", "answered"])
def test_a_kill_with_a_token_in_flight_spends_nothing(
    dovecot: Mailbox, proxy: Proxy, endpoint: TokenEndpoint, make_signed: MakeSigned, when: str
) -> None:
    worker = make_signed("oauth2-client", proxy)
    endpoint.answers = [tokens(dovecot.token(), refresh=None) for _ in range(30)]
    with Nursery(worker.config) as nursery:
        for _ in range(9):
            children: list[Any] = []
            rule = proxy.on("^AUTHENTICATE", Call(lambda: children[0].strike()), when=when)  # type: ignore[arg-type] # noqa: B023
            children.append(nursery.start("run", "--config", str(worker.config), log=worker.folder / "children.log"))
            assert children[0].wait(30)
            rule.remove()
            children[0].kill()
    assert login(worker)[:2] != ("halted", 0)
    assert login(worker)[1] == 0
    proxy.clear()
    eventually(lambda: worker.once() == 0)
    assert (login(worker), dovecot.history) == (("ready", 0, None), [])


# -- secrets -----------------------------------------------------------------------------------------------------------

FAULTY = """
import imapclient
def echoing(self, *given):
    raise RuntimeError(f"unexpected: {given} {[vars(one) for one in given if hasattr(one, '__dict__')]}")
imapclient.IMAPClient.login = imapclient.IMAPClient.sasl_login = echoing
"""
KEPT_ON_PURPOSE = {"password", "client-secret", "oauth.json"}


def outputs(folder: Path) -> bytes:
    """Everything that was written, but for the files that hold a secret on purpose."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in KEPT_ON_PURPOSE]
    assert any(path.name.endswith(".sqlite") for path in paths)
    return b"\n".join(path.read_bytes() for path in paths)


@pytest.mark.parametrize(
    "flow",
    [
        "password",
        "oauth2-client",
        pytest.param("oauth2-device", marks=pytest.mark.slow),
        pytest.param("oauth2-password", marks=pytest.mark.slow),
    ],
)
def test_no_secret_is_written_anywhere(
    dovecot: Mailbox, proxy: Proxy, endpoint: TokenEndpoint, make_signed: MakeSigned, tmp_path: Path, flow: str
) -> None:
    """A server and an endpoint that echo what they were sent, a library that quotes it, a process that crashes."""
    marks = Marks()
    secret, password = marks.mark("client secret"), f"Right-{marks.mark('password')}"
    access, refresh = marks.mark("rejected token"), marks.mark("refresh token")
    worker = make_signed(flow, proxy, secret=secret, lockout={"waits": ["10ms"], "token_attempts": 50})
    (worker.folder / "password").write_text(password)
    seen: list[Answer] = []

    def give(token: str) -> None:
        given: dict[str, Any] = {} if flow == "oauth2-client" else {"user": dovecot.address}
        endpoint.answers = [tokens(token, refresh=None if flow == "oauth2-client" else refresh, **given) for _ in "abc"]

    # rejected, by a server that quotes everything
    give(access)
    if flow == "oauth2-device":
        seen.append(worker.command("login", "authorise"))
    echo = f"{{tag}} NO LOGIN failed: {password} {access} {secret} {refresh}"
    proxy.on("^(LOGIN|AUTHENTICATE)", Say(echo), when="before")
    seen.append(worker.command("once"))
    # refused by an endpoint that quotes everything
    if flow != "password":
        endpoint.answers = [
            (400, {"error": "invalid_grant", "error_description": f"AADSTS90024: {secret} {password} {refresh}"})
        ]
        seen.append(worker.command("once"))
    # a library's exception that quotes everything, and a process that dies with a signal in the middle of a login
    give(access)
    (worker.folder / "faulty.log").touch()
    with Nursery(worker.config, FAULTY) as faulty:
        child = faulty.start("run", "--config", str(worker.config), log=worker.folder / "faulty.log")
        eventually(lambda: "worker.fault" in (worker.folder / "faulty.log").read_text())
        child.kill()
        child = faulty.start("check", "--connect", "--config", str(worker.config), log=worker.folder / "faulty.log")
        child.wait(30)
    # accepted
    dovecot.set_password(password)
    good = dovecot.token(mark=marks.mark("accepted token, a claim"))
    marks.places[good] = "accepted token"
    give(good)
    proxy.clear()
    assert worker.command("login", "reset", "--reason", "unlocked", "--again").code == 0
    done = worker.command("once")
    for _ in range(5):
        if done.code != 0:
            seen.append(done)
            done = worker.command("once")
    assert done.code == 0, done
    commands = (("status", "--json"), ("login", "status"), ("audit", "show"), ("check",))
    seen += [done, *(worker.command(*command) for command in commands)]

    written = outputs(tmp_path) + "".join(one.out + one.err for one in seen).encode()
    kept = b"".join(path.read_bytes() for path in worker.folder.iterdir() if path.name in KEPT_ON_PURPOSE)
    assert marks.found_in(kept), "the search finds what is there"
    assert b"worker.fault" in written
    assert marks.found_in(written) == []


# -- what expires ------------------------------------------------------------------------------------------------------


def test_a_public_client_is_told_beforehand_that_the_passwords_change_means_a_new_sign_in(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    changed = datetime.now(UTC) - timedelta(days=360)
    worker = make_signed("oauth2-device", password={"changed": changed.isoformat(), "max_age": "365d"})
    assert sign_in(worker, endpoint, dovecot.token()).code == 0
    assert worker.once() == 0
    (told,) = worker.events("password.expiring")
    assert (told["what"], told["days"]) == ("public-client-password", 4)
    assert "new sign-in" in told["advice"]
    assert "login authorise" in told["advice"]
    password, token = worker.status()["expiry"]
    assert (password["what"], password["days_left"], password["known_by"]) == ("public-client-password", 4, "settings")
    assert (token["what"], token["days_left"], token["known_by"]) == ("refresh-token", 89, "last-use")
    assert token["since"] == token["last_used_at"] is not None
    assert worker.once() == 0
    assert len(worker.events("password.expiring")) == 1, "one warning a day, whatever is restarted"


def test_a_certificates_end_is_read_from_its_file_and_told(
    dovecot: Mailbox, endpoint: TokenEndpoint, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-client")
    pem = worker.folder / "application.pem"
    pem.touch(mode=0o600)
    made = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=worker -days 10 -keyout - -out -"
    pem.write_bytes(subprocess.run(made.split(), capture_output=True, check=True).stdout)
    oauth = {**worker.settings["account.oauth"], "client_secret_file": None, "certificate_file": str(pem)}
    worker.configure(**{"account.oauth": oauth})
    answer = worker.command("check")
    assert "The application's certificate expires in 9 days. Make a new certificate" in answer.out
    endpoint.answers = [tokens(dovecot.token(), refresh=None)]
    with worker.running():
        eventually(lambda: worker.events("credential.expiring"))
    (told,) = worker.events("credential.expiring")
    assert (told["what"], told["days"]) == ("client-certificate", 9)
    (shown,) = worker.status()["expiry"]
    assert (shown["what"], shown["days_left"], shown["known_by"]) == ("client-certificate", 9, "file")
