"""What a token says of itself, and what most likely stands behind its refusal: in status, advice and log."""

import base64
import itertools
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.login.world import ACCOUNT, START, Tokens, World, send, standing, token_world
from worker.login.advice import Help, advise
from worker.login.backoff import Lockout
from worker.login.credential import Credential, Token
from worker.login.refusals import Cooling, Halted
from worker.login.standing import Reason, Standing, State
from worker.login.token_claims import (
    AS_APPLICATION,
    AS_USER,
    Cause,
    cause_advice,
    cause_in,
    likely_cause,
    read_claims,
    with_cause,
)
from worker.logs.fields import FIELDS, SENTENCE
from worker.mailbox.errors import LoginFailed, NotConnected
from worker.mailbox.login_failures import FailureClass, failure

F = FailureClass
PERSON: Mapping[str, Any] = {
    "aud": "https://outlook.office.com",
    "scp": f"openid {AS_USER}",
    "upn": ACCOUNT,
    "tid": "tenant-of-the-trust",
    "exp": START + 3600,
}
APPLICATION: Mapping[str, Any] = {
    "aud": "https://outlook.office365.com",
    "roles": [AS_APPLICATION],
    "tid": "tenant-of-the-trust",
    "exp": START + 3600,
}


def encoded(claims: object) -> str:
    """A token without a signature that anybody could check."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{body}.c2lnbmF0dXJl"


def cause_of(claims: Mapping[str, Any], *, logged_in: bool = False) -> Cause | None:
    return likely_cause(read_claims(encoded(claims)), mailbox=ACCOUNT, now=START, logged_in=logged_in)


CASES: list[tuple[Mapping[str, Any], Mapping[str, Any], Cause | None, Cause | None]] = [
    # what is otherwise, the cause of a refusal, and of a mailbox that doesn't open after the OK
    (PERSON, {}, Cause.IMAP_OFF, Cause.IMAP_OFF),
    (PERSON, {"upn": ACCOUNT.upper()}, Cause.IMAP_OFF, Cause.IMAP_OFF),
    (PERSON, {"upn": None}, Cause.IMAP_OFF, Cause.IMAP_OFF),
    (PERSON, {"upn": "somebody.else@nhs.net"}, Cause.FULL_ACCESS, Cause.FULL_ACCESS),
    (PERSON, {"upn": None, "unique_name": "somebody.else@nhs.net"}, Cause.FULL_ACCESS, Cause.FULL_ACCESS),
    (PERSON, {"aud": "https://graph.microsoft.com"}, Cause.AUDIENCE, Cause.AUDIENCE),
    (PERSON, {"aud": "00000002-0000-0FF1-CE00-000000000000"}, Cause.IMAP_OFF, Cause.IMAP_OFF),
    (PERSON, {"aud": "https://outlook.office365.com/"}, Cause.IMAP_OFF, Cause.IMAP_OFF),
    (PERSON, {"aud": "an-address-of-its-own", "tid": None}, Cause.IMAP_OFF, Cause.IMAP_OFF),
    (PERSON, {"scp": "Mail.Read User.Read"}, Cause.USER_PERMISSION, Cause.USER_PERMISSION),
    (PERSON, {"scp": f"https://outlook.office.com/{AS_USER}"}, Cause.IMAP_OFF, Cause.IMAP_OFF),
    (PERSON, {"scp": [AS_USER.lower()]}, Cause.IMAP_OFF, Cause.IMAP_OFF),
    (PERSON, {"scp": None}, Cause.USER_PERMISSION, Cause.USER_PERMISSION),
    (PERSON, {"scp": AS_APPLICATION}, Cause.USER_PERMISSION, Cause.USER_PERMISSION),
    (PERSON, {"exp": START}, Cause.OUT_OF_DATE, Cause.OUT_OF_DATE),
    (PERSON, {"nbf": START + 600}, Cause.OUT_OF_DATE, Cause.OUT_OF_DATE),
    (PERSON, {"nbf": START - 600}, Cause.IMAP_OFF, Cause.IMAP_OFF),
    (APPLICATION, {}, Cause.SERVICE_PRINCIPAL, Cause.FULL_ACCESS),
    (APPLICATION, {"roles": ["Mail.Read"]}, Cause.APPLICATION_PERMISSION, Cause.APPLICATION_PERMISSION),
    (APPLICATION, {"roles": None}, Cause.APPLICATION_PERMISSION, Cause.APPLICATION_PERMISSION),
    (APPLICATION, {"roles": AS_APPLICATION}, Cause.SERVICE_PRINCIPAL, Cause.FULL_ACCESS),
    (APPLICATION, {"aud": ["https://graph.microsoft.com"]}, Cause.AUDIENCE, Cause.AUDIENCE),
    (APPLICATION, {"exp": START - 1}, Cause.OUT_OF_DATE, Cause.OUT_OF_DATE),
    # a token of another service than Microsoft's may be silent on its permissions
    (PERSON, {"tid": None, "scp": None, "scope": "IMAP"}, None, None),
    (PERSON, {"tid": None, "scp": None, "exp": START - 1}, Cause.OUT_OF_DATE, Cause.OUT_OF_DATE),
]


@pytest.mark.parametrize(("usual", "otherwise", "refused", "not_opened"), CASES)
def test_the_claims_say_what_is_likely(
    usual: Mapping[str, Any], otherwise: Mapping[str, Any], refused: Cause | None, not_opened: Cause | None
) -> None:
    claims = {**usual, **otherwise}
    assert (cause_of(claims), cause_of(claims, logged_in=True)) == (refused, not_opened)


TOKEN = {Cause.AUDIENCE, Cause.OUT_OF_DATE}
PERMISSION = {Cause.USER_PERMISSION, Cause.APPLICATION_PERMISSION}


@pytest.mark.parametrize("logged_in", [False, True])
@pytest.mark.parametrize(
    ("application", "audience", "permission", "valid", "own"), list(itertools.product([True, False], repeat=5))
)
def test_a_fault_of_the_token_is_named_before_anything_that_exchange_may_lack(
    *, application: bool, audience: bool, permission: bool, valid: bool, own: bool, logged_in: bool
) -> None:
    claims = dict(APPLICATION if application else PERSON)
    if not audience:
        claims["aud"] = "https://graph.microsoft.com"
    if not permission:
        claims["roles" if application else "scp"] = "Mail.Read"
    if not valid:
        claims["exp"] = START - 1
    if not application and not own:
        claims["upn"] = "somebody.else@nhs.net"
    cause = cause_of(claims, logged_in=logged_in)
    faults = {Cause.AUDIENCE} if not audience else set()
    faults |= PERMISSION if not permission else set()
    faults |= {Cause.OUT_OF_DATE} if not valid else set()
    if faults:
        assert cause in faults
        assert cause not in PERMISSION or (cause is Cause.APPLICATION_PERMISSION) == application
    else:
        assert cause not in TOKEN | PERMISSION
        expected = (
            {Cause.FULL_ACCESS if logged_in else Cause.SERVICE_PRINCIPAL}
            if application
            else ({Cause.IMAP_OFF} if own else {Cause.FULL_ACCESS})
        )
        assert {cause} == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("aud", "scp", "roles", "upn", "preferred_username", "unique_name", "exp", "nbf", "tid")
ODD = st.dictionaries(st.sampled_from(NAMES), JSON)


@given(claims=JSON | ODD | ODD.map(lambda odd: {**PERSON, **odd}))
def test_odd_claims_are_read_as_none_or_as_something_of_the_right_form(claims: object) -> None:
    found = read_claims(encoded(claims))
    assert (found is None) == (not isinstance(claims, dict))
    likely_cause(found, mailbox=ACCOUNT, now=START)


@given(token=st.text() | st.binary().map(lambda raw: f"a.{base64.urlsafe_b64encode(raw).decode()}.c"))
@example(token="a." + base64.urlsafe_b64encode(b"[" * 60_000).decode() + ".c")
@example(token="a." + base64.urlsafe_b64encode(b'{"a":' * 9_000).decode() + ".c")
@example(token="a." + base64.urlsafe_b64encode(b'{"exp":' + b"9" * 9_000 + b"}").decode() + ".c")
@example(token="a." + "A" * 200_000 + ".c")
@example(token="a.b.c.d.e")
@example(token="")
def test_what_is_no_token_has_no_claims(token: str) -> None:
    assert read_claims(token) is None


def test_claims_arent_shown_by_accident() -> None:
    claims = read_claims(encoded(PERSON))
    assert claims is not None
    assert ACCOUNT not in f"{claims} {claims!r}"
    assert "outlook" not in repr(claims)


@given(said=st.text(), cause=st.none() | st.sampled_from(Cause))
def test_what_is_stored_of_a_refusal_gives_its_cause_back(said: str, cause: Cause | None) -> None:
    assert cause_in(with_cause(said.replace("likely", "…"), cause)) == cause


@pytest.mark.parametrize("said", ["", "authenticate failed", "; likely: ", "; likely: rain", "likely: imap-off"])
def test_an_older_row_names_no_cause(said: str) -> None:
    assert cause_in(said) is None


@pytest.mark.parametrize("cause", Cause)
def test_a_cause_fits_into_the_log(cause: Cause) -> None:
    pattern, _ = FIELDS["cause"]
    assert not isinstance(pattern, str)
    assert pattern.fullmatch(cause)
    rules, help_ = Lockout(), Help("the Local Administrators of the trust, extension 4321", "the NHSmail helpdesk")
    account = "pathology.results.north.west@general-hospital.nhs.net"
    said = with_cause("authenticate failed", cause)
    halted = Standing(State.HALTED, 0, 8, 0, reason=Reason.TOKEN, kind="token", said=said)
    text = advise(halted, rules, help_, account=account, auth="oauth2-client")
    assert SENTENCE.fullmatch(text), len(text)
    assert cause_advice(cause, help_.local_administrator) in text
    assert "login reset" in text


class Presented(Tokens):
    """Tokens that say this of themselves."""

    def __init__(self, claims: Mapping[str, Any]) -> None:
        super().__init__()
        self.claims = claims

    def obtain(self, *, refresh: bool) -> Credential:
        super().obtain(refresh=refresh)
        return Token(ACCOUNT, encoded(self.claims))


def presented(claims: Mapping[str, Any]) -> World:
    world, _ = token_world()
    world.processes[0][0].source = Presented(claims)
    return world


def refuse(world: World, times: int) -> None:
    for _ in range(times):
        with suppress(Cooling, LoginFailed):
            send(world, LoginFailed(failure(F.TOKEN_REJECTED, "token", said="authenticate failed")))
        world.now = standing(world).next_at or world.now


@pytest.mark.parametrize(("times", "state"), [(1, State.READY), (3, State.HALTED)])
@pytest.mark.parametrize(
    ("claims", "cause", "said"),
    [
        (PERSON, Cause.IMAP_OFF, "Set-CASMailbox"),
        (APPLICATION, Cause.SERVICE_PRINCIPAL, "New-ServicePrincipal"),
        ({**PERSON, "scp": "User.Read"}, Cause.USER_PERMISSION, AS_USER),
        ({**APPLICATION, "aud": "https://graph.microsoft.com"}, Cause.AUDIENCE, "`scopes`"),
    ],
)
def test_a_refused_token_is_explained_in_status_advice_and_events(
    claims: Mapping[str, Any], cause: Cause, said: str, times: int, state: State
) -> None:
    world = presented({**claims, "exp": START + 1e9})
    refuse(world, times)
    assert standing(world).state is state
    assert cause_in(standing(world).said) is cause
    assert said in world.processes[0][1].advice()
    assert [fields["cause"] for name, fields in world.events if name == "login.rejected"] == [cause] * times
    told = [fields["advice"] for name, fields in world.events if name in {"login.cooling", "login.halted"}]
    assert [one for one in told if said not in str(one)] == []
    if times == 3:
        with pytest.raises(Halted, match=said):
            send(world)


def test_a_mailbox_that_doesnt_open_is_explained_as_such() -> None:
    world = presented(APPLICATION)
    guard = world.processes[0][1]
    with suppress(NotConnected), guard.attempt() as attempt:
        attempt.credential()
        attempt.logged_in()
        raise NotConnected("not connected")
    assert cause_in(standing(world).said) is Cause.FULL_ACCESS
    assert "Add-MailboxPermission" in guard.advice()


def test_what_the_token_endpoint_refuses_isnt_explained_by_a_token() -> None:
    world, tokens = token_world()

    def fails() -> None:
        raise LoginFailed(failure(F.TOKEN_REJECTED, "token", said="AADSTS1"))

    tokens.fails = fails
    with pytest.raises(LoginFailed):
        send(world)
    assert standing(world).said == "AADSTS1"
