"""`webhook` against an HTTPS server that goes wrong in every way."""

import base64
import email
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from handlers.webhook import CertificateRefused, Webhook, WebhookRefused
from tests.rig.https import Answer, HttpsServer, Request
from tests.rig.messages import PDF, UNPARSABLE, message_of, report
from tests.rig.tls import ADDRESS, Authority
from worker import Reject, Retry
from worker.message.mime.limits import MessageError

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
Make = Callable[..., Webhook]


@pytest.fixture
def make(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as handlers:

        def make(server: HttpsServer | str, **options: Any) -> Webhook:
            url = server if isinstance(server, str) else server.url
            options = {"ca_file": authority.ca_file, **options}
            handler = Webhook(Webhook.Settings(url=url, **options))
            handlers.callback(handler.close)
            return handler

        yield make


def fails(handler: Webhook, error: type[Exception]) -> Any:
    with pytest.raises(error) as caught:
        handler(report())
    assert "Zo" not in str(caught.value)
    assert "results@" not in str(caught.value)
    return caught.value


def test_json_with_the_message_as_fetched(authority: Authority, make: Make) -> None:
    message = report(3)
    with HttpsServer(authority) as server:
        make(server)(message)
        (request,) = server.requests
    told = json.loads(request.body)
    assert request.path == "/mail"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == message.key == told["key"]
    assert base64.b64decode(told["raw"]) == message.raw
    assert told["subject"] == "Report 3 für Zoë"
    assert told["attachments"][0]["filename"] == "report.pdf"


def test_json_with_attachments(authority: Authority, make: Make) -> None:
    with HttpsServer(authority) as server:
        make(server, content="attachments")(report())
        told = json.loads(server.requests[0].body)
    assert base64.b64decode(told["attachments"][0]["content"]) == PDF
    assert told["text"].strip() == "Sodium 140."
    assert told["html"] is None
    assert "raw" not in told


def test_json_alone(authority: Authority, make: Make) -> None:
    with HttpsServer(authority) as server:
        make(server, content="none")(report())
        told = json.loads(server.requests[0].body)
    assert "raw" not in told
    assert "text" not in told


@pytest.mark.parametrize("content", ["raw", "attachments", "none"])
def test_multipart_is_a_form_that_others_can_read(authority: Authority, make: Make, content: str) -> None:
    message = report(attachments={'a "quoted" näme.pdf': PDF, "second.bin": bytes(range(256))})
    with HttpsServer(authority) as server:
        make(server, format="multipart", content=content)(message)
        (request,) = server.requests
    head = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
    parts: Any = email.message_from_bytes(head + request.body).get_payload()
    found = {part.get_param("name", header="content-disposition"): part for part in parts}
    assert json.loads(found["message"].get_payload(decode=True))["key"] == message.key
    if content == "raw":
        assert message.raw in request.body
    if content == "attachments":
        assert PDF in request.body
        assert bytes(range(256)) in request.body
        assert len(parts) == 3
    if content == "none":
        assert len(parts) == 1


def test_the_signature_is_that_of_standard_webhooks(authority: Authority, make: Make) -> None:
    message = report()
    old = "an older secret of twenty-four bytes or more".replace(" ", "-")
    with HttpsServer(authority) as server:
        make(server, signing_secret=SecretStr(f"{SECRET} {old}"))(message)
        (request,) = server.requests
    timestamp = request.headers["webhook-timestamp"]
    assert abs(int(timestamp) - time.time()) < 60
    assert request.headers["webhook-id"] == message.key
    signed = f"{message.key}.{timestamp}.".encode() + request.body
    keys = [base64.b64decode(SECRET.removeprefix("whsec_")), old.encode()]
    expected = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    assert request.headers["webhook-signature"].split() == [f"v1,{signature}" for signature in expected]


def test_a_repeat_has_the_same_key_and_the_same_body(authority: Authority, make: Make) -> None:
    with HttpsServer(authority) as server:
        for form in ("json", "multipart"):
            handler = make(server, format=form, content="attachments")
            handler(report(5))
            handler(report(5))
    one, two, three, four = server.requests
    assert (one.body, three.body) == (two.body, four.body)
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1


def test_credentials_and_headers_go_along(authority: Authority, make: Make) -> None:
    with HttpsServer(authority) as server:
        make(server, bearer_token=SecretStr("t0ken"), headers={"X-Department": "Pathology"})(report())
        headers = server.requests[0].headers
    assert headers["authorization"] == "Bearer t0ken"
    assert headers["x-department"] == "Pathology"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_all_of_the_two_hundreds_are_success(authority: Authority, make: Make, status: int) -> None:
    with HttpsServer(authority, after=Answer(status)) as server:
        make(server)(report())


@pytest.mark.parametrize("status", [408, 409, 423, 425, 429, 500, 502, 503, 504, 599])
def test_the_far_end_says_later(authority: Authority, make: Make, status: int) -> None:
    with HttpsServer(authority, after=Answer(status)) as server:
        assert fails(make(server), Retry).after is None


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_the_far_end_says_never(authority: Authority, make: Make, status: int) -> None:
    with HttpsServer(authority, after=Answer(status)) as server:
        fails(make(server), Reject)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410])
