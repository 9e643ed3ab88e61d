"""What a failed login can be: the words that the mailbox room and the login guard share. No behaviour.

"Counts" means that the server may have counted the attempt against the account's lockout, so that it spends our budget.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

Kind = Literal["password", "token"]


class FailureClass(StrEnum):
    """What a login that didn't succeed came to."""

    REJECTED = "rejected"
    """Wrong user name or password, as far as the server says."""
    LOCKED = "locked"
    """The account is locked, or blocked from signing in."""
    DISABLED = "disabled"
    """The account is disabled, or an administrator must act."""
    EXPIRED = "expired"
    """The password has expired."""
    CONFIGURATION = "configuration"
    """This way of signing in can't work, whatever the credential."""
    PROTOCOL = "protocol"
    """The server doesn't understand what we sent: our fault, or an extension it lacks."""
    THROTTLED = "throttled"
    """The server asked for a pause."""
    UNAVAILABLE = "unavailable"
    """The server can't answer now, and says so."""
    LOST_AFTER_SENDING = "lost_after_sending"
    """The credential was sent, and no answer came."""
    LOST_BEFORE_SENDING = "lost_before_sending"
    """The login ended before the credential was sent."""
    AMBIGUOUS = "ambiguous"
    """An answer that may mean anything."""
    TOKEN_REJECTED = "token_rejected"  # noqa: S105 -- the name of a class of answers
    """The OAuth token wasn't accepted; no password was sent."""
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 -- the name of a class of answers
    """The OAuth token has run out; a fresh one puts it right."""
    SIGN_IN_AGAIN = "sign_in_again"
    """The OAuth sign-in is no longer valid: a person must sign in again."""


HALTING: Final = frozenset(
    {
        FailureClass.LOCKED,
        FailureClass.DISABLED,
        FailureClass.EXPIRED,
        FailureClass.CONFIGURATION,
        FailureClass.PROTOCOL,
        FailureClass.SIGN_IN_AGAIN,
    }
)
"""After these the same credential isn't tried again: a person, or another credential, must change things."""

TRANSIENT: Final = frozenset(
    {
        FailureClass.THROTTLED,
        FailureClass.UNAVAILABLE,
        FailureClass.LOST_BEFORE_SENDING,
        FailureClass.TOKEN_EXPIRED,
    }
)
"""These pass by themselves, spend nothing, and never lead to a halt however long they last."""

_NEVER_COUNTS: Final = TRANSIENT | {
    FailureClass.CONFIGURATION,
    FailureClass.PROTOCOL,
    FailureClass.TOKEN_REJECTED,
    FailureClass.SIGN_IN_AGAIN,
}
_COUNTS_FOR_TOKEN: Final = frozenset({FailureClass.TOKEN_REJECTED, FailureClass.AMBIGUOUS})


class Phase(StrEnum):
    """How far a login had come when it failed."""

    CONNECT = "connect"
    """No part of the credential has left the process."""
    SENT = "sent"
    """The credential may have left, and the server hasn't said OK."""


@dataclass(frozen=True, slots=True)
class LoginFailure:
    """A failed login, as the guard needs to know it.

    kind: what was sent, or would have been.
    counts: for a password, that it spends the account's budget; for a token, that it counts towards `token_attempts`.
    retry_after: how long the server asked us to wait; None: it didn't say.
    said: the server's words, reduced to words that we know (never a credential, never content).
    """

    cls: FailureClass
    kind: Kind
    counts: bool
    retry_after: timedelta | None = None
    said: str = ""

    @property
    def halts(self) -> bool:
        """Whether the same credential may not be tried again without a person."""
        return self.cls in HALTING

    @property
    def transient(self) -> bool:
        """Whether it passes by itself."""
        return self.cls in TRANSIENT


def failure(
    cls: FailureClass, kind: Kind, *, retry_after: timedelta | None = None, said: str = "", phase: Phase = Phase.SENT
) -> LoginFailure:
    """A failure of a class, with what the class says about counting filled in."""
    sent = phase is not Phase.CONNECT
    counting = cls in _COUNTS_FOR_TOKEN if kind == "token" else cls not in _NEVER_COUNTS
    return LoginFailure(cls, kind, counts=sent and counting, retry_after=retry_after, said=said)


def for_kind(cls: FailureClass, kind: Kind) -> FailureClass:
    """The class, where a plain rejection of a token is about the token."""
    return FailureClass.TOKEN_REJECTED if kind == "token" and cls is FailureClass.REJECTED else cls
