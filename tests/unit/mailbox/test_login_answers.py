"""What an answer to a login means: every row that is known of Exchange Online and RFC 5530."""

from datetime import timedelta
from typing import Any

import pytest

from worker.mailbox.login_answers import classify_login_failure
from worker.mailbox.login_failures import HALTING, TRANSIENT, FailureClass, LoginFailure, Phase

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


def test_a_code_means_the_same_whatever_text_follows() -> None:
    assert said("[EXPIRED] anything").cls is F.EXPIRED