def test_what_is_our_own_fault_is_no_dead_letter_at_once(authority: Authority, make: Make, status: int) -> None:
    with HttpsServer(authority, after=Answer(status)) as server:
        assert str(status) in str(fails(make(server), WebhookRefused))
        fails(make(server, reject=frozenset({status})), Reject)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(authority: Authority, make: Make, status: int) -> None:
    with HttpsServer(authority) as other:
        for target in (other.url, "/elsewhere"):
            answer = Answer(status, {"Location": target})
            with HttpsServer(authority, after=answer) as server:
                fails(make(server), WebhookRefused)
                assert len(server.requests) == 1
    assert other.connections == 0


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        ("999999999999999999999999", timedelta(days=1)),
        ("soon", None),
        ("Mon, 5 Jan 99999999999999999999 10:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", timedelta(days=1)),
        ("-5", None),
        ("Mon, 5 Jan 2026 10:00:00 GMT", timedelta(0)),
    ],
)
def test_retry_after(authority: Authority, make: Make, text: str, wait: timedelta | None) -> None:
    with HttpsServer(authority, after=Answer(503, {"Retry-After": text})) as server:
        assert fails(make(server), Retry).after == wait


def test_retry_after_a_date(authority: Authority, make: Make) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    with HttpsServer(authority, after=Answer(429, {"Retry-After": date})) as server:
        after = fails(make(server), Retry).after
    assert timedelta(minutes=9) < after <= timedelta(minutes=10)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(reset_before=True),
        Answer(reset_after=True),
        Answer(garbage=True),
        Answer(drip="head"),
        Answer(delay=30),
    ],
    ids=["reset before", "reset after", "garbage", "dripping head", "silence"],
)
def test_every_broken_answer_is_tried_again(authority: Authority, make: Make, answer: Answer) -> None:
    with HttpsServer(authority, [answer]) as server:
        handler = make(server, timeout=timedelta(seconds=3))
        started = time.monotonic()
        fails(handler, Retry)
        assert time.monotonic() - started < 15  # half of what the server takes
        handler(report())


@pytest.mark.parametrize(
    "answer",
    [Answer(200, drip="body"), Answer(200, cut=True), Answer(200, body=b"a" * 10_000_000)],
    ids=["dripping", "cut off", "huge"],
)
def test_the_status_is_enough(authority: Authority, make: Make, answer: Answer) -> None:
    with HttpsServer(authority, [answer]) as server:
        handler = make(server)
        handler(report())
        handler(report())
        assert len(server.requests) == 2


def test_nobody_there(authority: Authority, make: Make) -> None:
    server = HttpsServer(authority)
    server.stop()
    handler = make(server)
    fails(handler, Retry)
    server.start()
    with server:
        handler(report())


@pytest.mark.parametrize("why", ["another authority", "another name", "expired"])
def test_an_untrusted_far_end_gets_nothing(authority: Authority, make: Make, tmp_path: Path, why: str) -> None:
    signer = Authority(tmp_path / "other") if why == "another authority" else authority
    server = HttpsServer(signer, names=("elsewhere.example.org",) if why == "another name" else ())
    with server:
        if why == "expired":
            context = server._context
            assert context is not None
            context.load_cert_chain(*authority.issue(not_after=datetime(2020, 1, 1, tzinfo=UTC)))
        fails(make(server), CertificateRefused)
    assert server.requests == []


