"""Classifies the server's answer to a login, and decides whether the attempt counts towards the account's lockout.

Whenever the answer leaves that open, the attempt counts. A BYE between the password and the tagged answer counts even
if it names throttling or an outage, because the server may have checked the password before it closed the connection.
Throttling and outages are free only if a tagged answer names them, or Exchange's bare line `Server Unavailable. 15`.
"""

import re
from dataclasses import replace
from typing import Final

from worker.mailbox.login_failures import TRANSIENT, FailureClass, Kind, LoginFailure, Phase, failure, for_kind
from worker.mailbox.response_text import (
    THROTTLED_WAIT,
    Status,
    backoff_of,
    code_of,
    coded_cause,
    is_not_connected,
    is_our_fault,
    named_cause,
    passing_cause,
    passing_code,
)
from worker.mailbox.safe_text import safe_text

_REJECTIONS: Final = re.compile(r"\b(login|authenticate) failed\b", re.IGNORECASE)


def classify_login_failure(*, kind: Kind, phase: Phase, status: Status | None, text: str) -> LoginFailure:
    """Classify the answer to a login, or the lack of one.

    status: the answer's status; None if no proper answer came, and `text` is whatever came instead.
    """
    cls = _class_of(kind, phase, status, text)
    wait = backoff_of(text)
    if wait is None and cls is FailureClass.THROTTLED:
        wait = THROTTLED_WAIT
    found = failure(cls, kind, retry_after=wait, said=safe_text(text), phase=phase)
    if kind == "password" and status == "BYE" and phase is not Phase.CONNECT:
        return replace(found, counts=True)
    return found


def classify_unsent(*, kind: Kind, status: Status | None, text: str) -> LoginFailure:
    """Classify a refusal that came before the credential was sent: misconfiguration, or a passing trouble."""
    if status in {"NO", "BAD"}:
        cls = _class_of(kind, Phase.SENT, status, text)
        if cls in {FailureClass.CONFIGURATION, FailureClass.PROTOCOL}:
            return failure(cls, kind, said=safe_text(text), phase=Phase.CONNECT)
    return classify_login_failure(kind=kind, phase=Phase.CONNECT, status=status, text=text)


def _class_of(kind: Kind, phase: Phase, status: Status | None, text: str) -> FailureClass:
    code, passing = code_of(text), passing_cause(text)
    if phase is Phase.CONNECT:
        # Nothing was sent yet, so the answer can't be about the credential.
        return passing or passing_code(code) or FailureClass.LOST_BEFORE_SENDING
    named = named_cause(text)
    if named is FailureClass.TOKEN_EXPIRED and kind == "password":
        named = None  # can't be about a password, so go on to the other signs
    # a named cause beats a code; a code beats words about throttling, an outage or plain failure
    cause = named or coded_cause(code) or passing
    unanswered = status is None or status == "BYE"
    if unanswered and kind == "password" and cause in TRANSIENT:
        bare_line = status is None and cause is FailureClass.UNAVAILABLE
        return FailureClass.UNAVAILABLE if bare_line else FailureClass.LOST_AFTER_SENDING
    if cause:
        return for_kind(cause, kind)
    return FailureClass.LOST_AFTER_SENDING if unanswered else _by_words(kind, text)


def _by_words(kind: Kind, text: str) -> FailureClass:
    if is_our_fault(text):
        return FailureClass.PROTOCOL
    if is_not_connected(text):
        return FailureClass.AMBIGUOUS
    if _REJECTIONS.search(text):
        return for_kind(FailureClass.REJECTED, kind)
    return FailureClass.AMBIGUOUS
