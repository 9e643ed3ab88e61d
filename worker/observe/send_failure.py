"""Why an alert couldn't be delivered: one word for each reason that a person acts on in another way."""

import socket
import ssl
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, TypeVar

from worker.logs.system_words import NOT_TLS, system_fault

E = TypeVar("E", bound=BaseException)


class Why(StrEnum):
    """The reason. Shown in the log as `cause`; `send_advice` has the words for people."""

    # there was no conversation
    NO_SUCH_HOST = "no-such-host"
    UNREACHABLE = "unreachable"
    SLOW = "slow"
    DROPPED = "dropped"
    NOT_TRUSTED = "not-trusted"
    WRONG_NAME = "wrong-name"
    CERTIFICATE_EXPIRED = "certificate-expired"
    TLS_FAILED = "tls-failed"
    NOT_TLS = "not-tls"
    PROXY = "proxy"
    STILL_SENDING = "still-sending"
    # mail
    NO_STARTTLS = "no-starttls"
    CLIENT_REFUSED = "client-refused"
    NOT_AUTHENTICATED = "not-authenticated"
    SENDER_REFUSED = "sender-refused"
    SEND_AS_DENIED = "send-as-denied"
    RECIPIENTS_REFUSED = "recipients-refused"
    RELAYING_DENIED = "relaying-denied"
    THROTTLED = "throttled"
    NO_ROOM = "no-room"
    # mail with a sign-in
    NO_XOAUTH2 = "no-xoauth2"
    SMTP_AUTH_OFF = "smtp-auth-off"
    SIGN_IN_BLOCKED = "sign-in-blocked"
    TOKEN_NOT_TAKEN = "token-not-taken"  # noqa: S105 -- a reason's name
    LOGIN_HALTED = "login-halted"
    LOGIN_COOLING = "login-cooling"
    ATTEMPT_IN_PROGRESS = "attempt-in-progress"
    RESTING = "resting"
    NO_SIGN_IN = "no-sign-in"
    TOKEN_REFUSED = "token-refused"  # noqa: S105 -- a reason's name
    NO_TOKEN = "no-token"  # noqa: S105 -- a reason's name
    NO_COUNT = "no-count"
    # webhooks
    BAD_REQUEST = "bad-request"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    REDIRECTED = "redirected"
    SERVER_FAULT = "server-fault"
    # anything else
    OTHER = "other"


_WRONG_NAME: Final = frozenset({62, 63, 64})  # OpenSSL: host name, e-mail address, IP address mismatch
_EXPIRED: Final = 10  # OpenSSL: certificate has expired


def why_lost(error: BaseException) -> Why:
    """Return why a connection failed, from an error of any library and what stands behind it."""
    behind = list(_chain(error))
    for one in behind:
        if isinstance(one, ssl.SSLCertVerificationError):
            return _why_not_trusted(one)
    for one in behind:
        if (found := _why_not_connected(one)) is not None:
            return found
    return Why.DROPPED


def _why_not_trusted(error: ssl.SSLCertVerificationError) -> Why:
    if error.verify_code in _WRONG_NAME:
        return Why.WRONG_NAME
    return Why.CERTIFICATE_EXPIRED if error.verify_code == _EXPIRED else Why.NOT_TRUSTED


def _why_not_connected(error: BaseException) -> Why | None:
    match error:
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ConnectionResetError() | BrokenPipeError():
            return Why.DROPPED
        case ssl.SSLError():
            return Why.NOT_TLS if system_fault(error) == NOT_TLS else Why.TLS_FAILED
        case TimeoutError():
            return Why.SLOW
        case socket.gaierror() | UnicodeError():
            return Why.NO_SUCH_HOST
        case OSError() if type(error).__module__ in ("builtins", "socket"):  # smtplib's errors are OSErrors, too
            return Why.UNREACHABLE
    return None


def error_behind(error: BaseException, kind: type[E]) -> E | None:
    """Return the first error of this kind among an error and those behind it."""
    return next((one for one in _chain(error) if isinstance(one, kind)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those behind it."""
    seen: set[int] = set()
    here: BaseException | None = error
    while here is not None and id(here) not in seen:
        seen.add(id(here))
        yield here
        here = here.__cause__ or here.__context__
