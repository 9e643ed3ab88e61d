"""The OAuth flows against a token endpoint on loopback that answers as Microsoft's does."""

import base64
import hashlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal

import pytest
import requests

from tests.rig.tls import Authority
from tests.rig.token_endpoint import TokenEndpoint, refusal, tokens
from worker.login.advice import NO_DISCOVERY, Help
from worker.login.credential import CredentialUnavailable, PasswordSource, Token
from worker.login.oauth import OAuthSource
from worker.login.registration import OAuthConfig
from worker.login.sign_in_advice import RAN_OUT, not_signed_in
from worker.login.token_cache import NAME
from worker.login.token_endpoint import Wire
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass

ACCOUNT = "pathology.results@nhs.net"
PASSWORD = "Bright-Harbour-92"
SECRET = "application-secret-7Q~"
F = FailureClass
Flow = Literal["oauth2-client", "oauth2-device", "oauth2-password"]


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(authority) as found:
        yield found


def source(
    endpoint: TokenEndpoint, authority: Authority, state: Path, flow: Flow = "oauth2-client", **given: Any
) -> OAuthSource:
    values: dict[str, Any] = {"tenant": "tenant", "client_id": "client", "authority": endpoint.url, "timeout": 5.0}
    if flow == "oauth2-client" and "certificate_file" not in given:
        values["client_secret"] = SECRET
    config = OAuthConfig(**(values | {"ca_file": authority.ca_file} | given))
    password = PasswordSource(ACCOUNT, file=None, value=PASSWORD) if flow == "oauth2-password" else None
    return OAuthSource(flow, ACCOUNT, config, state_dir=state, password=password)


def failed(found: OAuthSource, *, refresh: bool = False) -> Any:
    with pytest.raises(LoginFailed) as caught:
        found.candidate().obtain(refresh=refresh)
    for secret in (PASSWORD, SECRET, "refresh-1", "access-1"):
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value.failure)
    return caught.value.failure


# -- client credentials ------------------------------------------------------------------------------------------------


def test_client_credentials(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path)
    endpoint.answers = [tokens("access-1", refresh=None), tokens("access-2", refresh=None)]
    candidate = found.candidate()
    assert (candidate.kind, candidate.password) == ("token", None)
    assert candidate.obtain(refresh=False) == Token(ACCOUNT, "access-1")
    assert endpoint.forms[0]["grant_type"] == "client_credentials"
    assert endpoint.forms[0]["client_secret"] == SECRET
    assert endpoint.forms[0]["scope"] == "https://outlook.office365.com/.default"
    assert found.candidate().obtain(refresh=False) == Token(ACCOUNT, "access-1")
    assert len(endpoint.forms) == 1  # kept in memory
    assert found.candidate().obtain(refresh=True) == Token(ACCOUNT, "access-2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flow", ["oauth2-client", "oauth2-device", "oauth2-password"])
def test_a_token_says_whether_it_was_kept_from_before(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, flow: Flow
) -> None:
    found = source(endpoint, authority, tmp_path, flow)
    refresh = None if flow == "oauth2-client" else "refresh-1"
    endpoint.answers = [tokens(f"access-{number}", refresh=refresh, user=ACCOUNT) for number in range(3)]
    if flow == "oauth2-device":
        found.authorise(lambda _said: None)
    given = [found.candidate().obtain(refresh=refresh) for refresh in (False, False, True, False)]
    kept = [token.kept for token in given if isinstance(token, Token)]
    assert kept == [flow == "oauth2-device", True, False, True]


def test_a_token_is_renewed_ahead_of_its_end(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path, refresh_ahead=1200.0)
    endpoint.answers = [tokens("access-1", refresh=None, expires_in=1000), tokens("access-2", refresh=None)]
    assert found.candidate().obtain(refresh=False).secret == "access-1"
    assert found.candidate().obtain(refresh=False).secret == "access-2"


