"""Translates the exceptions of IMAPClient, imaplib and the socket into errors of our own. Only this file reads them."""

import imaplib
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Final

from imapclient.exceptions import CapabilityError, IllegalStateError, InvalidCriteriaError, ProtocolError

from worker.connections import ProxyTrouble
from worker.logs.system_words import fault_words, system_fault
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    HandshakeFailed,
    JustExpunged,
    LoginFailed,
    MailboxError,
    NotConnected,
    ProtocolFault,
    ProxyFailed,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.handshake import HandshakeError
from worker.mailbox.login_answers import classify_login_failure, classify_unsent
from worker.mailbox.login_failures import FailureClass, Kind, LoginFailure, Phase, failure
from worker.mailbox.response_text import THROTTLED_WAIT, Status, named_cause
from worker.mailbox.safe_text import safe_text
from worker.mailbox.sasl import Sasl
from worker.mailbox.session_answers import SessionClass, SessionFault, classify_session_fault

# IMAPClient raises a LoginError for every failed login, whatever the cause. Only its context tells whether the server
# answered (imaplib's `error`) or the connection failed (`abort`, which also stands for BYE). The response codes that
# imaplib keeps are ignored: they may belong to an earlier answer, and an answer's text begins with its own code.

Untagged = Mapping[str, Sequence[object]]
_BAD: Final = re.compile(r"\A\w+ command error: BAD (.*)\Z", re.DOTALL)
_REFUSED: Final = re.compile(r"\A\w+ failed: (.*)\Z", re.DOTALL)
_GREETING: Final = re.compile(r"\A\* (BYE|NO|BAD) ?(.*)\Z", re.DOTALL)
_REPR: Final = re.compile(r"\[?b(['\"])(.*)\1\]?\Z", re.DOTALL)
_UNREACHABLE: Final = (ConnectionRefusedError, socket.gaierror, socket.herror)
_ENDED: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_NOT_FROM_TLS: Final = frozenset({None, "", "SYS"})
"""What `SSLError.library` is if the socket failed below TLS."""
_LOCAL: Final = re.compile(r"illegal in state|not IMAP4 compliant|no CAPABILITY response")


def login_failure(
    error: BaseException, untagged: Untagged, *, kind: Kind, mechanism: Sasl | None = None
) -> LoginFailed:
    """The error to raise in place of an exception that a login raised.

    untagged: imaplib's `untagged_responses` when it was raised. mechanism: the SASL mechanism in use, which knows
    whether the credential was sent at all.
    """
    status, text = _read(error, untagged)
    if mechanism is not None and not mechanism.sent:
        return LoginFailed(classify_unsent(kind=kind, status=status, text=text))
    found = classify_login_failure(kind=kind, phase=Phase.SENT, status=status, text=text)
    return LoginFailed(_with_hints(found, untagged, mechanism))


def session_error(error: BaseException, untagged: Untagged) -> MailboxError:
    """The error to raise in place of an exception that connecting, or any command but a login, raised."""
    if isinstance(error, HandshakeError):
        return _handshake_error(error.cause)
    if isinstance(error, ProxyTrouble):
        return ProxyFailed(str(error), who=error.who)
    if isinstance(error, OSError) and not untagged.get("BYE"):
        fault = system_fault(error)
        name = type(error).__name__
        if isinstance(error, ssl.SSLError) and error.reason:
            name += f", {error.reason}"
        said = fault_words(fault or "") or name
        if isinstance(error, _UNREACHABLE):
            return ServerUnavailable(f"the mail server can't be reached ({said})", fault=fault)
        return ConnectionLost(f"the connection to the mail server was lost ({said})", fault=fault)
    if isinstance(error, ProtocolError):
        return ProtocolFault("an answer of the mail server that can't be understood")
    if isinstance(error, CapabilityError | IllegalStateError) or _LOCAL.search(str(error)):
        return ProtocolFault(f"the mail server can't do what the worker needs ({type(error).__name__})")
    status, text = _read(error, untagged)
    if _GREETING.match(_plain(error)):
        return _refused_greeting(text)
    return _as_error(classify_session_fault(status=status, text=text))


