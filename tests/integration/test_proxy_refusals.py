"""Proxies that make no connection, in every way: what is understood of their answers, and what a person is told.

A proxy's refusal is an unreachable network. It never counts as a login, and never as a wrong password.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from handlers.archive import Archive
from handlers.webhook import Webhook
from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.messages import report
from tests.rig.ports import free_port
from tests.rig.refusing_proxy import RefusingProxy, Script
from tests.rig.tls import ADDRESS, Authority
from tests.rig.token_endpoint import TokenEndpoint, tokens
from tests.rig.worker import Worker
from worker import Retry
from worker.connections import Proxy, ProxyFault, ProxyTrouble

MakeWorker = Callable[..., Worker]
USER, PASSWORD = "svc-mailworker", "Quiet-Harbour-73"
SECRETS = ("Quiet", "svc-", "c3ZjLW", "Sodium")
WORDS = "Sodium 140 for svc-mailworker, who gave Quiet-Harbour-73"
"""What no proxy should say. If one does, nobody hears of it."""
TARGET = ("mail.example", 993)
NO_METHOD, BY_PASSWORD, ACCEPTED = b"\x05\xff", b"\x05\x02", b"\x01\x00"
GRANTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x03\xe1"

HTTP = [f"HTTP/1.1 {status} {WORDS}\r\n\r\n".encode() for status in (407, 403, 502)]
STATUSES = {
    ProxyFault.CREDENTIALS: (407,),
    ProxyFault.POLICY: (401, 403, 405, 451),
    ProxyFault.TARGET: (404, 410, 500, 502, 503, 504),
    ProxyFault.OTHER: (301, 400, 418, 429, 501, 505, 511, 999),
}
REPLIES = {
    ProxyFault.POLICY: (2,),
    ProxyFault.TARGET: (3, 4, 5, 6),
    ProxyFault.OTHER: (1, 7, 8),
    ProxyFault.BROKEN: (9, 0x5B, 0xFF),
}


@pytest.fixture(scope="module")
def refusing() -> Iterator[RefusingProxy]:
    with RefusingProxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def refusing_tls(authority: Authority) -> Iterator[RefusingProxy]:
    with RefusingProxy(context=authority.server_context()) as proxy:
        yield proxy


def way(scheme: str, port: int, **given: Any) -> Proxy:
    return Proxy.of(f"{scheme}://localhost:{port}", **{"username": USER, "password": PASSWORD, "no_proxy": ()} | given)


def refused(proxy: Proxy, timeout: float = 5.0) -> ProxyTrouble:
    with pytest.raises(ProxyTrouble) as caught:
        proxy.connect(*TARGET, timeout)
    error = caught.value
    before: list[BaseException] = [error]
    while (earlier := before[-1].__cause__ or before[-1].__context__) is not None:
        before.append(earlier)
    for text in (error.advice, *(f"{one!s} {one!r}" for one in before)):
        assert not [secret for secret in SECRETS if secret in text], text
    assert f"the proxy localhost:{proxy.port} " in str(error)
    assert "Nothing was sent to the server behind it. Who can act: " in error.advice
    return error


def in_pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


anywhere = st.lists(st.integers(0, 10_000), max_size=4)
lines = st.sampled_from(["\r\n", "\n"])
bodies = st.sampled_from(["", WORDS, f"<html><body>{WORDS}</body></html>" * 50])
DRAWN = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# -- CONNECT -----------------------------------------------------------------------------------------------------------


@DRAWN
@given(
    case=st.sampled_from([(status, fault) for fault, some in STATUSES.items() for status in some]),
    line=lines,
    body=bodies,
    cuts=anywhere,
    version=st.sampled_from(["HTTP/1.0", "HTTP/1.1"]),
    named=st.booleans(),
)
def test_an_answer_of_http(
    refusing: RefusingProxy,
    case: tuple[int, ProxyFault],
    line: str,
    body: str,
    cuts: list[int],
    version: str,
    named: bool,
) -> None:
    status, fault = case
    head = [f"{version} {status} {WORDS}", 'Proxy-Authenticate: Basic realm="Quiet-Harbour-73"', f"X-Note: {WORDS}"]
    refusing.script = Script(in_pieces((line.join([*head, "", ""]) + body).encode(), cuts), stays=False)
    error = refused(way("http", refusing.port, **({} if named else {"username": None, "password": None})))
    assert error.fault is fault
    assert f"HTTP {status}" in str(error)
    if fault is ProxyFault.CREDENTIALS:
        assert ("doesn't accept the user name and password" in str(error)) is named
    else:
        assert "mail.example:993" in str(error)


@DRAWN
@given(
    line=lines,
    headers=st.lists(st.sampled_from(["Via: 1.1 proxy", "Proxy-Agent: x", "X-Long: " + "y" * 3000]), max_size=4),
    greeting=st.sampled_from([b"", b"220 relay.example ESMTP\r\n", bytes(range(256))]),
    cuts=anywhere,
)
def test_what_the_server_says_first_is_not_lost(
    refusing: RefusingProxy, line: str, headers: list[str], greeting: bytes, cuts: list[int]
) -> None:
    """However the answer comes in pieces, its head is read to the end, and not one byte of what follows."""
    head = line.join(["HTTP/1.1 200 Connection established", *headers, "", ""]).encode()
    refusing.script = Script(in_pieces(head + greeting, cuts), stays=False)
    with way("http", refusing.port).connect(*TARGET, 5.0) as made:
        heard = b"".join(iter(lambda: made.recv(1000), b""))
    assert heard == greeting


def test_tls_to_the_proxy_and_its_refusal_within(authority: Authority, refusing_tls: RefusingProxy) -> None:
    refusing_tls.script = Script([f"HTTP/1.1 407 {WORDS}\r\n\r\n".encode()])
    error = refused(way("https", refusing_tls.port, ca_file=authority.ca_file))
    assert error.fault is ProxyFault.CREDENTIALS


def test_nothing_is_sent_to_a_proxy_that_is_not_trusted(refusing_tls: RefusingProxy, refusing: RefusingProxy) -> None:
    refusing_tls.heard.clear()
    error = refused(way("https", refusing_tls.port))
    assert error.fault is ProxyFault.UNTRUSTED
    assert "shows a certificate that isn't trusted" in str(error)
    refusing.heard.clear()
    refusing.script = Script([b"HTTP/1.1 400 Bad Request\r\n\r\n"], stays=False)
    error = refused(way("https", refusing.port))
    assert error.fault is ProxyFault.UNTRUSTED
    assert "doesn't speak TLS" in str(error)
    assert refusing_tls.heard == []
    assert b"CONNECT" not in b"".join(refusing.heard)


# -- SOCKS -------------------------------------------------------------------------------------------------------------


@DRAWN
@given(
    case=st.sampled_from([(reply, fault) for fault, some in REPLIES.items() for reply in some]),
    rest=st.sampled_from([b"\x00\x01\x7f\x00\x00\x01\x03\xe1", b"\x00", b"\x00\x03\x06Sodium\x00\x00"]),
    by_password=st.booleans(),
)
def test_an_answer_of_socks(
    refusing: RefusingProxy, case: tuple[int, ProxyFault], rest: bytes, by_password: bool
) -> None:
    reply, fault = case
    begin = [BY_PASSWORD, ACCEPTED] if by_password else [b"\x05\x00"]
    refusing.script = Script([*begin, bytes([5, reply]) + rest], in_turn=True, stays=False)
    error = refused(way("socks5h", refusing.port))
    assert error.fault is fault
    if fault is not ProxyFault.BROKEN:
        assert f"SOCKS {reply}" in str(error)
        assert "mail.example:993" in str(error)


@pytest.mark.parametrize(
    ("pieces", "named"),
    [([BY_PASSWORD, b"\x01\x01"], True), ([NO_METHOD], True), ([NO_METHOD], False)],
)
def test_credentials_that_socks_refuses(refusing: RefusingProxy, pieces: list[bytes], named: bool) -> None:
    refusing.script = Script(pieces, in_turn=True)
    error = refused(way("socks5h", refusing.port, **({} if named else {"username": None, "password": None})))
    assert error.fault is ProxyFault.CREDENTIALS
    assert ("doesn't accept" in str(error)) is named


# -- broken, silent, gone ----------------------------------------------------------------------------------------------


@settings(DRAWN, max_examples=60)
@given(
    scheme=st.sampled_from(["http", "socks5h"]),
    data=st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nVia: x\r\n", b"\x05", b"\x05\x02", b"220 ESMTP\r\n"]),
        st.just(b"HTTP/1.1 200\r\n" + b"X: y\r\n" * 10_000),
    ),
    cuts=anywhere,
)
def test_whatever_it_sends_and_then_ends(refusing: RefusingProxy, scheme: str, data: bytes, cuts: list[int]) -> None:
    refusing.script = Script(in_pieces(data, cuts), stays=False)
    error = refused(way(scheme, refusing.port))
    assert error.fault in (ProxyFault.BROKEN, ProxyFault.CREDENTIALS, ProxyFault.OTHER)


@pytest.mark.parametrize("scheme", ["http", "socks5h", "https"])
def test_a_proxy_that_is_silent_or_drips(refusing: RefusingProxy, scheme: str) -> None:
    """The time limit is for all of it. A byte now and then doesn't lengthen it."""
    refusing.script = Script()
    assert refused(way(scheme, refusing.port), 0.2).fault is ProxyFault.SILENT
    refusing.script = Script([b"H"] * 20 if scheme == "http" else [b"\x05"] * 20, pause=0.05)
    assert refused(way(scheme, refusing.port), 0.2).fault in (
        ProxyFault.SILENT,
        ProxyFault.UNTRUSTED,
        ProxyFault.BROKEN,
    )


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_nobody_is_there(scheme: str) -> None:
    error = refused(way(scheme, free_port()))
    assert error.fault is ProxyFault.UNREACHABLE
    assert "Connection refused" in str(error)


