"""One table from what the server said to what it means for the login, and for the account's lockout.

Text in, class out; below it, the one place that reads the exceptions of IMAPClient and imaplib. "Counts" means that the
server may have counted the attempt against the account's lockout, so that it spends our budget. Where the server's
words leave it open, it counts: a BYE between the password and the tagged answer counts whatever it says, of throttling
and outages too, since the password may have been checked before the server went. Only a tagged answer that names them,
or Exchange's bare line `Server Unavailable. 15`, is an explicit one, and spends nothing.

Sources: what Exchange Online is known to say, RFC 3501, RFC 5530 (response codes), Microsoft's AADSTS error list.
"""

import imaplib
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

from imapclient.exceptions import CapabilityError, IllegalStateError, ProtocolError

from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    JustExpunged,
    LoginFailed,
    MailboxError,
    NotConnected,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.login_failures import TRANSIENT, FailureClass, Kind, LoginFailure, Phase, failure
from worker.mailbox.safe_text import safe_text
from worker.mailbox.sasl import Sasl

__all__ = [
    "Phase",
    "Sasl",
    "classify_login_failure",
    "classify_session_fault",
    "classify_token_failure",
    "login_failure",
    "session_error",
]

Status = Literal["NO", "BAD", "BYE"]

LONGEST_BACKOFF: Final = timedelta(days=1)
"""A server that asks for more than this is held to this."""
THROTTLED_WAIT: Final = timedelta(minutes=5)
"""Where throttling comes without a time: the longest that Exchange Online was seen to ask for."""

# RFC 5530's codes (and PRIVACYREQUIRED's kin), for an answer to a login. A code that isn't here says nothing about the
# password: the answer is then read by its words, and is ambiguous when they are unknown too.
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

# In this order: words that name a cause beat a code, and a code beats words that only say 'failed'.
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
_REJECTIONS: Final = re.compile(r"\b(login|authenticate) failed\b", re.IGNORECASE)
_BACKOFF: Final = re.compile(r"suggested backoff time:\s*(\d{1,12})\s*milliseconds", re.IGNORECASE)
_CODE: Final = re.compile(r"\s*\[([A-Z][A-Z0-9-]*)", re.IGNORECASE)


def code_of(text: str) -> str | None:
    """The response code that an answer begins with (RFC 3501, `resp-text-code`), in capitals; None without one."""
    found = _CODE.match(text)
    return found[1].upper() if found else None


def backoff_of(text: str) -> timedelta | None:
    """How long the server asked us to wait, at most `LONGEST_BACKOFF`; None when it named no time."""
    found = _BACKOFF.search(text)
    return min(timedelta(milliseconds=int(found[1])), LONGEST_BACKOFF) if found else None


def classify_login_failure(
    *, kind: Kind, phase: Phase, status: Status | None, text: str, code: str | None = None
) -> LoginFailure:
    """What an answer to a login, or the lack of one, means.

    status: of the answer; None: no answer came, or a line that is no answer; `text` is then what there was instead.
    code: the response code, where it isn't at the beginning of the text.
    """
    cls = _class_of(kind, phase, status, text, code or code_of(text))
    wait = backoff_of(text)
    if wait is None and cls is FailureClass.THROTTLED:
        wait = THROTTLED_WAIT
    found = failure(cls, kind, retry_after=wait, said=safe_text(text), phase=phase)
    if kind == "password" and status == "BYE" and phase is not Phase.CONNECT:
        return replace(found, counts=True)
    return found


def _class_of(kind: Kind, phase: Phase, status: Status | None, text: str, code: str | None) -> FailureClass:
    passing = _first(_PASSING_CAUSES, text)
    if phase is Phase.CONNECT:
        # Nothing was sent, so nothing that was said can be about the credential.
        return passing or _passing_code(code) or FailureClass.LOST_BEFORE_SENDING
    named = _first(_NAMED_CAUSES, text)
    if named is FailureClass.TOKEN_EXPIRED and kind == "password":
        named = None  # can't be about a password: read on, to the side that counts
    by_code = _CODES.get(code or "")
    cause = named or by_code or passing
    unanswered = status is None or status == "BYE"
    if unanswered and kind == "password" and cause in TRANSIENT:
        bare_line = status is None and cause is FailureClass.UNAVAILABLE
        return FailureClass.UNAVAILABLE if bare_line else FailureClass.LOST_AFTER_SENDING
    if cause:
        return _of_token(cause) if kind == "token" else cause
    return FailureClass.LOST_AFTER_SENDING if unanswered else _by_words(kind, text)