def test_a_changed_secret_is_another_credential(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("one")
    path.chmod(0o600)
    found = source(endpoint, authority, tmp_path, client_secret=None, client_secret_file=path)
    assert not found.needs_restart
    one = found.candidate().identity
    path.write_text("two")
    assert found.candidate().identity != one
    path.write_text("")
    with pytest.raises(CredentialUnavailable, match="empty"):
        found.candidate()
    assert source(endpoint, authority, tmp_path).needs_restart


def test_an_application_without_a_secret(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(CredentialUnavailable, match=r"empty.*`client_secret_file` or `certificate_file`"):
        source(endpoint, authority, tmp_path, client_secret=None).candidate()


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, bytes]:
    """A certificate, its private key, and that key with a passphrase."""
    folder = tmp_path_factory.mktemp("pems")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -subj /CN=worker -keyout key -out certificate",
        "rsa -aes256 -passout pass:x -in key -out locked",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True, cwd=folder)
    certificate, key, locked = ((folder / name).read_bytes() for name in ("certificate", "key", "locked"))
    return certificate, key, locked


def private(path: Path, content: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("key_first", [True, False])
def test_a_certificate(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, pems: tuple[bytes, bytes, bytes], *, key_first: bool
) -> None:
    certificate, key, _ = pems
    pem = private(tmp_path / "application.pem", key + certificate if key_first else certificate + key)
    endpoint.answers = [tokens("access-1", refresh=None)]
    found = source(endpoint, authority, tmp_path, certificate_file=pem)
    assert found.candidate().obtain(refresh=False).secret == "access-1"
    assert endpoint.forms[0]["client_assertion_type"].endswith("jwt-bearer")
    assert "client_secret" not in endpoint.forms[0]
    named = json.loads(base64.urlsafe_b64decode(endpoint.forms[0]["client_assertion"].partition(".")[0] + "=="))
    der = ssl.PEM_cert_to_DER_cert(certificate.decode())
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    assert (named["alg"], named["x5t#S256"].rstrip("="), named.get("x5t")) == ("PS256", thumbprint, None)


def test_a_file_without_a_certificate_and_its_key(
    endpoint: TokenEndpoint,
    authority: Authority,
    tmp_path: Path,
    pems: tuple[bytes, bytes, bytes],
) -> None:
    certificate, key, locked = pems
    others = authority.ca_file.read_bytes()
    for content in (b"", key, certificate, key + b"x", certificate + locked, others + key):
        pem = private(tmp_path / "application.pem", content)
        with pytest.raises(CredentialUnavailable, match="certificate and its private key") as caught:
            source(endpoint, authority, tmp_path, certificate_file=pem).candidate()
        assert str(pem) in str(caught.value)
        assert str(caught.value).endswith("Put both into the file, the key without a passphrase.")
        assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("number", "cls", "counts"),
    [
        (7000215, F.CONFIGURATION, False),
        (7000222, F.CONFIGURATION, False),
        (90033, F.UNAVAILABLE, False),
        (50053, F.LOCKED, False),
        (12345, F.CONFIGURATION, False),  # as OAuth's error says
    ],
)
def test_what_is_refused(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, number: int, cls: F, *, counts: bool
) -> None:
    endpoint.answers = [refusal(number, "invalid_client", 401)]
    found = failed(source(endpoint, authority, tmp_path))
    assert (found.cls, found.counts, found.kind) == (cls, counts, "token")


def test_outages_of_the_token_endpoint(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path)
    endpoint.headers["Retry-After"] = "17"
    endpoint.answers = [(429, {"error": "slow_down"})]
    answer = failed(found)
    assert (answer.cls, answer.retry_after) == (F.THROTTLED, timedelta(seconds=17))
    endpoint.headers.clear()
    endpoint.answers = [(503, {})]
    assert failed(found).cls is F.UNAVAILABLE
    endpoint.answers = [(500, refusal(50196)[1])]  # type: ignore[index] # a refusal is no cut connection
    assert failed(found).cls is F.UNAVAILABLE
    endpoint.answers = [None]
    assert failed(found).cls is F.LOST_AFTER_SENDING


