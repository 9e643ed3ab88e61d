"""Everything that leaves the worker through the trust's proxy: a real Squid, in clear text and over TLS, and a real
SOCKS5 server, all three with a user name and a password.

What is on this machine isn't sent through a proxy by default. So these settings have an empty `no_proxy`.
"""

import os
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from handlers.archive import Archive
from handlers.webhook import Webhook
from tests.rig.dovecot import Mailbox
from tests.rig.https import HttpsServer
from tests.rig.letters import letters
from tests.rig.messages import report
from tests.rig.microsocks import Microsocks
from tests.rig.moto import REGION, SECRET, Moto
from tests.rig.ports import free_port
from tests.rig.proxy import Proxy as ImapRelay
from tests.rig.squid import OUTSIDE, PASSWORD, USER, Squid
from tests.rig.tls import ADDRESS, Authority
from tests.rig.token_endpoint import TokenEndpoint, tokens
from tests.rig.worker import Worker, eventually
from worker.connections import Proxy
from worker.logs.redaction import Secret
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.channels import Webhook as AlertWebhook
from worker.observe.smtp_conversation import SmtpClient

MakeWorker = Callable[..., Worker]
WRONG = "Not-The-Word-55"
KINDS = ("http", "https", "socks5", "socks5h")
FIRING = Alert(Rule.HALTED, Phase.FIRING, "results@nhs.net", datetime(2026, 11, 23, 14, 5, tzinfo=UTC), 5)


@pytest.fixture(scope="module")
def squid(authority: Authority) -> Iterator[Squid]:
    with Squid(authority) as server:
        yield server


@pytest.fixture(scope="module")
def microsocks() -> Iterator[Microsocks]:
    with Microsocks() as server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["https", "socks5h"])
def way(request: pytest.FixtureRequest) -> str:
    """One kind of each protocol: what they have in common is tested with all four where mail is read."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _environment_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it counted, nothing would arrive."""
    with socket.socket() as closed:
        closed.bind((ADDRESS, 0))
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{ADDRESS}:{closed.getsockname()[1]}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")


class Roads:
    """The proxies by kind, and what each has seen."""

    def __init__(self, authority: Authority, squid: Squid, microsocks: Microsocks) -> None:
        self._ca = authority.ca_file
        self.squid, self.microsocks = squid, microsocks

    def url(self, kind: str) -> str:
        if kind == "http":
            return self.squid.url
        return self.squid.tls_url if kind == "https" else self.microsocks.url.replace("socks5h", kind)

    def proxy(self, kind: str, **given: Any) -> Proxy:
        given = {"username": USER, "password": PASSWORD, "no_proxy": (), **given}
        return Proxy.of(self.url(kind), ca_file=self._ca if kind == "https" else None, **given)

    def table(self, kind: str, folder: Path, **given: Any) -> dict[str, Any]:
        file = folder / "proxy-password"
        file.touch(mode=0o600)
        file.write_text(PASSWORD)
        table = {"url": self.url(kind), "username": USER, "password_file": str(file), "no_proxy": [], **given}
        return table | ({"ca_file": str(self._ca)} if kind == "https" else {})

    def seen(self, kind: str, port: int) -> int:
        """How many connections to this port the proxy has made."""
        if kind in ("http", "https"):
            return self.squid.access_log.count(f":{port} {USER} ")
        return self.microsocks.log.count(f":{port}\n")

    @contextmanager
    def leads_to(self, kind: str, port: int) -> Iterator[None]:
        """The block's connections to this port all go through the proxy, one at least."""
        before = self.seen(kind, port)
        yield
        eventually(lambda: self.seen(kind, port) > before, what=f"a way through the {kind} proxy")


@pytest.fixture
def roads(authority: Authority, squid: Squid, microsocks: Microsocks) -> Roads:
    return Roads(authority, squid, microsocks)


def signed_in(worker: Worker, endpoint: TokenEndpoint) -> None:
    """Have the worker log in with tokens of this endpoint."""
    secret = worker.folder / "client-secret"
    secret.touch(mode=0o600)
    secret.write_text("application-secret-7Q~")
    oauth = {"tenant": "tenant", "client_id": "client", "authority": endpoint.url, "client_secret_file": str(secret)}
    tables: dict[str, Any] = {"account": {"auth": "oauth2-client", "password_file": None}, "account.oauth": oauth}
    worker.configure(**tables)


# -- mail and tokens ---------------------------------------------------------------------------------------------------


def test_mail_is_read_moved_and_handed_over(dovecot: Mailbox, make_worker: MakeWorker, roads: Roads, kind: str) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker()
    worker.configure(proxy=roads.table(kind, worker.folder))
    with roads.leads_to(kind, dovecot.port):
        assert worker.command("check").code == 0
        assert worker.once() == 0
    assert len(worker.handed()) == 3
    assert len(dovecot.stored("Processed")) == 3
    assert worker.reconcile()["unaccounted"] == 0


