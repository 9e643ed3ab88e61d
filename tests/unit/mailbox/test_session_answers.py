"""What an answer on a logged-in connection means."""

from datetime import timedelta
from typing import Any

import pytest

from worker.mailbox.session_answers import SessionClass, classify_session_fault

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
    ("BAD", "Internal server error.", SessionClass.UNAVAILABLE, None),
    ("BAD", "[SERVERBUG] Internal error occurred. Refer to server log.", SessionClass.UNAVAILABLE, None),
    ("BAD", "[INUSE] Command Argument Error. 11", SessionClass.PROTOCOL, None),
    ("BAD", "[CLIENTBUG] Try again.", SessionClass.PROTOCOL, None),
    ("NO", "[NONEXISTENT] no such folder", SessionClass.REFUSED, None),
    ("NO", "[AUTHORIZATIONFAILED] no", SessionClass.REFUSED, None),
    ("NO", "anything", SessionClass.REFUSED, None),
]


@pytest.mark.parametrize(("status", "text", "cls", "after"), SESSION_ROWS)
def test_answers_on_a_session(status: Any, text: str, cls: SessionClass, after: float | None) -> None:
    found = classify_session_fault(status=status, text=text)
    assert found.cls is cls
    assert found.retry_after == (None if after is None else timedelta(seconds=after))