def test_a_proxy_without_an_address() -> None:
    proxy = Proxy.of("http://proxy.invalid:3128")
    with pytest.raises(ProxyTrouble, match="its name can't be resolved") as caught:
        proxy.connect(*TARGET, 5.0)
    assert caught.value.fault is ProxyFault.UNREACHABLE


def test_a_server_that_socks5_does_not_find_here(refusing: RefusingProxy) -> None:
    """It isn't the proxy that says so."""
    refusing.script = Script([b"\x05\x00"])
    with pytest.raises(socket.gaierror):
        way("socks5", refusing.port).connect("mail.invalid", 993, 5.0)


# -- handlers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_mail_for_a_webhook_waits_and_the_reason_names_the_proxy(refusing: RefusingProxy, scheme: str) -> None:
    refusing.script = Script([HTTP[0]]) if scheme == "http" else Script([BY_PASSWORD, b"\x01\x01"], in_turn=True)
    own = Webhook.Settings(url="https://mail.example/in")
    with closing(Webhook(own, proxy=way(scheme, refusing.port))) as handler, pytest.raises(Retry) as caught:
        handler(report())
    assert "doesn't accept the user name and password of [proxy]" in str(caught.value)
    assert not [secret for secret in SECRETS if secret in str(caught.value)]


def test_mail_for_an_object_store_waits(refusing: RefusingProxy) -> None:
    refusing.script = Script([HTTP[0]], stays=False)
    options = {"endpoint": "https://mail.example", "region": "x", "access_key_id": "x"}
    own = Archive.Settings(
        url="s3://bucket-1/in", options=options, secret=SecretStr("key"), timeout=timedelta(seconds=1)
    )
    with pytest.raises(Retry) as caught:
        Archive(own, proxy=way("http", refusing.port))(report())
    assert f"can't accept it now through the proxy localhost:{refusing.port}: " in str(caught.value)
    assert not [secret for secret in SECRETS if secret in repr(caught.value)]


