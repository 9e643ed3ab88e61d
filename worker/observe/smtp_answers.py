"""What an SMTP server's refusal means, from the step that it refused, its code and its words."""

import re
from enum import StrEnum
from typing import Final

from worker.observe.send_failure import Why


class Step(StrEnum):
    """The step of the conversation that was refused."""

    GREETING = "greeting"
    AUTH = "auth"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"


_SEND_AS: Final = re.compile(r"SendAsDenied|\b5\.7\.60\b", re.IGNORECASE)
_AUTH_OFF: Final = re.compile(r"SmtpClientAuth\w*\s+is\s+disabled", re.IGNORECASE)
_BLOCKED: Final = re.compile(r"\b5\.7\.139\b")
_RELAYING: Final = re.compile(r"\b5\.7\.(?:54|64)\b|relay", re.IGNORECASE)
_SENDER: Final = re.compile(r"\bsender\b|\bfrom address\b", re.IGNORECASE)
_NO_ROOM: Final = frozenset({452, 552})
_NOT_AUTHENTICATED: Final = 530
_REJECTED: Final = 535


def why_refused(step: Step, code: int, said: str) -> Why:
    """Return what a refusal means. said: the server's words, which people at the server may change at any time."""
    if _SEND_AS.search(said):
        return Why.SEND_AS_DENIED
    if code == _NOT_AUTHENTICATED:
        return Why.NOT_AUTHENTICATED
    if code in _NO_ROOM:
        return Why.NO_ROOM
    if 400 <= code < 500:
        return Why.THROTTLED
    if step is Step.AUTH:
        return _at_sign_in(code, said)
    if step is Step.GREETING:
        return Why.CLIENT_REFUSED
    if step is Step.RECIPIENT:
        return Why.RELAYING_DENIED if _RELAYING.search(said) else Why.RECIPIENTS_REFUSED
    return Why.SENDER_REFUSED if step is Step.SENDER or _SENDER.search(said) else Why.OTHER


def _at_sign_in(code: int, said: str) -> Why:
    if _AUTH_OFF.search(said):
        return Why.SMTP_AUTH_OFF
    if _BLOCKED.search(said):
        return Why.SIGN_IN_BLOCKED
    return Why.TOKEN_NOT_TAKEN if code == _REJECTED else Why.NO_XOAUTH2