def test_tls_is_with_the_server_and_not_with_the_proxy(
    dovecot: Mailbox, make_worker: MakeWorker, roads: Roads, tmp_path: Path
) -> None:
    """The proxy's own authority vouches for nobody but the proxy."""
    other = Authority(tmp_path / "other")
    worker = make_worker()
    worker.configure(proxy=roads.table("https", worker.folder), account={"ca_file": str(other.ca_file)})
    answer = worker.command("check", "--connect")
    assert answer.code == 69
    assert "certificate isn't trusted" in answer.err
    assert dovecot.history == []


def test_a_name_that_only_the_proxy_knows(
    dovecot: Mailbox, authority: Authority, make_worker: MakeWorker, roads: Roads
) -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(OUTSIDE, 993)
    with ImapRelay(authority, (dovecot.host, dovecot.port), names=(OUTSIDE,)) as server:
        worker = make_worker()
        worker.configure(proxy=roads.table("https", worker.folder), account={"host": OUTSIDE, "port": server.port})
        with roads.leads_to("https", server.port):
            assert worker.command("check", "--connect").code == 0


def test_idle_wakes_through_tls_in_tls(dovecot: Mailbox, make_worker: MakeWorker, roads: Roads) -> None:
    worker = make_worker()
    worker.configure(proxy=roads.table("https", worker.folder))
    with worker.running():
        eventually(lambda: worker.status()["last_poll"]["ok"])
        dovecot.append_many("INBOX", letters(1))
        eventually(lambda: len(worker.handed()) == 1)


def test_a_token_is_fetched(
    dovecot: Mailbox, authority: Authority, make_worker: MakeWorker, roads: Roads, way: str
) -> None:
    dovecot.append_many("INBOX", letters(1))
    with TokenEndpoint(authority) as endpoint:
        worker = make_worker()
        signed_in(worker, endpoint)
        worker.configure(proxy=roads.table(way, worker.folder))
        endpoint.answers.append(tokens(dovecot.token(roles=["IMAP.AccessAsApp"]), refresh=None))
        port = int(endpoint.url.rpartition(":")[2])
        with roads.leads_to(way, port), roads.leads_to(way, dovecot.port):
            assert worker.once() == 0
    assert len(worker.handed()) == 1


# -- what handlers and alerts send -------------------------------------------------------------------------------------


def test_the_webhook_handler(authority: Authority, roads: Roads, way: str) -> None:
    with HttpsServer(authority) as server:
        settings = Webhook.Settings(url=server.url, ca_file=authority.ca_file)
        with roads.leads_to(way, server.port), closing(Webhook(settings, proxy=roads.proxy(way))) as handler:
            for number in range(3):
                handler(report(number))
        assert len(server.requests) == 3
        assert server.connections == 1  # it is kept
    names = ("proxy-tls", "asyncio", "webhook")
    eventually(
        lambda: not [one for one in threading.enumerate() if one.name.startswith(names)], what="the threads' end"
    )