@pytest.mark.parametrize("endpoint", [{}, {"endpoint": "https://mail.example"}])
def test_a_machines_identity_is_asked_for_past_the_proxy(refusing: RefusingProxy, endpoint: dict[str, str]) -> None:
    """What it answers are credentials, in clear text."""
    refusing.script, refusing.heard = Script([HTTP[1]], stays=False), []
    own = Archive.Settings(url="s3://bucket-1/in", options={"region": "x", **endpoint}, timeout=timedelta(seconds=1))
    with pytest.raises(Retry):
        Archive(own, proxy=way("http", refusing.port, no_proxy=("169.254.169.254",)))(report())
    assert not [heard for heard in refusing.heard if b"169.254.169.254" in heard]


# -- the guard ---------------------------------------------------------------------------------------------------------

SCRIPTS = [
    *(("http", Script([answer])) for answer in HTTP),
    ("http", Script([b"HTTP/1.1 200 O"], stays=False)),
    ("socks5h", Script([b"\x05\x00", bytes([5, 2, 0])], in_turn=True)),
    ("socks5h", Script([BY_PASSWORD, b"\x01\x01"], in_turn=True)),
    ("https", Script(stays=False)),
]


def table(scheme: str, port: int, folder: Path, **more: Any) -> dict[str, Any]:
    file = folder / "proxy-password"
    file.touch(mode=0o600)
    file.write_text(PASSWORD)
    found = {"url": f"{scheme}://{ADDRESS}:{port}", "username": USER, "password_file": str(file), "no_proxy": []}
    return found | more