@pytest.mark.parametrize("body", [{"error_codes": [50053]}, {"error_description": "AADSTS50053: Locked."}])
def test_a_number_is_read_wherever_it_stands(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, body: dict[str, Any]
) -> None:
    endpoint.answers = [(400, {"error": "x"} | body)]
    found = failed(source(endpoint, authority, tmp_path))
    assert (found.cls, found.said) == (F.LOCKED, "AADSTS50053")


def test_without_its_library_it_says_what_to_install(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msal", None)
    with pytest.raises(CredentialUnavailable, match="Install the worker with `scripts/install`"):
        source(endpoint, authority, tmp_path)


def test_where_nobody_can_be_asked_nothing_is_sent(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    endpoint.url = "no address"
    found = failed(source(endpoint, authority, tmp_path, "oauth2-password"))
    assert (found.cls, found.counts, found.retry_after) == (F.LOST_BEFORE_SENDING, False, None)


NO_TENANT = {
    "error": "invalid_tenant",
    "error_description": "AADSTS90002: Tenant 'tenant' not found. Trace ID: 6f1c.",
    "error_codes": [90002],
}


@pytest.mark.parametrize("flow", ["oauth2-client", "oauth2-password"])
@pytest.mark.parametrize(
    ("status", "body", "cls"),
    [
        (400, None, F.CONFIGURATION),
        (404, None, F.CONFIGURATION),
        (403, NO_TENANT, F.CONFIGURATION),
        (403, {"error_description": NO_TENANT["error_description"]}, F.CONFIGURATION),
        (403, {"error": "invalid_tenant"}, F.CONFIGURATION),
        (429, None, F.THROTTLED),
        *((status, None, F.LOST_BEFORE_SENDING) for status in (401, 403, 407, 408, 425, 451, 500, 502, 503)),
    ],
)
def test_what_discovery_may_answer(
    endpoint: TokenEndpoint,
    authority: Authority,
    tmp_path: Path,
    flow: Flow,
    status: int,
    body: dict[str, Any] | None,
    cls: F,
) -> None:
    """Nothing was sent, so nothing counts; and only an address that isn't there takes a person."""
    endpoint.discovery_status, endpoint.discovery_body = status, body
    found = failed(source(endpoint, authority, tmp_path, flow))
    kind = "password" if flow == "oauth2-password" else "token"
    assert (found.cls, found.counts, found.kind) == (cls, False, kind)
    tenant = {"tenant", "AADSTS90002", "invalid_tenant", "invalid_tenant AADSTS90002"}
    assert (found.said in tenant) is (cls is F.CONFIGURATION)
    assert endpoint.forms == []


@pytest.mark.parametrize(("header", "seconds"), [("17", 17), (None, 300), ("99999999", 300)])
def test_discovery_is_asked_again_when_it_said(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, header: str | None, seconds: int
) -> None:
    endpoint.discovery_status = 429
    if header is not None:
        endpoint.headers["Retry-After"] = header
    assert failed(source(endpoint, authority, tmp_path)).retry_after == timedelta(seconds=seconds)


HTML = b"<html><body>Sign in to the network</body></html>"
FIT = {"authorization_endpoint": "https://a/t/a", "token_endpoint": "https://a/t/t"}
NO_ADDRESS: list[Any] = [None, 17, [], {}, "", "http://a/t/t", "ftp://a/t", "//a/t"]
UNFIT: list[Any] = [
    HTML,
    b"",
    b"\xff\xfe",
    b'{"token_endpoint": ',
    {},
    [],
    "text",
    17,
    False,
    *({**FIT, name: value} for name in FIT for value in NO_ADDRESS),
    *({name: value} for name, value in FIT.items()),
    {**FIT, "token_endpoint": "https://a"},
    *({**FIT, "device_authorization_endpoint": value} for value in (17, [1], "http://a/t/d")),
]


@pytest.mark.parametrize("flow", ["oauth2-client", "oauth2-password"])
@pytest.mark.parametrize("body", UNFIT, ids=repr)
def test_what_answers_in_place_of_discovery_is_sent_nothing_and_said_to_be_no_sign_in_service(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, flow: Flow, body: Any
) -> None:
    endpoint.discovery_body = body
    found = failed(source(endpoint, authority, tmp_path, flow))
    assert (found.cls, found.counts, found.said) == (F.UNAVAILABLE, False, NO_DISCOVERY)
    assert endpoint.forms == []
    said = not_signed_in(found, Help(), account=ACCOUNT, authority="login.example.org")
    assert "isn't a sign-in service (login.example.org)" in said
    assert "`authority` and `tenant`" in said


NOW = 1_790_000_000.0
DATES = [
    (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), None, 90),
    (format_datetime(datetime.fromtimestamp(NOW + 90, UTC)), None, 90),
    (format_datetime(datetime.fromtimestamp(NOW + 90, timezone(timedelta(hours=2)))), None, 90),
    (datetime.fromtimestamp(NOW + 90, UTC).strftime("%A, %d-%b-%y %H:%M:%S GMT"), None, 90),
    (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), None, 0),
    (format_datetime(datetime.fromtimestamp(NOW + 5000, UTC), usegmt=True), NOW + 4000, 1000),
    ("17", None, 17),
    *((text, None, None) for text in ("soon", "", "-5", "1e3", "Fri, 99 Foo 2026 10:00:00 GMT", "\u0661", "9" * 40)),
]


