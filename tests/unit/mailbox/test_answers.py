"""The table from the server's words to classes: every row that is known of Exchange Online, RFC 5530, AADSTS."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mailbox.answers import (
    SessionClass,
    backoff_of,
    classify_login_failure,
    classify_session_fault,
    classify_token_failure,
    code_of,
)
from worker.mailbox.login_failures import HALTING, TRANSIENT, FailureClass, LoginFailure, Phase
from worker.mailbox.safe_text import safe_text

F = FailureClass


def said(text: str, **given: Any) -> LoginFailure:
    values: dict[str, Any] = {"kind": "password", "phase": Phase.SENT, "status": "NO"} | given
    return classify_login_failure(text=text, **values)


PASSWORD_ROWS = [
    # status, text, class, counts, retry after
    ("NO", "LOGIN failed.", F.REJECTED, True, None),
    ("NO", "AUTHENTICATE failed.", F.REJECTED, True, None),
    ("NO", "[AUTHENTICATIONFAILED] Authentication failed.", F.REJECTED, True, None),
    ("NO", "[authenticationfailed] Authentication failed.", F.REJECTED, True, None),
    ("NO", "[AUTHENTICATIONFAILED] Server Unavailable.", F.REJECTED, True, None),
    ("NO", "[AUTHENTICATIONFAILED] Request is throttled.", F.REJECTED, True, None),
    ("NO", "Basic authentication is disabled.", F.CONFIGURATION, False, None),
    ("NO", 'LOGIN failed. [Error="LogonDenied-BasicAuthBlocked"]', F.CONFIGURATION, False, None),
    ("NO", "LOGIN failed: Account is blocked. Sign in with a browser.", F.LOCKED, True, None),
    ("NO", "Your account has been locked", F.LOCKED, True, None),
    ("NO", "Account locked", F.LOCKED, True, None),
    ("NO", "LOGIN failed. Account blocked.", F.LOCKED, True, None),
    ("NO", "Account disabled", F.DISABLED, True, None),
    ("NO", "[AUTHENTICATIONFAILED] account is disabled", F.DISABLED, True, None),
    ("NO", "[CONTACTADMIN] x", F.DISABLED, True, None),
    ("NO", "[AUTHORIZATIONFAILED] x", F.DISABLED, True, None),
    ("NO", "[NOPERM] x", F.DISABLED, True, None),
    ("NO", "[EXPIRED] That password isn't valid any more", F.EXPIRED, True, None),
    ("NO", "[PRIVACYREQUIRED] no", F.CONFIGURATION, False, None),
    ("NO", "[UNAVAILABLE] Temporary authentication failure.", F.UNAVAILABLE, False, None),
    ("NO", "[LIMIT] Maximum number of connections exceeded", F.THROTTLED, False, 300.0),
    ("NO", "Server Unavailable. 15", F.UNAVAILABLE, False, None),
    ("BYE", "Server Unavailable. 15", F.LOST_AFTER_SENDING, True, None),
    ("BYE", "[UNAVAILABLE] Try again", F.LOST_AFTER_SENDING, True, None),
    ("BYE", "Request is throttled. Suggested Backoff Time: 4500 milliseconds", F.LOST_AFTER_SENDING, True, 4.5),
    ("BYE", "[LIMIT] Too many connections", F.LOST_AFTER_SENDING, True, None),
    ("BYE", "[AUTHENTICATIONFAILED] no", F.REJECTED, True, None),
    ("BYE", "Account is blocked", F.LOCKED, True, None),
    ("BYE", "Basic authentication is disabled.", F.CONFIGURATION, True, None),
    (None, "unexpected response: b'Request is throttled.'", F.LOST_AFTER_SENDING, True, None),
    (None, "unexpected response: b'Server Unavailable. 15'", F.UNAVAILABLE, False, None),
    ("NO", "Request is throttled. Suggested Backoff Time: 4500 milliseconds", F.THROTTLED, False, 4.5),
    ("BAD", "Request is throttled. Suggested Backoff Time: 300000 milliseconds", F.THROTTLED, False, 300.0),
    ("NO", "Suggested Backoff Time: 99999999999 milliseconds", F.THROTTLED, False, 86400.0),
    ("NO", "Request is throttled.", F.THROTTLED, False, 300.0),
    ("BAD", "User is authenticated but not connected.", F.AMBIGUOUS, True, None),
    ("BAD", "Command Argument Error. 11", F.PROTOCOL, False, None),
    ("BAD", "Command Argument Error. 12", F.PROTOCOL, False, None),
    ("BAD", "Command Error. 10", F.PROTOCOL, False, None),
    ("BAD", "Command received in Invalid state.", F.PROTOCOL, False, None),
    ("BYE", "Connection is closed. 13", F.LOST_AFTER_SENDING, True, None),
    ("BYE", "Connection closed. 14", F.LOST_AFTER_SENDING, True, None),
    ("BYE", "LOGIN failed.", F.LOST_AFTER_SENDING, True, None),
    ("BYE", "Session invalidated - AccessTokenExpired", F.LOST_AFTER_SENDING, True, None),
    (None, "socket error: EOF", F.LOST_AFTER_SENDING, True, None),
    (None, "", F.LOST_AFTER_SENDING, True, None),
    ("NO", "", F.AMBIGUOUS, True, None),
    ("NO", "no such luck", F.AMBIGUOUS, True, None),
    ("BAD", "Something else", F.AMBIGUOUS, True, None),
    ("NO", "[INUSE] x", F.AMBIGUOUS, True, None),
    ("NO", "[SERVERBUG] x", F.AMBIGUOUS, True, None),
    ("NO", "[CLIENTBUG] x", F.AMBIGUOUS, True, None),
    ("NO", "[CANNOT] x", F.AMBIGUOUS, True, None),
    ("NO", "[CORRUPTION] x", F.AMBIGUOUS, True, None),
    ("NO", "[OVERQUOTA] x", F.AMBIGUOUS, True, None),
    ("NO", "[ALREADYEXISTS] x", F.AMBIGUOUS, True, None),
    ("NO", "[NONEXISTENT] x", F.AMBIGUOUS, True, None),
    ("NO", "[EXPUNGEISSUED] x", F.AMBIGUOUS, True, None),
    ("NO", "[ALERT] x", F.AMBIGUOUS, True, None),
    ("NO", "[ALERT] LOGIN failed.", F.REJECTED, True, None),
]


@pytest.mark.parametrize(("status", "text", "cls", "counts", "after"), PASSWORD_ROWS)
def test_answers_to_a_password(status: Any, text: str, cls: F, *, counts: bool, after: float | None) -> None:
    found = said(text, status=status)
    assert (found.cls, found.counts, found.kind) == (cls, counts, "password")
    assert found.retry_after == (None if after is None else timedelta(seconds=after))
    assert found.halts == (cls in HALTING)
    assert found.transient == (cls in TRANSIENT)
    # after an OK to the login the first command can end the same ways, and counts the same
    assert said(text, status=status, phase=Phase.FIRST_COMMAND) == found


@pytest.mark.parametrize(("status", "text", "cls", "counts", "after"), PASSWORD_ROWS)
def test_nothing_counts_or_halts_before_the_credential_was_sent(
    status: Any, text: str, cls: F, *, counts: bool, after: float | None
) -> None:
    found = said(text, status=status, phase=Phase.CONNECT)
    assert not found.counts
    assert found.transient
    assert found.cls in {F.THROTTLED, F.UNAVAILABLE, F.LOST_BEFORE_SENDING}


TOKEN_ROWS = [
    ("NO", "AUTHENTICATE failed.", F.TOKEN_REJECTED, True),
    ("NO", "[AUTHENTICATIONFAILED] x", F.TOKEN_REJECTED, True),
    ("NO", "Account is blocked", F.LOCKED, False),
    ("NO", "[CONTACTADMIN] x", F.DISABLED, False),
    ("NO", "[EXPIRED] x", F.EXPIRED, False),
    ("BYE", "Session invalidated - AccessTokenExpired", F.TOKEN_EXPIRED, False),
    ("NO", "Server Unavailable. 15", F.UNAVAILABLE, False),
    ("NO", "Request is throttled.", F.THROTTLED, False),
    ("BAD", "User is authenticated but not connected.", F.AMBIGUOUS, True),
    ("BAD", "Command Error. 10", F.PROTOCOL, False),
    (None, "socket error: EOF", F.LOST_AFTER_SENDING, False),
    ("BYE", "x", F.LOST_AFTER_SENDING, False),
    ("BYE", "[UNAVAILABLE] x", F.UNAVAILABLE, False),
    ("BYE", "Basic authentication is disabled.", F.CONFIGURATION, False),
    ("NO", "something", F.AMBIGUOUS, True),
]


@pytest.mark.parametrize(("status", "text", "cls", "counts"), TOKEN_ROWS)
def test_answers_to_a_token(status: Any, text: str, cls: F, *, counts: bool) -> None:
    found = said(text, status=status, kind="token")
    assert (found.cls, found.counts, found.kind) == (cls, counts, "token")


def test_a_code_may_come_beside_the_text() -> None:
    assert said("anything", code="EXPIRED").cls is F.EXPIRED


@pytest.mark.parametrize(
    ("text", "code"),
    [("[ALERT] x", "ALERT"), ("  [x-y2] x", "X-Y2"), ("x [ALERT]", None), ("", None), ("[ ALERT]", None)],
)
def test_the_code_is_at_the_beginning(text: str, code: str | None) -> None:
    assert code_of(text) == code


def test_a_backoff_without_a_number_is_none() -> None:
    assert backoff_of("Suggested Backoff Time: soon") is None


SESSION_ROWS = [
    ("NO", "Request is throttled. Suggested Backoff Time: 1000 milliseconds", SessionClass.THROTTLED, 1.0),
    ("BAD", "Request is throttled.", SessionClass.THROTTLED, 300.0),
    ("NO", "[LIMIT] too much", SessionClass.THROTTLED, 300.0),
    ("NO", "Server Unavailable. 15", SessionClass.UNAVAILABLE, None),
    (None, "unexpected response: b'Server Unavailable. 15'", SessionClass.UNAVAILABLE, None),
    ("NO", "[UNAVAILABLE] x", SessionClass.UNAVAILABLE, None),
    ("BYE", "Session invalidated - AccessTokenExpired", SessionClass.TOKEN_EXPIRED, None),
    ("BYE", "Connection is closed. 13", SessionClass.CLOSED, None),
    ("BYE", "Connection closed. 14", SessionClass.CLOSED, None),
    (None, "socket error: EOF", SessionClass.CLOSED, None),
    ("BAD", "User is authenticated but not connected.", SessionClass.NOT_CONNECTED, None),
    ("BAD", "Command Argument Error. 11", SessionClass.PROTOCOL, None),
    ("NO", "Command Error. 10", SessionClass.PROTOCOL, None),
    ("BAD", "anything", SessionClass.PROTOCOL, None),
    ("NO", "[NONEXISTENT] no such folder", SessionClass.REFUSED, None),
    ("NO", "[AUTHORIZATIONFAILED] no", SessionClass.REFUSED, None),
    ("NO", "anything", SessionClass.REFUSED, None),
]


@pytest.mark.parametrize(("status", "text", "cls", "after"), SESSION_ROWS)
def test_answers_on_a_session(status: Any, text: str, cls: SessionClass, after: float | None) -> None:
    found = classify_session_fault(status=status, text=text)
    assert found.cls is cls
    assert found.retry_after == (None if after is None else timedelta(seconds=after))


AADSTS_ROWS = [
    (50126, F.REJECTED, True),
    (50053, F.LOCKED, True),
    (50055, F.EXPIRED, True),
    (50057, F.DISABLED, True),
    *((number, F.CONFIGURATION, False) for number in (50076, 50079, 53003, 65001, 70002, 7000215, 7000222)),
    *((number, F.SIGN_IN_AGAIN, False) for number in (50173, 70000, 70008, 700082)),
    *((number, F.UNAVAILABLE, False) for number in (90006, 90024, 90033, 50033, 50087, 50196)),
    (99999, F.AMBIGUOUS, True),
]


@pytest.mark.parametrize(("number", "cls", "counts"), AADSTS_ROWS)
def test_answers_of_the_token_endpoint_to_a_password(number: int, cls: F, *, counts: bool) -> None:
    by_number = classify_token_failure(kind="password", numbers=(number,), status=400)
    by_text = classify_token_failure(kind="password", description=f"AADSTS{number}: something.", status=400)
    assert (by_number.cls, by_number.counts) == (by_text.cls, by_text.counts) == (cls, counts)
    assert by_number.said == ("HTTP 400" if cls is F.AMBIGUOUS else f"AADSTS{number}")


@pytest.mark.parametrize(
    ("numbers", "cls"),
    [
        ((50126, 50053), F.LOCKED),
        ((50053, 50126), F.LOCKED),
        ((90033, 50126), F.REJECTED),
        ((50076, 50126), F.REJECTED),
        ((50126, 50057), F.DISABLED),
        ((50126, 50055), F.EXPIRED),
        ((12345, 90033), F.UNAVAILABLE),
    ],
)
def test_of_several_numbers_the_gravest_is_meant(numbers: tuple[int, ...], cls: F) -> None:
    found = classify_token_failure(kind="password", numbers=numbers[:1], description=f"AADSTS{numbers[1]}", status=400)
    assert found.cls is cls
    assert found.said in {f"AADSTS{number}" for number in numbers}
    assert classify_token_failure(kind="password", numbers=(int(found.said[6:]),), status=400).cls is cls


@pytest.mark.parametrize(("number", "cls", "counts"), AADSTS_ROWS)
def test_a_token_request_without_the_password_never_spends_the_budget(number: int, cls: F, *, counts: bool) -> None:
    found = classify_token_failure(kind="token", numbers=(number,), status=400)
    assert found.cls is (F.TOKEN_REJECTED if cls is F.REJECTED else cls)
    assert found.counts == (found.cls in {F.TOKEN_REJECTED, F.AMBIGUOUS})


@pytest.mark.parametrize(
    ("status", "sent", "password", "token"),
    [
        (None, True, (F.LOST_AFTER_SENDING, True), (F.LOST_AFTER_SENDING, False)),
        (None, False, (F.LOST_BEFORE_SENDING, False), (F.LOST_BEFORE_SENDING, False)),
        (429, True, (F.THROTTLED, False), (F.THROTTLED, False)),
        (500, True, (F.AMBIGUOUS, True), (F.UNAVAILABLE, False)),
        (502, True, (F.AMBIGUOUS, True), (F.UNAVAILABLE, False)),
        (503, True, (F.UNAVAILABLE, False), (F.UNAVAILABLE, False)),
        (400, True, (F.AMBIGUOUS, True), (F.AMBIGUOUS, True)),
        (200, True, (F.AMBIGUOUS, True), (F.AMBIGUOUS, True)),
    ],
)
def test_what_the_token_endpoint_doesnt_name(status: int | None, *, sent: bool, password: Any, token: Any) -> None:
    one = classify_token_failure(kind="password", status=status, sent=sent)
    other = classify_token_failure(kind="token", status=status, sent=sent)
    assert (one.cls, one.counts) == password
    assert (other.cls, other.counts) == token


def test_the_token_endpoints_pause_is_kept_to() -> None:
    assert classify_token_failure(kind="token", status=429).retry_after == timedelta(minutes=5)
    told = classify_token_failure(kind="token", status=429, retry_after=timedelta(seconds=7))
    assert told.retry_after == timedelta(seconds=7)
    assert classify_token_failure(kind="token", status=429, retry_after=timedelta(days=9)).retry_after == timedelta(
        days=1
    )


@given(st.text())
def test_safe_text_is_words_of_ours(text: str) -> None:
    found = safe_text(text)
    assert len(found.split()) <= 24
    assert found.isprintable()
    assert found == found.lower() or "[" in found


@pytest.mark.parametrize(
    "secret",
    [
        "Bright-Harbour-92",
        "Password.",
        "QnJpZ2h0LUhhcmJvdXItOTI=",
        "pathology.results@nhs.net",
        "eyJ0eXAiOiJKV1QifQ.e30.x",
    ],
)
@given(
    before=st.sampled_from(["LOGIN failed: ", "b'", '"', "user=", ""]), after=st.sampled_from(["", "'", '"', " x", "."])
)
def test_safe_text_never_quotes_a_credential(secret: str, before: str, after: str) -> None:
    assert secret not in safe_text(f"{before}{secret}{after}")


def test_safe_text_says_what_is_known() -> None:
    assert safe_text("[AUTHENTICATIONFAILED] LOGIN failed. 13 secret") == "[AUTHENTICATIONFAILED] login failed 13 …"
    assert safe_text("[NOTKNOWN] foo bar LOGIN") == "… login"
    assert safe_text("b'LOGIN failed.'") == "login failed"