def _handshake_error(error: ssl.SSLError) -> MailboxError:
    reason = error.reason or type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsRefused(f"its certificate isn't trusted ({reason})")
    if isinstance(error, _ENDED) or error.library in _NOT_FROM_TLS:
        return ConnectionLost(f"the connection to the mail server was lost during the TLS handshake ({reason})")
    fault = system_fault(error)
    said = f"{words}: {reason}" if (words := fault_words(fault or "")) else reason
    return HandshakeFailed(f"the TLS handshake with the mail server failed ({said})", fault=fault)


def _read(error: BaseException, untagged: Untagged) -> tuple[Status | None, str]:
    """Status and text of the answer behind an exception. The status is None if there was no answer."""
    cause = error.__context__ if type(error).__name__ == "LoginError" and error.__context__ else error
    bye = [_decoded(line) for line in untagged.get("BYE", ())]
    if bye and isinstance(cause, OSError):
        return "BYE", " ".join(bye)
    if isinstance(cause, imaplib.IMAP4.abort):
        return ("BYE" if bye else None), " ".join([*bye, _plain(cause)])
    if not isinstance(cause, imaplib.IMAP4.error):
        return None, ""
    text = _plain(cause)
    if isinstance(cause, InvalidCriteriaError):  # a BAD to SEARCH, which is taken as NO: it may be about these terms
        return "NO", _unquoted(text.partition("\n\n")[0])  # without what IMAPClient adds
    if greeting := _GREETING.match(text):
        return ("BAD" if greeting[1] == "BAD" else "NO" if greeting[1] == "NO" else "BYE"), greeting[2]
    if bad := _BAD.match(text):
        return "BAD", _unquoted(bad[1])
    if refused := _REFUSED.match(text):
        return "NO", _unquoted(refused[1])
    return "NO", text


def _with_hints(found: LoginFailure, untagged: Untagged, mechanism: Sasl | None) -> LoginFailure:
    """Refine a failure by the untagged lines that came with the answer. This never makes an attempt free.

    The lines can turn the failure into one that halts, or name its cause.
    """
    around = " ".join(_decoded(line) for name in ("NO", "BAD") for line in untagged.get(name, ()))
    named = named_cause(around)
    if named in {FailureClass.LOCKED, FailureClass.DISABLED} and not found.halts and not found.transient:
        return failure(named, found.kind, said=safe_text(around))
    if found.cls is FailureClass.AMBIGUOUS and mechanism is not None and mechanism.refusal is not None:
        return failure(FailureClass.TOKEN_REJECTED, found.kind, said=found.said)
    return found


def _refused_greeting(text: str) -> MailboxError:
    fault = classify_session_fault(status="BYE", text=text)
    if fault.cls is SessionClass.THROTTLED:
        return _as_error(fault)
    return ServerUnavailable(f"the mail server refused the connection: {fault.said}", after=fault.retry_after)


def _as_error(fault: SessionFault) -> MailboxError:
    said = f"the mail server said: {fault.said}"
    match fault.cls:
        case SessionClass.THROTTLED:
            return Throttled(said, after=fault.retry_after or THROTTLED_WAIT)
        case SessionClass.UNAVAILABLE:
            return ServerUnavailable(said, after=fault.retry_after)
        case SessionClass.PROTOCOL:
            return ProtocolFault(said, by_server=True)
        case SessionClass.REFUSED:
            return CommandRefused(said, refusal=fault.refusal)
    plain: dict[SessionClass, type[MailboxError]] = {
        SessionClass.TOKEN_EXPIRED: TokenExpired,
        SessionClass.CLOSED: ConnectionLost,
        SessionClass.NOT_CONNECTED: NotConnected,
        SessionClass.EXPUNGED: JustExpunged,
    }
    return plain[fault.cls](said)


def _plain(error: BaseException) -> str:
    return _decoded(error.args[0]) if error.args else ""


def _decoded(value: object) -> str:
    return _unquoted(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def _unquoted(text: str) -> str:
    """Strip the `b'…'` that imaplib leaves around an answer when it formats bytes."""
    found = _REPR.match(text)
    return found[2] if found else text