@pytest.mark.parametrize(("header", "date", "seconds"), DATES)
def test_a_wait_is_asked_for_in_seconds_or_by_a_date(header: str, date: float | None, seconds: float | None) -> None:
    """By the answer's own clock where it tells: ours may be wrong."""
    headers = {"Retry-After": header}
    if date is not None:
        headers["Date"] = format_datetime(datetime.fromtimestamp(date, UTC), usegmt=True)
    wire = Wire(OAuthConfig(tenant="t", client_id="c"), clock=lambda: NOW)
    try:
        answer = requests.Response()
        answer.status_code = 429
        answer.headers.update(headers)
        wire.note(answer)
    finally:
        wire.close()
    assert wire.retry_after == (None if seconds is None else timedelta(seconds=seconds))


def test_a_date_makes_the_guard_wait(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    endpoint.headers["Retry-After"] = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    endpoint.answers = [(429, {"error": "slow_down"})]
    found = failed(source(endpoint, authority, tmp_path))
    assert found.cls is F.THROTTLED
    assert found.retry_after is not None
    assert timedelta(seconds=100) < found.retry_after <= timedelta(seconds=121)


def test_nobody_answers(authority: Authority, tmp_path: Path) -> None:
    with TokenEndpoint(authority) as gone:
        pass
    found = failed(source(gone, authority, tmp_path))
    assert (found.cls, found.counts) == (F.LOST_BEFORE_SENDING, False)


def test_an_unknown_authority_is_sent_nothing(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = failed(source(endpoint, authority, tmp_path, ca_file=None))
    assert (found.cls, found.counts) == (F.LOST_BEFORE_SENDING, False)
    assert endpoint.forms == []


class Slow(TokenEndpoint):
    """Answers when it is too late."""

    given_up = threading.Event()

    def respond(self, path: str, form: dict[str, str]) -> Any:
        assert self.given_up.wait(60)
        return super().respond(path, form)


def test_a_slow_endpoint_is_not_waited_for(authority: Authority, tmp_path: Path) -> None:
    with Slow(authority) as slow:
        answer = failed(source(slow, authority, tmp_path, timeout=0.3))
        slow.given_up.set()
    assert (answer.cls, answer.counts) == (F.LOST_BEFORE_SENDING, False)


def test_a_redirect_is_not_followed_with_the_secret(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    with TokenEndpoint(authority) as elsewhere:
        elsewhere.answers = [tokens("stolen", refresh=None)]
        endpoint.headers["Location"] = f"{elsewhere.url}/tenant/token"
        for status in (301, 307, 308):
            endpoint.answers = [(status, {})]
            assert failed(source(endpoint, authority, tmp_path)).cls is F.AMBIGUOUS
        assert elsewhere.forms == []


def test_the_authority_may_end_in_a_slash(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    endpoint.answers = [tokens("access-1", refresh=None)]
    plain, endpoint.url = endpoint.url, endpoint.url + "/"
    found = source(endpoint, authority, tmp_path)
    endpoint.url = plain
    assert found.candidate().obtain(refresh=False).secret == "access-1"


# -- device sign-in ----------------------------------------------------------------------------------------------------


def authorise(endpoint: TokenEndpoint, found: OAuthSource, user: str = ACCOUNT) -> list[str]:
    said: list[str] = []
    endpoint.answers = [(400, {"error": "authorization_pending"}), tokens("access-1", user=user)]
    found.authorise(said.append)
    return said


def test_device_sign_in(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-device")
    with pytest.raises(CredentialUnavailable, match="login authorise"):
        found.candidate()
    said = authorise(endpoint, found)
    assert "ABCD-1234" in said[0]
    assert endpoint.forms[0]["scope"].split()[0] == "https://outlook.office.com/IMAP.AccessAsUser.All"
    assert "offline_access" in endpoint.forms[0]["scope"]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    again = source(endpoint, authority, tmp_path, "oauth2-device")  # a restart
    candidate = again.candidate()
    assert (candidate.kind, candidate.password) == ("token", None)
    assert candidate.obtain(refresh=False) == Token(ACCOUNT, "access-1")
    endpoint.answers = [tokens("access-2", refresh="refresh-2", user=ACCOUNT)]
    assert again.candidate().obtain(refresh=True).secret == "access-2"
    assert endpoint.forms[-1]["refresh_token"] == "refresh-1"
    assert again.candidate().identity == candidate.identity  # the same sign-in
    endpoint.answers = [tokens("access-3", user=ACCOUNT)]
    assert source(endpoint, authority, tmp_path, "oauth2-device").candidate().obtain(refresh=True).secret == "access-3"
    assert endpoint.forms[-1]["refresh_token"] == "refresh-2"


@pytest.mark.parametrize("uri", ["verification_uri", "verification_url"])
def test_device_sign_in_without_microsofts_message(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, uri: str
) -> None:
    endpoint.device = {"message": None, "verification_uri": None} | {uri: "https://login.example.org/device"}
    found = source(endpoint, authority, tmp_path, "oauth2-device")
    said = authorise(endpoint, found)
    assert said == [
        "To sign in, open https://login.example.org/device in a browser on any device, and enter the code ABCD-1234."
    ]
    assert found.candidate().obtain(refresh=False) == Token(ACCOUNT, "access-1")


@pytest.mark.parametrize("name", ["message", "verification_uri", "user_code"])
def test_what_the_service_says_commands_no_terminal(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, name: str
) -> None:
    endpoint.device = {"message": None} | {name: "open \x1b[2J\x9b1m\u202eNHS"}
    (said,) = authorise(endpoint, source(endpoint, authority, tmp_path, "oauth2-device"))
    assert said.isprintable()
    assert "open \\u001b[2J\\u009b1m\\u202eNHS" in said


@pytest.mark.parametrize("missing", ["verification_uri", "user_code", "device_code"])
def test_device_sign_in_without_what_it_needs_is_a_failure_of_the_service(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, missing: str
) -> None:
    endpoint.device = {"message": None, missing: None}
    with pytest.raises(LoginFailed):
        source(endpoint, authority, tmp_path, "oauth2-device").authorise(lambda _said: None)


def test_a_sign_in_that_is_over(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-device")
    authorise(endpoint, found)
    before = found.candidate().identity
    endpoint.answers = [refusal(700082)]
    answer = failed(found, refresh=True)
    assert (answer.cls, answer.counts) == (F.SIGN_IN_AGAIN, False)
    assert found.candidate().identity == before
    authorise(endpoint, found)
    assert found.candidate().identity != before


def test_somebody_else_signs_in(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-device")
    with pytest.raises(CredentialUnavailable, match="isn't pathology"):
        authorise(endpoint, found, user="another@nhs.net")
    assert not (tmp_path / NAME).exists()
    authorise(endpoint, found, user=ACCOUNT.upper())


def test_a_sign_in_that_is_refused(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-device")
    endpoint.answers = [refusal(65001)]
    with pytest.raises(LoginFailed) as caught:
        found.authorise(lambda _said: None)
    assert caught.value.failure.cls is F.CONFIGURATION


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("authorization_declined", "authorization_declined AADSTS50053"),
        ("access_denied", "access_denied AADSTS50053"),
        (RAN_OUT, f"{RAN_OUT} AADSTS50053"),
        ("invalid_grant", "invalid_grant AADSTS50053"),
        (["odd"], "AADSTS50053"),
    ],
)
def test_why_a_sign_in_isnt_made(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, error: Any, said: str
) -> None:
    endpoint.answers = [(400, {"error": error, "error_description": "AADSTS50053: Locked."})]
    with pytest.raises(LoginFailed) as caught:
        source(endpoint, authority, tmp_path, "oauth2-device").authorise(lambda _said: None)
    found = caught.value.failure
    assert (found.cls, found.kind, found.said) == (F.LOCKED, "token", said)


def test_a_cache_that_others_may_read_isnt_used(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-device")
    authorise(endpoint, found)
    (tmp_path / NAME).chmod(0o640)
    with pytest.raises(CredentialUnavailable, match="chmod 600"):
        found.candidate()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff"])
def test_a_damaged_cache_is_none(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, content: bytes) -> None:
    private(tmp_path / NAME, content)
    with pytest.raises(CredentialUnavailable, match="login authorise"):
        source(endpoint, authority, tmp_path, "oauth2-device").candidate()


@pytest.mark.parametrize("kept", ["{}", "{half"])
def test_a_cache_without_tokens_is_a_sign_in_that_is_over(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, kept: str
) -> None:
    private(tmp_path / NAME, json.dumps({"name": "x", "tokens": kept}).encode())
    found = failed(source(endpoint, authority, tmp_path, "oauth2-device"))
    assert (found.cls, found.kind) == (F.SIGN_IN_AGAIN, "token")


def test_tokens_that_cant_be_kept(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(CredentialUnavailable, match=r"can't be written .* Make the state folder writable"):
        authorise(endpoint, source(endpoint, authority, tmp_path / "gone", "oauth2-device"))


def test_what_microsoft_answers_is_gone_by_though_it_could_be_asked_for_more(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    microsoft = OAuthConfig(tenant="", client_id="").authority
    request, url = requests.Session.request, endpoint.url

    def here(session: requests.Session, method: str, asked: str, **given: Any) -> requests.Response:
        return request(session, method, asked.replace(microsoft, url), **given)

    monkeypatch.setattr(requests.Session, "request", here)
    endpoint.url = microsoft
    found = source(endpoint, authority, tmp_path, "oauth2-device")
    endpoint.url = url
    authorise(endpoint, found)
    endpoint.headers["Retry-After"] = "17"
    endpoint.answers = [(429, {"error": "temporarily_unavailable"}), (200, {"metadata": []})]
    answer = failed(found, refresh=True)
    assert (answer.cls, answer.retry_after) == (F.THROTTLED, timedelta(seconds=17))


def test_a_kept_token_is_renewed_ahead_of_its_end(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-device", refresh_ahead=7200.0)
    authorise(endpoint, found)  # for an hour
    assert endpoint.forms[0]["client_id"] == "client"
    endpoint.answers = [tokens("access-2", user=ACCOUNT, expires_in=9000)]
    assert found.candidate().obtain(refresh=False).secret == "access-2"
    assert found.candidate().obtain(refresh=False).secret == "access-2"
    assert [form.get("grant_type") for form in endpoint.forms[3:]] == ["refresh_token"]


class Closed(TokenEndpoint):
    """Lets nobody begin a sign-in."""

    def respond(self, path: str, form: dict[str, str]) -> Any:
        return refusal(65001) if path.endswith("code") else super().respond(path, form)


def test_a_sign_in_that_cant_begin(authority: Authority, tmp_path: Path) -> None:
    with Closed(authority) as closed, pytest.raises(LoginFailed) as caught:
        source(closed, authority, tmp_path, "oauth2-device").authorise(lambda _said: None)
    assert (caught.value.failure.cls, caught.value.failure.kind) == (F.CONFIGURATION, "token")


def test_a_cache_that_is_a_link_isnt_followed(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-device")
    authorise(endpoint, found)
    (tmp_path / NAME).rename(tmp_path / "elsewhere")
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CredentialUnavailable, match=r"can't be read .* or remove it and sign in again"):
        found.candidate()


# -- the account's password at the token endpoint ----------------------------------------------------------------------


def test_the_password_is_sent_once_and_then_tokens(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-password")
    endpoint.answers = [tokens("access-1", user=ACCOUNT)]
    candidate = found.candidate()
    assert (candidate.kind, candidate.password, candidate.identity) == ("password", PASSWORD, PASSWORD)
    assert candidate.obtain(refresh=False) == Token(ACCOUNT, "access-1")
    assert (endpoint.forms[0]["grant_type"], endpoint.forms[0]["password"]) == ("password", PASSWORD)
    assert endpoint.forms[0]["username"] == ACCOUNT
    again = source(endpoint, authority, tmp_path, "oauth2-password").candidate()
    assert (again.kind, again.password, again.identity) == ("token", PASSWORD, PASSWORD)
    assert again.obtain(refresh=False).secret == "access-1"
    assert len(endpoint.forms) == 1
    assert PASSWORD not in (tmp_path / NAME).read_text()


def test_a_refresh_token_that_is_over_leads_back_to_the_password(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-password")
    endpoint.answers = [tokens("access-1", user=ACCOUNT), refusal(50173), tokens("access-2", user=ACCOUNT)]
    found.candidate().obtain(refresh=False)
    answer = failed(found, refresh=True)
    assert (answer.cls, answer.kind) == (F.SIGN_IN_AGAIN, "token")
    assert found.candidate().kind == "password"
    assert found.candidate().obtain(refresh=False).secret == "access-2"
    again = source(endpoint, authority, tmp_path, "oauth2-password").candidate()
    assert (again.kind, again.password) == ("token", PASSWORD)
    assert again.obtain(refresh=False).secret == "access-2"
    assert [form["grant_type"] for form in endpoint.forms] == ["password", "refresh_token", "password"]


def test_a_sign_in_that_is_over_may_be_forgotten_by_another_process_first(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-password")
    endpoint.answers = [tokens("access-1", user=ACCOUNT), refusal(50173)]
    found.candidate().obtain(refresh=False)
    candidate = found.candidate()
    (tmp_path / NAME).unlink()
    with pytest.raises(LoginFailed):
        candidate.obtain(refresh=True)


def test_another_application_is_another_way_of_logging_in(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    def way(flow: Flow = "oauth2-device", **given: Any) -> str:
        return source(endpoint, authority, tmp_path, flow, **given).way

    ways = [
        way(),
        way("oauth2-password"),
        way(tenant="t"),
        way(client_id="c"),
        way("oauth2-client"),
    ]
    assert len({*ways, way(scopes=("s",))}) == 6
    assert way() == way(timeout=7.0)
    assert SECRET not in way("oauth2-client")


@pytest.mark.parametrize(
    ("number", "cls", "counts"),
    [
        (50126, F.REJECTED, True),
        (50053, F.LOCKED, True),
        (50055, F.EXPIRED, True),
        (50057, F.DISABLED, True),
        (50076, F.CONFIGURATION, False),
        (90024, F.UNAVAILABLE, False),
        (12345, F.REJECTED, True),  # as OAuth's error says
    ],
)
def test_a_refused_password(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, number: int, cls: F, *, counts: bool
) -> None:
    endpoint.answers = [refusal(number)]
    found = failed(source(endpoint, authority, tmp_path, "oauth2-password"))
    assert (found.cls, found.counts, found.kind) == (cls, counts, "password")
    assert len(endpoint.forms) == 1
    assert not (tmp_path / NAME).exists()


def test_a_password_without_an_answer_counts(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-password")
    for answer, cls in ((None, F.LOST_AFTER_SENDING), ((502, {}), F.AMBIGUOUS), ((200, {}), F.AMBIGUOUS)):
        endpoint.answers = [answer]
        got = failed(found)
        assert (got.cls, got.counts) == (cls, True)


@pytest.mark.parametrize("flow", ["oauth2-client", "oauth2-device"])
def test_the_password_belongs_to_one_flow(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, flow: Flow
) -> None:
    config = OAuthConfig(tenant="t", client_id="c")
    with pytest.raises(ValueError, match="no other flow"):
        OAuthSource(flow, ACCOUNT, config, state_dir=tmp_path, password=PasswordSource(ACCOUNT, file=None, value="x"))
    with pytest.raises(ValueError, match="no other flow"):
        OAuthSource("oauth2-password", ACCOUNT, config, state_dir=tmp_path)


class Elsewhere(TokenEndpoint):
    """Says that tokens are to be had at a port where nobody listens, or nobody answers."""

    port = 1

    def respond(self, path: str, form: dict[str, str]) -> Any:
        answer = super().respond(path, form)
        if answer is not None and "token_endpoint" in answer[1]:
            answer[1]["token_endpoint"] = f"https://127.0.0.1:{self.port}/tenant/token"
        return answer


def test_a_password_that_found_nobody_isnt_counted(authority: Authority, tmp_path: Path) -> None:
    with Elsewhere(authority) as elsewhere:
        found = failed(source(elsewhere, authority, tmp_path, "oauth2-password"))
    assert (found.cls, found.counts, found.kind) == (F.LOST_BEFORE_SENDING, False, "password")


def test_a_password_that_nobody_let_in_isnt_counted(authority: Authority, tmp_path: Path) -> None:
    with Elsewhere(authority) as elsewhere, socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        elsewhere.port = full.getsockname()[1]
        with socket.create_connection(full.getsockname()):
            found = failed(source(elsewhere, authority, tmp_path, "oauth2-password", timeout=0.5))
    assert (found.cls, found.counts, found.kind) == (F.LOST_BEFORE_SENDING, False, "password")


def test_what_has_left_has_left_though_a_later_request_finds_nobody(
    endpoint: TokenEndpoint, authority: Authority
) -> None:
    wire = Wire(OAuthConfig(tenant="t", client_id="c", ca_file=authority.ca_file))
    endpoint.answers = [(400, {})]
    wire.post(f"{endpoint.url}/tenant/token")
    with pytest.raises(requests.ConnectionError):
        wire.post("https://127.0.0.1:1/tenant/token")
    assert wire.posted
    wire.close()
