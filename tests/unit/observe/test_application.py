"""Probes, metrics and page, as requests see them."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.unit.conftest import Lines
from tests.unit.observe import views
from worker.observe.access import FixedToken, Token, TokenFile
from worker.observe.application import Application
from worker.observe.health import Health
from worker.observe.metrics import Metrics
from worker.observe.page import style_hash
from worker.observe.view import StatusView

TOKEN = "0123456789abcdef-token"


class Got:
    """A reply."""

    def __init__(self, application: Application, path: str, method: str = "GET", **environ: str) -> None:
        def start(status: str, headers: list[tuple[str, str]], _info: Any = None) -> Callable[[bytes], None]:
            self.status, self.headers = int(status[:3]), headers
            return lambda _data: None

        given = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_HOST": "localhost:8080", **environ}
        self.body = b"".join(application(given, start)).decode()

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header == name]


def application(view: StatusView = views.WORKING, token: Token | None = None) -> Application:
    return Application(status=views.Source(view), health=Health(pool=1), metrics=Metrics(), token=token)


def test_the_page_is_html_that_runs_nothing() -> None:
    got = Got(application(), "/")
    assert got.status == 200
    assert got.all("Content-Type") == ["text/html; charset=utf-8"]
    assert got.all("Content-Length") == [str(len(got.body.encode()))]
    (policy,) = got.all("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert f"style-src '{style_hash()}'" in policy
    assert "nothing needs a person." in got.body


@pytest.mark.parametrize(
    ("query", "refresh"),
    [
        ("", ["30"]),
        ("refresh=off", []),
        ("refresh=10", ["10"]),
        ("refresh=1", ["5"]),
        ("refresh=999999999", ["3600"]),
        ("refresh=%F0%9D%9F%93", ["30"]),
        ("refresh=-1", ["30"]),
        ("other=off", ["30"]),
        ("refresh=10&refresh=off", []),
    ],
)
def test_the_page_refreshes_until_that_is_stopped(query: str, refresh: list[str]) -> None:
    got = Got(application(), "/", QUERY_STRING=query)
    assert (got.status, got.all("Refresh")) == (200, refresh)
    offered = 'href="./?refresh=off">Stop refreshing<' if refresh else 'href="./">Refresh every 30 s<'
    assert offered in got.body


def test_nothing_but_the_page_refreshes() -> None:
    assert [Got(application(), path).all("Refresh") for path in ("/metrics", "/livez", "/readyz", "/no")] == [[]] * 4


@pytest.mark.parametrize("path", ["/", "/metrics", "/livez", "/readyz", "/nothing"])
def test_every_reply_has_the_safe_headers(path: str) -> None:
    got = Got(application(), path)
    assert got.all("X-Content-Type-Options") == ["nosniff"]
    assert got.all("Cache-Control") == ["no-store"]
    assert got.all("X-Frame-Options") == ["DENY"]
    assert got.all("Referrer-Policy") == ["no-referrer"]
    assert got.status == (404 if path == "/nothing" else 200)


def test_metrics_show_the_state_as_it_is_now() -> None:
    got = Got(application(views.BACKLOG), "/metrics")
    assert got.all("Content-Type")[0].startswith("text/plain; version=")
    assert 'nhsmail_messages{state="pending"} 8113.0' in got.body


def test_the_probes_say_why_not() -> None:
    assert Got(application(), "/readyz").body == "ok\n"
    got = Got(application(views.HALTED), "/readyz")
    assert (got.status, got.body) == (503, "login-halted\npoll-overdue\n")
    assert Got(application(views.HALTED), "/livez").status == 200


def test_nothing_can_be_changed() -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        got = Got(application(), "/", method)
        assert got.status == 405
        assert got.all("Allow") == ["GET, HEAD"]


def test_head_is_get_without_a_body() -> None:
    got = Got(application(), "/", "HEAD")
    assert (got.status, got.body) == (200, "")
    assert int(got.all("Content-Length")[0]) > 1000


def _basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()


@pytest.mark.parametrize("path", ["/", "/metrics"])
@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        (_basic(TOKEN), 200),
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer \xff", 401),
        (TOKEN, 401),
        (_basic("wrong"), 401),
        ("Basic ???", 401),
        (f"Digest {TOKEN}", 401),
    ],
)
def test_page_and_metrics_are_for_who_has_the_token(path: str, header: str | None, status: int) -> None:
    given = {} if header is None else {"HTTP_AUTHORIZATION": header}
    got = Got(application(token=FixedToken(SecretStr(TOKEN))), path, HTTP_HOST="worker.example", **given)
    assert got.status == status
    if status == 401:
        assert len(got.all("WWW-Authenticate")) == 2
        assert "nhsmail_" not in got.body
        assert views.WORKING.account not in got.body


def test_probes_ask_for_no_token() -> None:
    for path in ("/livez", "/readyz"):
        assert Got(application(token=FixedToken(SecretStr(TOKEN))), path, HTTP_HOST="10.0.0.9:8080").status == 200


def test_a_token_that_has_become_empty_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    guarded = application(token=TokenFile(file))
    assert Got(guarded, "/", HTTP_AUTHORIZATION=f"Bearer {TOKEN}").status == 200
    file.write_text("\n")
    assert Got(guarded, "/", HTTP_AUTHORIZATION="Bearer ").status == 401
    file.unlink()
    assert Got(guarded, "/", HTTP_AUTHORIZATION=f"Bearer {TOKEN}").status == 503


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("localhost:8080", 200), ("127.0.0.1:9", 200), ("127.8.8.8", 200), ("[::1]:80", 200),
        ("", 200), ("evil.example", 403), ("evil.example:8080", 403), ("10.0.0.1", 403),
        ("localhost.evil.example", 403),
    ],
)  # fmt: skip
def test_without_a_token_only_this_machines_names_are_answered(host: str, status: int) -> None:
    assert Got(application(), "/", HTTP_HOST=host).status == status
    assert Got(application(), "/livez", HTTP_HOST=host).status == 200


def test_a_fault_of_the_page_is_logged_and_nothing_of_it_shown(lines: Lines) -> None:
    broken = views.Source(KeyError("secret-detail"))
    got = Got(Application(status=broken, health=Health(pool=1), metrics=Metrics()), "/metrics")
    assert got.status == 500
    assert "secret-detail" not in got.body + lines.raw
    assert lines.one["url_path"] == "metrics"
