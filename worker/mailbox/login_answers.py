"""What an answer to a login means for the account's lockout.

Text in, class out. "Counts" means that the
server may have counted the attempt against the account's lockout, so that it spends our budget. Where the server's
words leave it open, it counts: a BYE between the password and the tagged answer counts whatever it says, of throttling
and outages too, since the password may have been checked before the server went. Only a tagged answer that names them,
or Exchange's bare line `Server Unavailable. 15`, is an explicit one, and spends nothing.
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
    """What an answer to a login, or the lack of one, means.

    status: of the answer; None: no answer came, or a line that is no answer; `text` is then what there was instead.
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
    """A mechanism that was refused before it was given the credential: about the way of logging in, or passing."""
    if status in {"NO", "BAD"}:
        cls = _class_of(kind, Phase.SENT, status, text)
        if cls in {FailureClass.CONFIGURATION, FailureClass.PROTOCOL}:
            return failure(cls, kind, said=safe_text(text), phase=Phase.CONNECT)
    return classify_login_failure(kind=kind, phase=Phase.CONNECT, status=status, text=text)


def _class_of(kind: Kind, phase: Phase, status: Status | None, text: str) -> FailureClass:
    code, passing = code_of(text), passing_cause(text)
    if phase is Phase.CONNECT:
        # Nothing was sent, so nothing that was said can be about the credential.
        return passing or passing_code(code) or FailureClass.LOST_BEFORE_SENDING
    named = named_cause(text)
    if named is FailureClass.TOKEN_EXPIRED and kind == "password":
        named = None  # can't be about a password: read on, to the side that counts
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