@pytest.mark.slow
def test_no_refusal_of_a_proxy_is_a_login(dovecot: Mailbox, make_worker: MakeWorker, refusing: RefusingProxy) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker()
    for scheme, script in SCRIPTS:
        refusing.script = script
        worker.configure(proxy=table(scheme, refusing.port, worker.folder))
        answer = worker.command("once")
        assert answer.code == 69, (scheme, script, answer)
        assert f"because the proxy {ADDRESS}:{refusing.port} " in answer.err
        assert "no login attempt was spent" in answer.err
        assert "Who can act: " in answer.err
        assert not [secret for secret in SECRETS if secret in answer.err]
    assert worker.events("login.attempt") == []
    assert dovecot.history == []
    assert worker.status()["login"] == {**worker.status()["login"], "state": "ready", "failures": 0, "remaining": 8}
    worker.configure(proxy={"no_proxy": ["*"]})
    assert worker.once() == 0
    assert len(worker.handed()) == 1


def test_no_refusal_before_the_sign_in_service_counts(
    dovecot: Mailbox, authority: Authority, make_worker: MakeWorker, refusing: RefusingProxy
) -> None:
    """Also where the password itself is what would be sent to the service."""
    dovecot.append_many("INBOX", letters(1))
    with TokenEndpoint(authority) as endpoint:
        worker = make_worker()
        signing = {"tenant": "tenant", "client_id": "client", "authority": endpoint.url}
        tables: dict[str, Any] = {"account": {"auth": "oauth2-password"}, "account.oauth": signing}
        worker.configure(**tables)
        for scheme, script in SCRIPTS[:1] + SCRIPTS[-3:]:
            refusing.script = script
            given = table(scheme, refusing.port, worker.folder, no_proxy=[f"localhost:{dovecot.port}"])
            worker.configure(proxy=given, lockout={"waits": ["1ms"]})
            answer = worker.command("once")
            assert answer.code in (69, 75), answer
            assert "The sign-in service wasn't reached, because the proxy " in answer.err
            assert not [secret for secret in SECRETS if secret in answer.err]
            status = worker.status()["login"]
            assert (status["failures"], status["remaining"]) == (0, 8)
        assert endpoint.forms == []
        worker.configure(proxy={"no_proxy": ["*"]})
        endpoint.answers.append(tokens(dovecot.token(), refresh=None))
        assert worker.once() == 0