def _by_words(kind: Kind, text: str) -> FailureClass:
    if _OUR_FAULTS.search(text):
        return FailureClass.PROTOCOL
    if _NOT_CONNECTED.search(text):
        return FailureClass.AMBIGUOUS
    if _REJECTIONS.search(text):
        return FailureClass.TOKEN_REJECTED if kind == "token" else FailureClass.REJECTED
    return FailureClass.AMBIGUOUS


def _of_token(cause: FailureClass) -> FailureClass:
    """With a token, a plain 'authentication failed' is about the token."""
    return FailureClass.TOKEN_REJECTED if cause is FailureClass.REJECTED else cause


def _passing_code(code: str | None) -> FailureClass | None:
    found = _CODES.get(code or "")
    return found if found in TRANSIENT else None


def _first(table: tuple[tuple[re.Pattern[str], FailureClass], ...], text: str) -> FailureClass | None:
    return next((cls for pattern, cls in table if pattern.search(text)), None)


# AADSTS numbers that Microsoft's token endpoint answers with. A number that isn't here is ambiguous.
_AADSTS: Final = {
    **dict.fromkeys((50126,), FailureClass.REJECTED),
    **dict.fromkeys((50053,), FailureClass.LOCKED),
    **dict.fromkeys((50055,), FailureClass.EXPIRED),
    **dict.fromkeys((50057,), FailureClass.DISABLED),
    **dict.fromkeys((50076, 50079, 53003, 65001, 70002, 7000215, 7000222), FailureClass.CONFIGURATION),
    **dict.fromkeys((50173, 70000, 70008, 700082), FailureClass.SIGN_IN_AGAIN),
    **dict.fromkeys((90006, 90024, 90033, 50033, 50087, 50196), FailureClass.UNAVAILABLE),
}
# Of several numbers the first of these is meant: a lock above all, and what may have counted before what didn't.
_GRAVEST_FIRST: Final = (
    FailureClass.LOCKED,
    FailureClass.DISABLED,
    FailureClass.EXPIRED,
    FailureClass.REJECTED,
    FailureClass.CONFIGURATION,
    FailureClass.SIGN_IN_AGAIN,
    FailureClass.UNAVAILABLE,
)
_AADSTS_NUMBER: Final = re.compile(r"AADSTS(\d{4,8})\b")
_HTTP_BUSY: Final = 429
_HTTP_SERVER_FAULT: Final = 500
_HTTP_UNAVAILABLE: Final = 503


def classify_token_failure(
    *,
    kind: Kind,
    numbers: tuple[int, ...] = (),
    description: str = "",
    status: int | None = None,
    retry_after: timedelta | None = None,
    sent: bool = True,
) -> LoginFailure:
    """What the token endpoint's refusal, or its silence, means.

    kind: `password` where the account's password is in the request.
    numbers: the answer's `error_codes`. status: of the HTTP answer, None without one. sent: the request may have left.
    """
    found = [*numbers, *(int(number) for number in _AADSTS_NUMBER.findall(description))]
    known = sorted((number for number in found if number in _AADSTS), key=_gravity)
    said = f"AADSTS{known[0]}" if known else f"HTTP {status}" if status else ""
    phase = Phase.SENT if sent else Phase.CONNECT
    cls = _token_class(kind, _AADSTS[known[0]] if known else None, status, sent=sent)
    wait = min(retry_after, LONGEST_BACKOFF) if retry_after is not None else None
    if wait is None and cls is FailureClass.THROTTLED:
        wait = THROTTLED_WAIT
    return failure(cls, kind, retry_after=wait, said=said, phase=phase)


def _gravity(number: int) -> int:
    return _GRAVEST_FIRST.index(_AADSTS[number])


def _token_class(kind: Kind, known: FailureClass | None, status: int | None, *, sent: bool) -> FailureClass:
    if not sent:
        return FailureClass.THROTTLED if status == _HTTP_BUSY else FailureClass.LOST_BEFORE_SENDING
    if known:
        return _of_token(known) if kind == "token" else known
    if status is None:
        return FailureClass.LOST_AFTER_SENDING
    if status == _HTTP_BUSY:
        return FailureClass.THROTTLED
    if status == _HTTP_UNAVAILABLE:
        return FailureClass.UNAVAILABLE
    # A gateway's other 5xx may come after the password was checked: for a password, only a named outage is free.
    if status >= _HTTP_SERVER_FAULT:
        return FailureClass.UNAVAILABLE if kind == "token" else FailureClass.AMBIGUOUS
    return FailureClass.AMBIGUOUS