def test_a_client_certificate(authority: Authority, make: Make, tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ours")
    certificate, key = ours.issue("worker.example.org")
    with HttpsServer(authority, client_ca=ours) as server:
        make(server, client_certificate_file=certificate, client_key_file=key)(report())
        assert len(server.requests) == 1
        fails(make(server), Retry)
        assert len(server.requests) == 1


def test_an_alert_of_tls_after_the_handshake_is_an_outage(
    authority: Authority, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a client certificate that is missing: with TLS 1.3 it is asked for once we are connected."""

    async def refuse(*_: object, **__: object) -> None:
        raise ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]")

    with HttpsServer(authority) as server:
        handler = make(server)
        monkeypatch.setattr(handler._client, "send", refuse)
        fails(handler, Retry)


def test_plain_http_on_this_machine_alone(authority: Authority, make: Make) -> None:
    with HttpsServer(authority, plain=True) as server:
        make(server)(report())
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_plain_http_goes_to_no_proxy(
    authority: Authority, make: Make, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with HttpsServer(authority, plain=True) as proxy, HttpsServer(authority, plain=True) as server:
        monkeypatch.setenv(name, f"http://{ADDRESS}:{proxy.port}")
        make(server)(report())
    assert (proxy.connections, len(server.requests)) == (0, 1)


def test_connections_are_used_again(authority: Authority, make: Make) -> None:
    with HttpsServer(authority) as server:
        handler = make(server)
        for number in range(10):
            handler(report(number))
    assert server.connections == 1


def test_the_server_killed_in_the_middle_loses_nothing(authority: Authority, make: Make) -> None:
    """Many messages from many threads while the server dies and comes back: each arrives, and none twice by its key."""
    kept: dict[str, bytes] = {}

    calls = count(1)

    def keep(request: Request) -> Answer:
        number = next(calls)
        if number % 7 == 0:
            return Answer(reset_before=True)
        kept.setdefault(request.headers["idempotency-key"], request.body)
        if number % 13 == 0:
            return Answer(reset_after=True)
        return Answer(503 if number % 5 == 0 else 204)

    server = HttpsServer(authority, after=keep)
    handler = make(server, timeout=timedelta(seconds=10))
    stopped = 0

    def deliver(number: int) -> int:
        nonlocal stopped
        for tries in range(1, 200):
            if number in (30, 60) and tries == 1:
                server.stop()
                stopped += 1
                server.start()
            try:
                handler(report(number))
            except Retry:
                time.sleep(0.01)
            else:
                return tries
        raise AssertionError("never delivered")

    with server, ThreadPoolExecutor(8) as pool:
        tries = list(pool.map(deliver, range(100)))
    assert stopped == 2
    assert sum(tries) > 100
    assert set(kept) == {report(number).key for number in range(100)}
    for number in range(100):
        assert base64.b64decode(json.loads(kept[report(number).key])["raw"]) == report(number).raw


def test_what_can_not_be_taken_apart(authority: Authority, make: Make) -> None:
    broken = message_of(UNPARSABLE)
    with HttpsServer(authority) as server:
        with pytest.raises(MessageError):
            make(server)(broken)
        assert server.requests == []
        make(server, parse=False)(broken)
    assert json.loads(server.requests[0].body)["attachments"] is None


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://results.example.nhs.uk/"},
        {"url": "ftp://localhost/"},
        {"url": "https://"},
        {"url": "https://user:word@localhost/"},
        {"url": "https://localhost:99999999/"},
        {"url": "https://localhost/#part"},
        {"url": "https://local host/"},
        {"url": "https://localhost/", "signing_secret": "short"},
        {"url": "https://localhost/", "signing_secret": "whsec_not base64"},
        {"url": "https://localhost/", "signing_secret": ""},
        {"url": "https://localhost/", "bearer_token": "two words"},
        {"url": "https://localhost/", "headers": {"Idempotency-Key": "1"}},
        {"url": "https://localhost/", "headers": {"X-A": "b\r\nX-C: d"}},
        {"url": "https://localhost/", "headers": {"X A": "b"}},
        {"url": "https://localhost/", "client_key_file": "/k.pem"},
        {"url": "https://localhost/", "timeout": timedelta(0)},
        {"url": "https://localhost/", "verify": False},
    ],
)
def test_settings_that_can_not_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Webhook.Settings(**options)
    assert "user:word" not in str(caught.value)


def test_close_twice(authority: Authority, make: Make) -> None:
    with HttpsServer(authority) as server:
        handler = make(server)
        handler(report())
        handler.close()
        handler.close()
