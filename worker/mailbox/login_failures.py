"""The kinds of login failure: the vocabulary that `worker.mailbox` and the login guard share.

A failure *counts* if the server may have counted the attempt towards the account's lockout. It then spends our budget.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

Kind = Literal["password", "token"]


class FailureClass(StrEnum):
    """Why a login failed."""

    REJECTED = "rejected"
    """The server says that the user name or password is wrong."""
    LOCKED = "locked"
    """The account is locked, or blocked from signing in."""
    DISABLED = "disabled"
    """The account is disabled, or needs an administrator for another reason."""
    EXPIRED = "expired"
    """The password has expired."""
    CONFIGURATION = "configuration"
    """This way of signing in can't work with any credential."""
    PROTOCOL = "protocol"
    """The server doesn't understand what we sent: our fault, or it lacks an extension."""
    THROTTLED = "throttled"
    """The server asked for a pause."""
    UNAVAILABLE = "unavailable"
    """The server says that it can't serve us now."""
    LOST_AFTER_SENDING = "lost_after_sending"
    """The credential was sent, but no answer came."""
    LOST_BEFORE_SENDING = "lost_before_sending"
    """The login ended before the credential was sent."""
    AMBIGUOUS = "ambiguous"
    """The server's answer may mean anything."""
    TOKEN_REJECTED = "token_rejected"  # noqa: S105 -- the name of a class of answers
    """The server didn't accept the OAuth token. No password was sent."""
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 -- the name of a class of answers
    """The OAuth token has expired, so a fresh one will do."""
    SIGN_IN_AGAIN = "sign_in_again"
    """The OAuth sign-in is no longer valid, and a person must sign in again."""


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
"""After one of these, the same credential isn't tried again: a person must act, or supply another one."""

TRANSIENT: Final = frozenset(
    {
        FailureClass.THROTTLED,
        FailureClass.UNAVAILABLE,
        FailureClass.LOST_BEFORE_SENDING,
        FailureClass.TOKEN_EXPIRED,
    }
)
"""These pass by themselves. They spend nothing and never halt the worker, however long they last.

One exception: the token endpoint's answers to the account's password count unless they are known not to.
"""

_NEVER_COUNTS: Final = TRANSIENT | {
    FailureClass.CONFIGURATION,
    FailureClass.PROTOCOL,
    FailureClass.TOKEN_REJECTED,
    FailureClass.SIGN_IN_AGAIN,
}
_COUNTS_FOR_TOKEN: Final = frozenset({FailureClass.TOKEN_REJECTED, FailureClass.AMBIGUOUS})


class Phase(StrEnum):
    """How far a login had got when it failed."""

    CONNECT = "connect"
    """No part of the credential had left the process."""
    SENT = "sent"
    """The credential may have been sent."""


@dataclass(frozen=True, slots=True)
class LoginFailure:
    """What the guard needs to know about a failed login.

    kind: the kind of credential that was sent, or would have been.
    counts: for a password, whether it spends the account's budget; for a token, whether it counts towards
    `token_attempts`.
    retry_after: how long the server asked us to wait; None if it didn't say.
    said: the server's answer, reduced by `safe_text`, so that it holds no credential and no content.
    """

    cls: FailureClass
    kind: Kind
    counts: bool
    retry_after: timedelta | None = None
    said: str = ""

    @property
    def halts(self) -> bool:
        """Whether a person must act before the same credential may be tried again."""
        return self.cls in HALTING

    @property
    def transient(self) -> bool:
        """Whether the trouble passes by itself."""
        return self.cls in TRANSIENT


def failure(
    cls: FailureClass, kind: Kind, *, retry_after: timedelta | None = None, said: str = "", phase: Phase = Phase.SENT
) -> LoginFailure:
    """Make a failure of this class; the class, kind and phase decide whether it counts."""
    sent = phase is not Phase.CONNECT
    counting = cls in _COUNTS_FOR_TOKEN if kind == "token" else cls not in _NEVER_COUNTS
    return LoginFailure(cls, kind, counts=sent and counting, retry_after=retry_after, said=said)


def for_kind(cls: FailureClass, kind: Kind) -> FailureClass:
    """The class of a failure with this kind of credential: a rejected token is never a rejected password."""
    return FailureClass.TOKEN_REJECTED if kind == "token" and cls is FailureClass.REJECTED else cls