class SessionClass(StrEnum):
    """What an answer to a command on a logged-in connection means."""

    THROTTLED = "throttled"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 -- the name of a class of answers
    UNAVAILABLE = "unavailable"
    CLOSED = "closed"
    """The server closed the connection, or it was lost: connect anew."""
    NOT_CONNECTED = "not_connected"
    """`User is authenticated but not connected`: the login was answered, the mailbox isn't there."""
    PROTOCOL = "protocol"
    """Our fault, or an extension that the server lacks: never again in a loop."""
    EXPUNGED = "expunged"
    """Some of the messages were expunged by somebody else at this moment (RFC 5530, EXPUNGEISSUED)."""
    REFUSED = "refused"
    """The command was refused for a reason of its own; the connection is well."""


@dataclass(frozen=True, slots=True)
class SessionFault:
    """A fault on a logged-in connection; `said` as in `LoginFailure`."""

    cls: SessionClass
    retry_after: timedelta | None = None
    said: str = ""


def classify_session_fault(*, status: Status | None, text: str, code: str | None = None) -> SessionFault:
    """What an answer other than OK, or the loss of the connection, means outside a login."""
    cls = _session_class(status, text, code or code_of(text))
    wait = backoff_of(text)
    if wait is None and cls is SessionClass.THROTTLED:
        wait = THROTTLED_WAIT
    return SessionFault(cls, wait, safe_text(text))


def _session_class(status: Status | None, text: str, code: str | None) -> SessionClass:
    if status == "NO" and code == "EXPUNGEISSUED":
        return SessionClass.EXPUNGED
    if _first(_NAMED_CAUSES, text) is FailureClass.TOKEN_EXPIRED:
        return SessionClass.TOKEN_EXPIRED
    cause = _first(_PASSING_CAUSES, text) or _passing_code(code)
    if cause is FailureClass.THROTTLED:
        return SessionClass.THROTTLED
    if cause is FailureClass.UNAVAILABLE:
        return SessionClass.UNAVAILABLE
    if status is None or status == "BYE":
        return SessionClass.CLOSED
    if _NOT_CONNECTED.search(text):
        return SessionClass.NOT_CONNECTED
    # BAD is a protocol error by definition (RFC 3501, 7.1.3).
    if status == "BAD" or _OUR_FAULTS.search(text):
        return SessionClass.PROTOCOL
    return SessionClass.REFUSED


# -- what IMAPClient raises --------------------------------------------------------------------------------------------
# Every failed login is a LoginError, whatever the cause; only its context tells an answer (imaplib's `error`) from the
# transport (`abort`, which also stands for BYE). Response codes that imaplib keeps are left alone: they may be those of
# an earlier answer, and the text of each answer begins with its own.

Untagged = Mapping[str, Sequence[object]]
_BAD: Final = re.compile(r"\A\w+ command error: BAD (.*)\Z", re.DOTALL)
_REFUSED: Final = re.compile(r"\A\w+ failed: (.*)\Z", re.DOTALL)
_GREETING: Final = re.compile(r"\A\* (BYE|NO|BAD) ?(.*)\Z", re.DOTALL)
_REPR: Final = re.compile(r"\[?b(['\"])(.*)\1\]?\Z", re.DOTALL)
_UNREACHABLE: Final = (ConnectionRefusedError, socket.gaierror, socket.herror)
_LOCAL: Final = re.compile(r"illegal in state|not IMAP4 compliant")


def login_failure(
    error: BaseException, untagged: Untagged, *, kind: Kind, phase: Phase, mechanism: Sasl | None = None
) -> LoginFailed:
    """What an exception out of a login means; to be raised in its place.

    untagged: imaplib's `untagged_responses` at that moment. mechanism: the SASL mechanism that was used; it knows
    whether the credential was sent at all.
    """
    status, text = _read(error, untagged)
    if mechanism is not None and not mechanism.sent:
        return LoginFailed(_not_sent(kind, status, text))
    found = classify_login_failure(kind=kind, phase=phase, status=status, text=text)
    if phase is not Phase.CONNECT:
        found = _with_hints(found, untagged, mechanism)
    return LoginFailed(found)


