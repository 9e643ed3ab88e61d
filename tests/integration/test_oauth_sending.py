"""Tokens to send alerts with, in each flow: by the sign-in that is there, and never at the cost of reading mail."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.rig.tls import Authority
from tests.rig.token_endpoint import TokenEndpoint, refusal, tokens
from worker.login.credential import CredentialUnavailable, PasswordSource, Token
from worker.login.oauth import APPLICATION_SCOPES, DELEGATED_SCOPES, SENDING_SCOPES, OAuthSource
from worker.login.registration import OAuthConfig
from worker.login.token_cache import NAME, TokenCache
from worker.mailbox.errors import LoginFailed

ACCOUNT = "pathology.results@nhs.net"
PASSWORD = "Bright-Harbour-92"
SECRET = "application-secret-7Q~"
Flow = Literal["oauth2-browser", "oauth2-client", "oauth2-device", "oauth2-password"]


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(authority) as found:
        yield found


def source(endpoint: TokenEndpoint, authority: Authority, state: Path, flow: Flow, **given: Any) -> OAuthSource:
    values: dict[str, Any] = {"tenant": "tenant", "client_id": "client", "authority": endpoint.url, "timeout": 5.0}
    if flow == "oauth2-client":
        values["client_secret"] = SECRET
    config = OAuthConfig(**(values | {"ca_file": authority.ca_file} | given))
    password = PasswordSource(ACCOUNT, file=None, value=PASSWORD) if flow == "oauth2-password" else None
    also = SENDING_SCOPES if flow in ("oauth2-browser", "oauth2-device") else ()
    return OAuthSource(flow, ACCOUNT, config, state_dir=state, password=password, also=also)


@pytest.mark.parametrize("scopes", [(), ("https://mail.example/.default",)])
def test_an_application_gets_its_own_token_by_its_own_scope(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, scopes: tuple[str, ...]
) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-client", scopes=scopes)
    endpoint.answers = [tokens("read", refresh=None), tokens("send", refresh=None)]
    assert found.candidate().obtain(refresh=False).secret == "read"
    assert found.sending().obtain(refresh=False) == Token(ACCOUNT, "send")
    assert endpoint.forms[-1]["scope"].split()[0] == (scopes or APPLICATION_SCOPES)[0]
    assert not (tmp_path / NAME).exists()


def test_a_person_is_asked_for_both_and_reading_stays_as_it_was(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    found = source(endpoint, authority, tmp_path, "oauth2-device")
    endpoint.answers = [tokens("both", user=ACCOUNT)]
    found.authorise(lambda _text: None)
    assert {*SENDING_SCOPES, *DELEGATED_SCOPES} <= set(endpoint.forms[0]["scope"].split())
    way, identity = found.way, found.candidate().identity
    assert SENDING_SCOPES[0] not in way, "the guard knows the way to log in as before"
    assert found.candidate().obtain(refresh=False).secret == "both"
    assert found.sending().obtain(refresh=False).secret == "both", "one token serves both while it lasts"
    endpoint.answers = [tokens("send-2", refresh="refresh-2", user=ACCOUNT), tokens("read-3", user=ACCOUNT)]
    assert found.sending().obtain(refresh=True).secret == "send-2"
    assert SENDING_SCOPES[0] in endpoint.forms[-1]["scope"].split()
    assert found.candidate().identity == identity, "the guard's count of this sign-in goes on"
    assert found.candidate().obtain(refresh=True).secret == "read-3"
    assert endpoint.forms[-1]["refresh_token"] == "refresh-2"
    assert SENDING_SCOPES[0] not in endpoint.forms[-1]["scope"].split(), "nothing about sending can refuse reading"
    kept = TokenCache(tmp_path).load()
    assert kept is not None
    assert set(SENDING_SCOPES) <= set(kept.scopes), "a renewal forgets nothing"


@pytest.mark.parametrize("flow", ["oauth2-browser", "oauth2-device"])
def test_an_older_sign_in_reads_and_does_not_send(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, flow: Flow
) -> None:
    older = OAuthSource(
        "oauth2-device",
        ACCOUNT,
        OAuthConfig(tenant="tenant", client_id="client", authority=endpoint.url, ca_file=authority.ca_file),
        state_dir=tmp_path,
    )
    endpoint.answers = [tokens("read", user=ACCOUNT)]
    older.authorise(lambda _text: None)
    found = source(endpoint, authority, tmp_path, flow)
    with pytest.raises(CredentialUnavailable, match=r"allows only reading.*login authorise"):
        found.sending()
    assert found.candidate().obtain(refresh=False).secret == "read"
    assert len(endpoint.forms) == 2, "the code, and its token: nothing was asked in vain"


def test_without_a_sign_in_there_is_nothing_to_send_with(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path
) -> None:
    flows: tuple[Flow, ...] = ("oauth2-browser", "oauth2-device", "oauth2-password")
    for flow in flows:
        with pytest.raises(CredentialUnavailable, match="Nobody has signed in"):
            source(endpoint, authority, tmp_path, flow).sending()
    assert endpoint.forms == []


@pytest.mark.parametrize(
    "said", [refusal(65001), refusal(70000), refusal(700082), refusal(50173), refusal(50053), refusal(70011)]
)
def test_what_refuses_sending_never_leads_to_the_password(
    endpoint: TokenEndpoint, authority: Authority, tmp_path: Path, said: Any
) -> None:
    """With the account's password, a sign-in that has ended is forgotten, and the next attempt sends the password."""
    found = source(endpoint, authority, tmp_path, "oauth2-password")
    endpoint.answers = [tokens("read", user=ACCOUNT)]
    assert found.candidate().kind == "password"
    found.candidate().obtain(refresh=False)
    before = (tmp_path / NAME).read_bytes()
    sending = found.sending()
    assert (sending.kind, sending.password) == ("token", None)
    endpoint.answers = [said]
    with pytest.raises(LoginFailed):
        sending.obtain(refresh=True)
    assert (tmp_path / NAME).read_bytes() == before
    assert found.candidate().kind == "token", "the next login is by the sign-in, as before"
    assert [PASSWORD in form.values() for form in endpoint.forms] == [True, False]


def test_a_sign_in_that_an_older_version_kept_can_be_read(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path)
    cache.save("tokens", user=ACCOUNT)
    path = tmp_path / NAME
    path.write_text('{"name": "n", "user": "' + ACCOUNT + '", "tokens": "tokens"}')
    kept = cache.load()
    assert kept is not None
    assert (kept.name, kept.user, kept.tokens, kept.scopes) == ("n", ACCOUNT, "tokens", ())