def test_an_alert_by_webhook(authority: Authority, roads: Roads, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with HttpsServer(authority) as server:
        with (
            roads.leads_to(way, server.port),
            closing(AlertWebhook("hook", Secret(server.url), proxy=roads.proxy(way))) as hook,
        ):
            hook.send(FIRING)
            hook.send(FIRING)
        assert len(server.requests) == 2


def test_smtp(roads: Roads) -> None:
    """The server speaks first: none of what it says may be lost behind the proxy's answer."""
    with socket.create_server((ADDRESS, 0)) as listener:

        def greet() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(b"220 relay.example ESMTP\r\n")
                client.recv(100)

        thread = threading.Thread(target=greet)
        thread.start()
        with roads.leads_to("http", listener.getsockname()[1]):
            relay = SmtpClient(ADDRESS, listener.getsockname()[1], dialer=roads.proxy("http"))
            relay.close()
        thread.join()


def test_an_object_store(authority: Authority, roads: Roads) -> None:
    with Moto(authority.issue()) as store:
        store.make_bucket("bucket-1", verify=str(authority.ca_file))
        settings = Archive.Settings(
            url="s3://bucket-1/archive",
            options={"endpoint": store.endpoint, "region": REGION, "access_key_id": "rig"},
            secret=SecretStr(SECRET),
            ca_file=authority.ca_file,
        )
        with roads.leads_to("https", store.port):
            Archive(settings, proxy=roads.proxy("https"))(report())
        # A proxy that isn't there: Squid's log has a tunnel once it has ended, so it doesn't show that there was none.
        nowhere = Proxy.of(f"http://{ADDRESS}:{free_port()}", no_proxy=("localhost",))
        Archive(settings, proxy=nowhere)(report(2))


def test_an_object_store_behind_socks_is_refused_at_the_start(roads: Roads) -> None:
    settings = Archive.Settings(url="s3://bucket-1/archive", secret=SecretStr(SECRET))
    with pytest.raises(ValueError, match="can't be reached through a SOCKS proxy") as caught:
        Archive(settings, proxy=roads.proxy("socks5h"))
    assert PASSWORD not in str(caught.value)


def test_a_handler_in_a_process_of_its_own(
    dovecot: Mailbox, authority: Authority, make_worker: MakeWorker, roads: Roads
) -> None:
    """The child learns of the proxy with its settings, and not from its environment."""
    dovecot.append_many("INBOX", letters(1))
    with HttpsServer(authority) as server:
        worker = make_worker(routes=[{"name": "all", "handlers": ["out"]}])
        worker.configure(
            proxy=roads.table("https", worker.folder),
            **{
                "handler.out": {"use": "webhook", "url": server.url, "ca_file": str(authority.ca_file), "isolate": True}
            },
        )
        with roads.leads_to("https", server.port):
            assert worker.once() == 0
        assert len(server.requests) == 1


# -- what doesn't go through it ----------------------------------------------------------------------------------------


def test_this_machine_is_reached_without_the_proxy_by_default(
    dovecot: Mailbox, make_worker: MakeWorker, roads: Roads
) -> None:
    worker = make_worker()
    worker.configure(proxy=roads.table("http", worker.folder) | {"url": f"http://localhost:{free_port()}"})
    assert worker.once() == 69, "nothing listens there"
    worker.configure(proxy={"no_proxy": None})
    assert worker.once() == 0


def test_what_no_proxy_names(dovecot: Mailbox, make_worker: MakeWorker, roads: Roads) -> None:
    worker = make_worker()
    named = {"url": f"http://localhost:{free_port()}", "no_proxy": [f"localhost:{dovecot.port}"]}
    worker.configure(proxy=roads.table("http", worker.folder) | named)
    assert worker.once() == 0


def test_plain_http_on_this_machine_never_goes_to_the_proxy(authority: Authority, roads: Roads) -> None:
    with HttpsServer(authority, plain=True) as server:
        with closing(Webhook(Webhook.Settings(url=server.url), proxy=roads.proxy("http"))) as handler:
            handler(report())
        with closing(AlertWebhook("hook", Secret(server.url), proxy=roads.proxy("http"))) as hook:
            hook.send(FIRING)
        assert len(server.requests) == 2
        assert roads.seen("http", server.port) == 0


# -- what is known afterwards ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_secret_and_no_content_is_anywhere(
    dovecot: Mailbox, make_worker: MakeWorker, roads: Roads, way: str
) -> None:
    """Neither in what we log, audit, keep and say, nor in what the proxy has logged."""
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker()
    worker.configure(proxy=roads.table(way, worker.folder), log={"level": "debug"})
    said = [worker.command(*words) for words in (["check"], ["once"], ["login", "doctor"])]
    assert [answer.code for answer in said] == [0, 0, 0]
    (worker.folder / "proxy-password").write_text(WRONG)
    said += [worker.command(*words) for words in (["once"], ["login", "doctor"], ["check", "--connect"], ["status"])]
    assert [answer.code for answer in said[3:]] == [69, 69, 69, 0]
    ours = "".join(answer.out + answer.err for answer in said)
    ours += "".join(
        path.read_bytes().decode(errors="replace")
        for path in sorted([*worker.folder.rglob("*"), worker.folder.parent / "events.log"])
        if path.is_file() and path.name not in ("proxy-password", "password", "ledger")
    )
    theirs = roads.squid.everything_logged + roads.microsocks.everything_logged
    for secret in (PASSWORD, WRONG, dovecot.password, *map(_encoded, (PASSWORD, WRONG))):
        assert secret not in ours
        assert secret not in theirs
    assert "Subject" not in theirs
    assert dovecot.address not in theirs


def _encoded(password: str) -> str:
    """As HTTP sends it."""
    return b64encode(f"{USER}:{password}".encode()).decode()


def test_the_environment_of_a_child_has_no_credentials_of_the_proxy() -> None:
    from worker.handling.isolate.child_process import environment

    assert not [name for name in environment({**os.environ, "NHSMAIL_PROXY__PASSWORD": PASSWORD}) if "NHSMAIL" in name]


def test_a_clear_way_for_credentials_has_to_be_accepted(make_worker: MakeWorker, tmp_path: Path) -> None:
    file = tmp_path / "proxy-password"
    file.touch(mode=0o600)
    file.write_text(PASSWORD)
    worker = make_worker()
    table = {"url": "http://proxy.example:3128", "username": USER, "password_file": str(file)}
    worker.configure(proxy=table)
    answer = worker.command("check")
    assert answer.code == 78
    assert "accept clear text by adding to [proxy] the line: allow_clear = true" in answer.err
    worker.configure(proxy={"allow_clear": True})
    answer = worker.command("check")
    assert answer.code == 1
    assert "[proxy] allow_clear: what the worker sends there crosses the network in clear text" in answer.out
    worker.configure(proxy={"allow_clear": None, "url": "https://proxy.example:3128"})
    assert worker.command("check").code == 0
