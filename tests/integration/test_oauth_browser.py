"""Signing in with a browser: authorization code and PKCE against an endpoint on loopback that checks both."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.rig.browser import Browser
from tests.rig.ports import free_port
from tests.rig.tls import Authority
from tests.rig.token_endpoint import TokenEndpoint, refusal, tokens
from worker.login.credential import CredentialUnavailable, Token
from worker.login.loopback import LoopbackListener
from worker.login.oauth import OAuthSource
from worker.login.pasted import TRIES, PastedRedirect
from worker.login.registration import OAuthConfig
from worker.login.sign_in_advice import UNFINISHED
from worker.login.token_cache import NAME, TokenCache
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass

ACCOUNT = "pathology.results@nhs.net"
PERSON = "jo.bloggs@nhs.net"
SECRET = "application-secret-7Q~"
F = FailureClass


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(authority) as found:
        yield found


def source(
    endpoint: TokenEndpoint, authority: Authority, state: Path, *, sign_in: str | None = None, **given: Any
) -> OAuthSource:
    values: dict[str, Any] = {"tenant": "tenant", "client_id": "client", "authority": endpoint.url, "timeout": 5.0}
    config = OAuthConfig(**(values | {"ca_file": authority.ca_file} | given))
    return OAuthSource("oauth2-browser", ACCOUNT, config, state_dir=state, sign_in=sign_in)


def sign_in(found: OAuthSource, authority: Authority, **given: Any) -> Browser:
    """Sign in by the listener. Returns the browser, which shows the last page."""
    browser = Browser(authority.ca_file, **given)
    with LoopbackListener(browser, patience=20.0) as listener:
        try:
            found.authorise_by_browser(listener)
        except (LoginFailed, CredentialUnavailable) as error:
            listener.conclude(f"Failed: {error}")
            raise
        listener.conclude("It's done & kept")
    browser.close()
    return browser


def test_sign_in_by_the_listener_as_a_public_client(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    found = source(endpoint, authority, tmp_path)
    with pytest.raises(CredentialUnavailable, match="Nobody has signed in for pathology"):
        found.candidate()
    endpoint.answers = [tokens("access-1", user=ACCOUNT)]
    browser = sign_in(found, authority)
    assert (browser.status, "It&#x27;s done &amp; kept" in browser.page) == (200, True)
    (asked,) = endpoint.authorizations
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert (asked["login_hint"], asked["client_id"]) == (ACCOUNT, "client")
    assert set(asked["scope"].split()) == {
        "https://outlook.office.com/IMAP.AccessAsUser.All",
        "openid",
        "profile",
        "offline_access",
    }
    (form,) = endpoint.forms
    assert (form["grant_type"], form["code"]) == ("authorization_code", "code-1")
    assert "client_secret" not in form
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    again = source(endpoint, authority, tmp_path)  # a restart
    candidate = again.candidate()
    assert (candidate.kind, candidate.password) == ("token", None)
    assert candidate.obtain(refresh=False) == Token(ACCOUNT, "access-1")
    endpoint.answers = [tokens("access-2", refresh="refresh-2", user=ACCOUNT)]
    assert again.candidate().obtain(refresh=True) == Token(ACCOUNT, "access-2")
    assert (endpoint.forms[-1]["refresh_token"], again.candidate().identity) == ("refresh-1", candidate.identity)


def test_a_confidential_client_proves_itself_at_sign_in_and_at_each_refresh(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_text(SECRET)
    found = source(endpoint, authority, tmp_path, client_secret_file=path)
    endpoint.answers = [tokens("access-1", user=ACCOUNT), tokens("access-2", user=ACCOUNT)]
    sign_in(found, authority)
    before = found.candidate()
    assert before.obtain(refresh=True).secret == "access-2"
    assert [form["client_secret"] for form in endpoint.forms] == [SECRET, SECRET]
    assert SECRET not in (tmp_path / NAME).read_text()
    path.write_text("another")
    assert found.candidate().identity != before.identity, "a new secret is tried at once"
    assert SECRET not in repr(before)


def test_a_certificate_proves_the_application_as_well(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    pem = tmp_path / "application.pem"
    pem.touch(0o600)
    made = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=worker -keyout - -out -"
    pem.write_bytes(subprocess.run(made.split(), check=True, capture_output=True).stdout)
    found = source(endpoint, authority, tmp_path, certificate_file=pem)
    endpoint.answers = [tokens("access-1", user=ACCOUNT), tokens("access-2", user=ACCOUNT)]
    sign_in(found, authority)
    assert found.candidate().obtain(refresh=True).secret == "access-2"
    assert [form["client_assertion_type"].rpartition(":")[2] for form in endpoint.forms] == ["jwt-bearer"] * 2


def test_a_sign_in_that_is_made_during_a_renewal_is_not_overwritten(authority: Authority, tmp_path: Path) -> None:
    class Meanwhile(TokenEndpoint):
        """While it answers a renewal, a person signs in anew."""

        def respond(self, path: str, form: dict[str, str]) -> Any:
            if form.get("grant_type") == "refresh_token":
                cache.save(next_one, user=ACCOUNT)
            return super().respond(path, form)

    cache = TokenCache(tmp_path)
    with Meanwhile(authority) as endpoint:
        found = source(endpoint, authority, tmp_path)
        endpoint.answers = [tokens(f"access-{number}", user=ACCOUNT) for number in (1, 2)]
        sign_in(found, authority)
        sign_in(found, authority)
        second = cache.load()
        assert second is not None
        next_one = second.tokens
        endpoint.answers = [tokens("access-3", user=ACCOUNT)]
        assert found.candidate().obtain(refresh=True).secret == "access-3", "of use until it runs out"
        kept = cache.load()
        assert kept is not None
        assert (kept.name != second.name, kept.tokens) == (True, next_one)


def test_sign_in_by_a_pasted_address(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    found = source(endpoint, authority, tmp_path)
    endpoint.answers = [tokens("access-1", user=ACCOUNT)]
    browser = Browser(authority.ca_file, pasted=["", "http://localhost/?code=stolen&state=guessed", None])
    found.authorise_by_browser(PastedRedirect(browser))
    assert endpoint.authorizations[0]["redirect_uri"] == endpoint.forms[0]["redirect_uri"] == "http://localhost"
    assert len(browser.said) == 3
    assert all(text.startswith("That isn't the answer to this sign-in, because ") for text in browser.said[1:])
    assert "from another or an earlier one" in browser.said[2]
    assert "stolen" not in "".join(browser.said)
    assert [form["code"] for form in endpoint.forms] == ["code-1"]
    assert found.candidate().obtain(refresh=False) == Token(ACCOUNT, "access-1")


def test_a_pasted_address_may_have_a_port(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    endpoint.answers = [tokens("access-1", user=ACCOUNT)]
    source(endpoint, authority, tmp_path).authorise_by_browser(
        PastedRedirect(Browser(authority.ca_file, pasted=[None]), port=8400)
    )
    assert endpoint.forms[0]["redirect_uri"] == "http://localhost:8400"


@pytest.mark.parametrize("answers", [[], ["x"] * TRIES])
def test_a_person_who_pastes_nothing_fit_has_not_signed_in(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, answers: list[str]
) -> None:
    browser = Browser(authority.ca_file, pasted=[*answers])
    with pytest.raises(LoginFailed) as caught:
        source(endpoint, authority, tmp_path).authorise_by_browser(PastedRedirect(browser, port=1))
    assert caught.value.failure.said == UNFINISHED
    assert (endpoint.forms, (tmp_path / NAME).exists()) == ([], False)


def test_a_browser_that_never_comes_back(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    browser = Browser(authority.ca_file, pasted=[])
    with LoopbackListener(browser, patience=0.1) as listener, pytest.raises(LoginFailed) as caught:
        source(endpoint, authority, tmp_path).authorise_by_browser(listener)
    assert (caught.value.failure.said, endpoint.forms) == (UNFINISHED, [])


# -- what the service refuses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("back", "cls", "said"),
    [
        (
            {"error": "access_denied", "error_description": "AADSTS65004: x"},
            F.SIGN_IN_AGAIN,
            "access_denied AADSTS65004",
        ),
        ({"error": "access_denied"}, F.SIGN_IN_AGAIN, "access_denied"),
        (
            {"error": "consent_required", "error_description": "AADSTS65001: x"},
            F.CONFIGURATION,
            "consent_required AADSTS65001",
        ),
        (
            {"error": "invalid_client", "error_description": "AADSTS650053: x"},
            F.CONFIGURATION,
            "invalid_client AADSTS650053",
        ),
        ({"error": "unauthorized_client"}, F.CONFIGURATION, "unauthorized_client"),
        ({"error": "Jo Bloggs, born 1970"}, F.AMBIGUOUS, ""),
        ({"error": "server_error", "error_description": "AADSTS90033: x"}, F.UNAVAILABLE, "server_error AADSTS90033"),
        ({"error": "temporarily_unavailable"}, F.UNAVAILABLE, "temporarily_unavailable"),
        ({"error": "x", "error_description": "AADSTS50053: Locked."}, F.LOCKED, "AADSTS50053"),
    ],
)
def test_what_is_refused_in_the_browser(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, back: dict[str, str], cls: F, said: str
) -> None:
    endpoint.sends_back = back
    with pytest.raises(LoginFailed) as caught:
        sign_in(source(endpoint, authority, tmp_path), authority)
    found = caught.value.failure
    assert (found.cls, found.said, found.kind) == (cls, said, "token")
    assert (endpoint.forms, (tmp_path / NAME).exists()) == ([], False)


@pytest.mark.parametrize(("number", "cls"), [(7000218, F.CONFIGURATION), (70008, F.SIGN_IN_AGAIN), (50053, F.LOCKED)])
def test_what_the_token_endpoint_refuses(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, number: int, cls: F
) -> None:
    endpoint.answers = [refusal(number)]
    with pytest.raises(LoginFailed) as caught:
        sign_in(source(endpoint, authority, tmp_path), authority)
    assert caught.value.failure.cls is cls
    assert not (tmp_path / NAME).exists()


class Replaying(TokenEndpoint):
    """Sends a code that another browser was given."""

    def authorize(self, query: dict[str, str]) -> str:
        super().authorize({**query, "code_challenge": "another's"})
        self.sends_back = {"code": "code-1"}
        return super().authorize(query)


def test_a_code_of_another_sign_in_is_worth_nothing(authority: Authority, tmp_path: Path) -> None:
    with Replaying(authority) as replaying:
        replaying.answers = [tokens("access-1", user=ACCOUNT)]
        with pytest.raises(LoginFailed):
            sign_in(source(replaying, authority, tmp_path), authority)
        assert [form["code"] for form in replaying.forms] == ["code-1"]
    assert not (tmp_path / NAME).exists()


class Mixing(TokenEndpoint):
    """Gives tokens that were made for another sign-in."""

    def authorize(self, query: dict[str, str]) -> str:
        return super().authorize({**query, "nonce": "another's"})


def test_tokens_of_another_sign_in_are_not_kept(authority: Authority, tmp_path: Path) -> None:
    with Mixing(authority) as mixing:
        mixing.answers = [tokens("access-1", user=ACCOUNT)]
        with pytest.raises(LoginFailed):
            sign_in(source(mixing, authority, tmp_path), authority)
    assert not (tmp_path / NAME).exists()


def test_a_sign_in_that_could_not_be_renewed_is_not_kept(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    answer: Any = tokens("access-1", user=ACCOUNT)
    del answer[1]["refresh_token"]
    endpoint.answers = [answer, answer]
    config = OAuthConfig("tenant", "client", endpoint.url, ca_file=authority.ca_file)
    device = OAuthSource("oauth2-device", ACCOUNT, config, state_dir=tmp_path)
    with pytest.raises(CredentialUnavailable, match=r"no refresh token.*`offline_access`"):
        sign_in(source(endpoint, authority, tmp_path), authority)
    with pytest.raises(CredentialUnavailable, match=r"no refresh token.*`offline_access`"):
        device.authorise(lambda _said: None)
    assert not (tmp_path / NAME).exists()


# -- who signs in ------------------------------------------------------------------------------------------------------


def test_another_user_signs_in_for_a_shared_mailbox(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    found = source(endpoint, authority, tmp_path, sign_in=PERSON)
    with pytest.raises(CredentialUnavailable, match=f"authorise`, and have {PERSON} sign in"):
        found.candidate()
    endpoint.answers = [tokens("access-1", user=PERSON.title())]
    sign_in(found, authority)
    assert endpoint.authorizations[0]["login_hint"] == PERSON
    credential = found.candidate().obtain(refresh=False)
    assert credential == Token(ACCOUNT, "access-1"), "the mailbox, not the person, is XOAUTH2's user"
    endpoint.answers = [tokens("access-2", user=PERSON)]
    assert found.candidate().obtain(refresh=True) == Token(ACCOUNT, "access-2")
    assert found.candidate().obtain(refresh=False) == Token(ACCOUNT, "access-2"), "kept under the same user"


@pytest.mark.parametrize(("who", "signs_in"), [(None, PERSON), (PERSON, ACCOUNT), (PERSON, ""), (PERSON, "x@nhs.net")])
def test_nobody_else_may_sign_in(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, who: str | None, signs_in: str
) -> None:
    endpoint.answers = [tokens("access-1", user=signs_in)]
    with pytest.raises(CredentialUnavailable, match=f"isn't {who or ACCOUNT}"):
        sign_in(source(endpoint, authority, tmp_path, sign_in=who), authority)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(("first", "then"), [(None, PERSON), (PERSON, None), (PERSON, "x@nhs.net")])
def test_a_kept_sign_in_of_another_user_is_not_used(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, first: str | None, then: str | None
) -> None:
    endpoint.answers = [tokens("access-1", user=first or ACCOUNT)]
    sign_in(source(endpoint, authority, tmp_path, sign_in=first), authority)
    with pytest.raises(CredentialUnavailable, match=r"The stored sign-in belongs to another user\. No login was"):
        source(endpoint, authority, tmp_path, sign_in=then).candidate()
    assert source(endpoint, authority, tmp_path, sign_in=first).candidate().identity
    assert len(endpoint.forms) == 1


# -- the listener ------------------------------------------------------------------------------------------------------


def test_only_the_answer_itself_ends_the_sign_in(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> None:
    """Whoever else speaks to the listener, before the answer and while it is dealt with, changes nothing."""
    seen: list[int] = []

    def hostile(address: str) -> None:
        port, query = urlsplit(address).port, urlsplit(address).query
        here = f"http://localhost:{port}"
        code = parse_qs(query)["code"][0]
        idle = [socket.create_connection(("127.0.0.1", port or 0)) for _ in range(5)]  # as a browser does, and waits
        for method, path, headers in [
            ("GET", "/favicon.ico", {}),
            ("GET", f"/?code=x&{query.partition('&')[2]}x", {}),
            ("GET", f"/?code={code}", {}),
            ("GET", f"/?{query}&code=x", {}),
            ("GET", f"/other?{query}", {}),
            ("POST", f"/?{query}", {}),
            ("HEAD", f"/?{query}", {}),
            ("OPTIONS", f"/?{query}", {}),
            ("GET", f"/?{query}", {"Host": "evil.example"}),
            ("GET", f"/?{query}", {"Host": f"127.0.0.1:{port}"}),
            ("GET", f"/?{query}", {"Host": "localhost"}),
        ]:
            answer = requests.request(method, f"{here}{path}", headers=headers, timeout=5)
            seen.append(answer.status_code)
            assert code not in answer.text
        for one in idle:
            one.close()

    endpoint.answers = [tokens("access-1", user=ACCOUNT)]
    browser = sign_in(source(endpoint, authority, tmp_path), authority, before=hostile)
    assert browser.status == 200
    assert set(seen) == {404, 501}
    assert [form["code"] for form in endpoint.forms] == ["code-1"]


def test_the_listener_is_on_loopback_alone_and_is_gone_after_the_answer(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    browser = Browser(authority.ca_file)
    with LoopbackListener(browser, patience=20.0) as listener:
        port = int(listener.redirect_uri.rpartition(":")[2])
        hexadecimal = f"{port:04X}"
        rows = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        listening = [row.split()[1] for row in rows.splitlines() if row.split()[3] == "0A"]
        own = {place.partition(":")[0] for place in listening if place.endswith(f":{hexadecimal}")}
        assert own <= {"0100007F", "00000000000000000000000001000000"}
        assert "0100007F" in own
        endpoint.answers = [tokens("access-1", user=ACCOUNT)]
        source(endpoint, authority, tmp_path).authorise_by_browser(listener)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        listener.conclude("done")
    browser.close()
    assert "done" in browser.page


def test_a_port_of_ones_own_choice(authority: Authority) -> None:
    port = free_port()
    with (
        LoopbackListener(Browser(authority.ca_file), port=port),
        pytest.raises(CredentialUnavailable, match=rf"port {port} .* Choose another port with --port, or use --paste"),
    ):
        LoopbackListener(Browser(authority.ca_file), port=port)
    with LoopbackListener(Browser(authority.ca_file), port=port) as second:
        assert second.redirect_uri == f"http://localhost:{port}"


def test_a_port_that_somebody_else_has_on_the_other_loopback_address(authority: Authority) -> None:
    """The browser may go to either, and would take the code there."""
    port = free_port()
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", port))
        other.listen()
        with pytest.raises(CredentialUnavailable, match="in use"):
            LoopbackListener(Browser(authority.ca_file), port=port)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))
