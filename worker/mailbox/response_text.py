"""Reads the text of an IMAP answer: its response code, the wait it asks for, and the causes it names.

Sources: what Exchange Online is known to say, RFC 3501, and RFC 5530 for response codes.
"""

import re
from datetime import timedelta
from typing import Final, Literal

from worker.mailbox.login_failures import TRANSIENT, FailureClass

Status = Literal["NO", "BAD", "BYE"]

LONGEST_BACKOFF: Final = timedelta(days=1)
"""The longest wait that we grant a server, however long it asks for."""
THROTTLED_WAIT: Final = timedelta(minutes=5)
"""How long to wait when throttled without being told how long. Exchange Online was never seen to ask for more."""

# What RFC 5530's response codes mean in the answer to a login. Codes that aren't listed say nothing about the password;
# the words decide then, and if they are unknown as well, the answer is ambiguous.
_CODES: Final = {
    "AUTHENTICATIONFAILED": FailureClass.REJECTED,
    "AUTHORIZATIONFAILED": FailureClass.DISABLED,
    "CONTACTADMIN": FailureClass.DISABLED,
    "NOPERM": FailureClass.DISABLED,
    "EXPIRED": FailureClass.EXPIRED,
    "PRIVACYREQUIRED": FailureClass.CONFIGURATION,
    "UNAVAILABLE": FailureClass.UNAVAILABLE,
    "LIMIT": FailureClass.THROTTLED,
}

_NAMED_CAUSES: Final = (
    (re.compile(r"basic authentication is disabled|BasicAuthBlocked", re.IGNORECASE), FailureClass.CONFIGURATION),
    (re.compile(r"account (?:is |has been )?(?:blocked|locked)", re.IGNORECASE), FailureClass.LOCKED),
    (re.compile(r"account (?:is |has been )?disabled", re.IGNORECASE), FailureClass.DISABLED),
    (re.compile(r"AccessTokenExpired", re.IGNORECASE), FailureClass.TOKEN_EXPIRED),
)
_PASSING_CAUSES: Final = (
    (re.compile(r"request is throttled|suggested backoff time", re.IGNORECASE), FailureClass.THROTTLED),
    (re.compile(r"server unavailable", re.IGNORECASE), FailureClass.UNAVAILABLE),
)
_OUR_FAULTS: Final = re.compile(
    r"\bcommand argument error\b|\bcommand error\. ?10\b|\bcommand received in invalid state\b", re.IGNORECASE
)
_NOT_CONNECTED: Final = re.compile(r"user is authenticated but not connected", re.IGNORECASE)
_BACKOFF: Final = re.compile(r"suggested backoff time:\s*(\d{1,12})\s*milliseconds", re.IGNORECASE)
_CODE: Final = re.compile(r"\s*\[([A-Z][A-Z0-9-]*)", re.IGNORECASE)


def code_of(text: str) -> str | None:
    """The response code that an answer begins with (RFC 3501, `resp-text-code`), in capitals; None if it has none."""
    found = _CODE.match(text)
    return found[1].upper() if found else None


def backoff_of(text: str) -> timedelta | None:
    """How long the server asked us to wait, at most `LONGEST_BACKOFF`; None if it named no time."""
    found = _BACKOFF.search(text)
    return min(timedelta(milliseconds=int(found[1])), LONGEST_BACKOFF) if found else None


def named_cause(text: str) -> FailureClass | None:
    """The cause that the text names, if somebody must act on it or the token has expired."""
    return _first(_NAMED_CAUSES, text)


def passing_cause(text: str) -> FailureClass | None:
    """The cause that the text names, if it passes by itself."""
    return _first(_PASSING_CAUSES, text)


def coded_cause(code: str | None) -> FailureClass | None:
    """What a response code says about a login."""
    return _CODES.get(code or "")


def passing_code(code: str | None) -> FailureClass | None:
    """Like `coded_cause`, but only for causes that pass by themselves."""
    found = coded_cause(code)
    return found if found in TRANSIENT else None


def is_our_fault(text: str) -> bool:
    """Whether the server blames the command that we sent."""
    return _OUR_FAULTS.search(text) is not None


def is_not_connected(text: str) -> bool:
    """Whether the server accepted the login but doesn't open the mailbox."""
    return _NOT_CONNECTED.search(text) is not None


def _first(table: tuple[tuple[re.Pattern[str], FailureClass], ...], text: str) -> FailureClass | None:
    return next((cls for pattern, cls in table if pattern.search(text)), None)
