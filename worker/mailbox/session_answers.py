"""Classifies answers to commands other than a login."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from worker.mailbox.folder_refusals import Refusal, refusal_of
from worker.mailbox.login_failures import FailureClass
from worker.mailbox.response_text import (
    THROTTLED_WAIT,
    Status,
    backoff_of,
    code_of,
    is_not_connected,
    is_our_fault,
    named_cause,
    passing_cause,
    passing_code,
)
from worker.mailbox.safe_text import safe_text


class SessionClass(StrEnum):
    """What is wrong with a session."""

    THROTTLED = "throttled"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 -- the name of a class of answers
    UNAVAILABLE = "unavailable"
    CLOSED = "closed"
    """The server closed the connection, or it was lost. Reconnect."""
    NOT_CONNECTED = "not_connected"
    """`User is authenticated but not connected`: the server accepted the login but doesn't open the mailbox."""
    PROTOCOL = "protocol"
    """Our fault, or the server lacks an extension. Never retry this in a loop."""
    EXPUNGED = "expunged"
    """Somebody else has just expunged some of the messages (RFC 5530, EXPUNGEISSUED)."""
    REFUSED = "refused"
    """The server refused this command. The connection is still usable."""


@dataclass(frozen=True, slots=True)
class SessionFault:
    """A fault outside a login. `said` is reduced by `safe_text`. refusal: of a command on a folder that was refused."""

    cls: SessionClass
    retry_after: timedelta | None = None
    said: str = ""
    refusal: Refusal = Refusal.LASTING


def classify_session_fault(*, status: Status | None, text: str) -> SessionFault:
    """Classify an answer that isn't OK, or the loss of the connection if `status` is None."""
    cls = _session_class(status, text)
    wait = backoff_of(text)
    if wait is None and cls is SessionClass.THROTTLED:
        wait = THROTTLED_WAIT
    return SessionFault(cls, wait, safe_text(text), refusal_of(text))


def _session_class(status: Status | None, text: str) -> SessionClass:
    code = code_of(text)
    if status == "NO" and code == "EXPUNGEISSUED":
        return SessionClass.EXPUNGED
    if named_cause(text) is FailureClass.TOKEN_EXPIRED:
        return SessionClass.TOKEN_EXPIRED
    cause = passing_cause(text) or passing_code(code)
    if cause is FailureClass.THROTTLED:
        return SessionClass.THROTTLED
    if cause is FailureClass.UNAVAILABLE:
        return SessionClass.UNAVAILABLE
    if status is None or status == "BYE":
        return SessionClass.CLOSED
    if is_not_connected(text):
        return SessionClass.NOT_CONNECTED
    if is_our_fault(text):
        return SessionClass.PROTOCOL
    if status == "BAD":
        # a protocol error by definition, or else "an internal server failure" (RFC 3501, 7.1.3), if the server says so
        return SessionClass.UNAVAILABLE if refusal_of(text) is Refusal.PASSING else SessionClass.PROTOCOL
    return SessionClass.REFUSED