def session_error(error: BaseException, untagged: Untagged) -> MailboxError:
    """What an exception out of any other command, or out of connecting, means; to be raised in its place."""
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TlsRefused(f"TLS with the mail server failed ({error.reason or type(error).__name__})")
    if isinstance(error, OSError):
        name = type(error).__name__
        if isinstance(error, _UNREACHABLE):
            return ServerUnavailable(f"the mail server can't be reached ({name})")
        return ConnectionLost(f"the connection to the mail server was lost ({name})")
    if isinstance(error, ProtocolError):
        return ProtocolFault("an answer of the mail server that can't be understood")
    if isinstance(error, CapabilityError | IllegalStateError) or _LOCAL.search(str(error)):
        return ProtocolFault(f"the mail server can't do what we need ({type(error).__name__})")
    status, text = _read(error, untagged)
    if _GREETING.match(_plain(error)):
        return _refused_greeting(text)
    return _as_error(classify_session_fault(status=status, text=text))


def _read(error: BaseException, untagged: Untagged) -> tuple[Status | None, str]:
    """Status and text of the answer that an exception stands for; None where there was no answer."""
    cause = error.__context__ if type(error).__name__ == "LoginError" and error.__context__ else error
    if isinstance(cause, imaplib.IMAP4.abort):
        bye = [_decoded(line) for line in untagged.get("BYE", ())]
        return ("BYE" if bye else None), " ".join([*bye, _plain(cause)])
    if not isinstance(cause, imaplib.IMAP4.error):
        return None, ""
    text = _plain(cause)
    if greeting := _GREETING.match(text):
        return ("BAD" if greeting[1] == "BAD" else "NO" if greeting[1] == "NO" else "BYE"), greeting[2]
    if bad := _BAD.match(text):
        return "BAD", _unquoted(bad[1])
    if refused := _REFUSED.match(text):
        return "NO", _unquoted(refused[1])
    return "NO", text


def _not_sent(kind: Kind, status: Status | None, text: str) -> LoginFailure:
    """A mechanism that was refused before it was given the credential: about the way of logging in, or passing."""
    if status in {"NO", "BAD"}:
        cls = _class_of(kind, Phase.SENT, status, text, code_of(text))
        if cls in {FailureClass.CONFIGURATION, FailureClass.PROTOCOL}:
            return failure(cls, kind, said=safe_text(text), phase=Phase.CONNECT)
    return classify_login_failure(kind=kind, phase=Phase.CONNECT, status=status, text=text)


def _with_hints(found: LoginFailure, untagged: Untagged, mechanism: Sasl | None) -> LoginFailure:
    """Words around the answer, taken only to the safe side: they can halt or name a cause, never make it free."""
    around = " ".join(_decoded(line) for name in ("NO", "BAD") for line in untagged.get(name, ()))
    named = _first(_NAMED_CAUSES, around)
    if named in {FailureClass.LOCKED, FailureClass.DISABLED} and not found.halts and not found.transient:
        return failure(named, found.kind, said=safe_text(around))
    if found.cls is FailureClass.AMBIGUOUS and mechanism is not None and mechanism.refusal is not None:
        return failure(FailureClass.TOKEN_REJECTED, found.kind, said=found.said)
    return found


def _refused_greeting(text: str) -> MailboxError:
    fault = classify_session_fault(status="BYE", text=text)
    if fault.cls is SessionClass.THROTTLED:
        return _as_error(fault)
    return ServerUnavailable(f"the mail server turned us away: {fault.said}", after=fault.retry_after)


def _as_error(fault: SessionFault) -> MailboxError:
    said = f"the mail server said: {fault.said}"
    match fault.cls:
        case SessionClass.THROTTLED:
            return Throttled(said, after=fault.retry_after or THROTTLED_WAIT)
        case SessionClass.UNAVAILABLE:
            return ServerUnavailable(said, after=fault.retry_after)
        case SessionClass.PROTOCOL:
            return ProtocolFault(said, by_server=True)
    plain: dict[SessionClass, type[MailboxError]] = {
        SessionClass.TOKEN_EXPIRED: TokenExpired,
        SessionClass.CLOSED: ConnectionLost,
        SessionClass.NOT_CONNECTED: NotConnected,
        SessionClass.EXPUNGED: JustExpunged,
        SessionClass.REFUSED: CommandRefused,
    }
    return plain[fault.cls](said)


def _plain(error: BaseException) -> str:
    return _decoded(error.args[0]) if error.args else ""


def _decoded(value: object) -> str:
    return _unquoted(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def _unquoted(text: str) -> str:
    """imaplib formats bytes with their `b'…'`; the answer is what lies within."""
    found = _REPR.match(text)
    return found[2] if found else text
