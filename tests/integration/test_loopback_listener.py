"""The listener for the end of a sign-in: whoever speaks to it, and however, changes nothing. Only the answer does."""

import errno
import socket
import socketserver
import string
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rig.worker import eventually
from worker.login.loopback import LoopbackListener
from worker.mailbox.errors import LoginFailed

STATE = "Zp3vKqT0dS-_8mR4aYx1Bw"
CODE = "0.AX0A-the-code"
GOOD = f"code={CODE}&state={STATE}"


class Watcher:
    """A person who only reads. told: set once they have been told where to sign in."""

    def __init__(self) -> None:
        self.told = threading.Event()

    def tell(self, _text: str) -> None:
        self.told.set()

    def ask(self, _prompt: str) -> str | None:
        return None


@contextmanager
def waiting(patience: float = 60.0) -> Iterator[tuple[LoopbackListener, "Future[Any]"]]:
    """A listener that waits for the answer in a thread, and what came of it."""
    person = Watcher()
    with LoopbackListener(person, patience=patience) as listener, ThreadPoolExecutor(1) as pool:
        found = pool.submit(listener.answer, "https://login.example.org/authorize", STATE)
        assert person.told.wait(10)
        yield listener, found


def port_of(listener: LoopbackListener) -> int:
    return int(listener.redirect_uri.rpartition(":")[2])


def said(port: int, request: bytes) -> bytes:
    """Send these bytes and no more, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass  # it hung up
        return answer


METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "TRACE", "get", "", "G" * 300])
TARGETS = st.one_of(
    st.sampled_from(
        [
            "/",
            "/favicon.ico",
            f"/?code={CODE}",
            f"/?state={STATE}",
            f"/?code={CODE}&state={STATE}x",
            f"/?{GOOD}&code=x",
            f"/?code=&state={STATE}",
            f"/x?{GOOD}",
            f"//evil.example/x?{GOOD}",
            f"http://evil.example/?{GOOD}",
            f"/?{GOOD}%00&state=x",
            f"/?x={'y' * 60_000}",
            f"/?x={'y' * 70_000}",
            "*",
            "",
        ]
    ),
    st.text(string.ascii_letters + string.digits + "/?&=%#;+.", max_size=40),
)
VERSIONS = st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "", "x"])
HOSTS = st.sampled_from(
    ["localhost:{port}", "evil.example", "127.0.0.1:{port}", "localhost", "[::1]:{port}", "localhost:1"]
)
HEADERS = st.lists(
    st.sampled_from(
        [
            "Content-Length: 99999999",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "X",
            ": x",
            "Connection: keep-alive",
        ]
        + [f"X-{number}: {'y' * 900}" for number in range(3)]
    ),
    max_size=4,
)
REQUESTS = st.one_of(
    st.builds(
        lambda method, target, version, host, headers, body: "\r\n".join(
            [f"{method} {target} {version}", f"Host: {host}", *headers, "", body]
        ),
        METHODS,
        TARGETS,
        VERSIONS,
        HOSTS,
        HEADERS,
        st.sampled_from(["", GOOD, "x" * 200]),
    ).map(lambda text: text.encode("latin-1", "replace")),
    st.binary(max_size=200),
    st.sampled_from(
        [b"", b"\r\n\r\n", b"GET", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"A" * 70_000 + b"\r\n"]
    ),
)
"""Requests that aren't the answer: at least one thing is wrong with each."""


def test_whatever_comes_first_the_answer_alone_is_taken() -> None:
    counted = 0
    with waiting() as (listener, found):
        port = port_of(listener)

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
        @given(REQUESTS)
        def hostile(request: bytes) -> None:
            nonlocal counted
            counted += 1
            answer = said(port, request.replace(b"{port}", str(port).encode()))
            assert b" 200 " not in answer.partition(b"\r\n")[0]
            assert CODE.encode() not in answer
            assert STATE.encode() not in answer
            assert b"evil" not in answer
            assert not found.done()

        hostile()
        page = come_back(listener, found)
        assert found.result() == {"code": CODE, "state": STATE}
    assert counted >= 300
    assert (page.status_code, "<p>Signed in.</p>" in page.text) == (200, True)


def test_the_page_says_what_happened_and_nothing_else() -> None:
    with waiting() as (listener, found), ThreadPoolExecutor(1) as pool:
        coming = pool.submit(requests.get, f"{listener.redirect_uri}/?{GOOD}", timeout=20)
        found.result(20)
        listener.conclude("<b>No</b>: it's another's.")
        listener.conclude("too late")
        page = coming.result(20)
    assert page.text == (
        '<!doctype html><html lang="en"><title>Sign-in</title>'
        "<p>&lt;b&gt;No&lt;/b&gt;: it&#x27;s another&#x27;s.</p></html>\n"
    )
    kept = {name: page.headers[name] for name in ("Cache-Control", "Referrer-Policy", "Content-Security-Policy")}
    assert kept == {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    assert "Python" not in page.headers["Server"]


def test_a_sign_in_that_is_stopped_says_so_in_the_browser() -> None:
    with ThreadPoolExecutor(1) as pool:
        with waiting() as (listener, found):
            coming = pool.submit(requests.get, f"{listener.redirect_uri}/?{GOOD}", timeout=20)
            found.result(20)
        assert "The sign-in was stopped." in coming.result(20).text


def test_two_answers_at_once_are_one() -> None:
    with waiting() as (listener, found), ThreadPoolExecutor(8) as pool:

        def come(number: int) -> int:
            try:
                return requests.get(f"{listener.redirect_uri}/?code=c{number}&state={STATE}", timeout=20).status_code
            except requests.ConnectionError:  # it listens no more
                return 0

        coming = [pool.submit(come, number) for number in range(8)]
        assert found.result(20)["code"] in {f"c{number}" for number in range(8)}
        listener.conclude("Signed in.")
        assert [one.result(20) for one in coming].count(200) == 1


def come_back(listener: LoopbackListener, found: "Future[Any]") -> requests.Response:
    """Answer, and return the page that is shown in the end."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(requests.get, f"{listener.redirect_uri}/?{GOOD}", timeout=20)
        assert found.result(20)["code"] == CODE
        listener.conclude("Signed in.")
        return coming.result(20)


def test_connections_that_say_nothing_are_in_nobodys_way() -> None:
    """Browsers open some in advance."""
    with waiting() as (listener, found), ExitStack() as silent:
        for _ in range(15):
            silent.enter_context(socket.create_connection(("127.0.0.1", port_of(listener)), timeout=10))
        assert come_back(listener, found).status_code == 200


def test_connections_are_bounded() -> None:
    with waiting() as (listener, found):
        with ExitStack() as silent:
            all_ = [
                silent.enter_context(socket.create_connection(("127.0.0.1", port_of(listener)), timeout=10))
                for _ in range(20)
            ]
            assert [one.recv(1) for one in all_[16:]] == [b""] * 4, "sent away at once"
            assert not found.done()
        eventually(lambda: b" 404 " in said(port_of(listener), b"GET / HTTP/1.1\r\n\r\n"))
        assert come_back(listener, found).status_code == 200


def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    bind = socketserver.TCPServer.server_bind

    def only_ipv4(server: socketserver.TCPServer) -> None:
        if server.address_family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        bind(server)

    monkeypatch.setattr(socketserver.TCPServer, "server_bind", only_ipv4)
    with waiting() as (listener, found):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("::1", port_of(listener)), timeout=5)
        assert come_back(listener, found).status_code == 200


def test_it_does_not_listen_beyond_its_patience() -> None:
    with waiting(patience=0.1) as (listener, found):
        with pytest.raises(LoginFailed):
            found.result(10)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port_of(listener)), timeout=5)


def test_no_request_is_written_anywhere(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    with waiting() as (listener, found):
        for request in (
            b"GET /?code=mark-1 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"BREW /mark-1 HTTP/1.1\r\n\r\n",
            b"\xff mark-1",
        ):
            said(port_of(listener), request)
        assert come_back(listener, found).status_code == 200
    assert capfd.readouterr() == ("", "")
    assert [one for one in caplog.records if not one.name.startswith("urllib3")] == [], "that one is the browser's"
