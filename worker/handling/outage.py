"""Tells an outage of what a handler talks to from trouble with one message, by the exception that was raised.

Only the circuit depends on it: an outage is a reason not to call the handler for a while. Trouble with a message is a
reason to put off that message and no other, so whatever isn't known to be an outage counts as the message's own.
"""

import errno
import socket
import ssl
from collections.abc import Iterator, Sequence
from enum import StrEnum

from worker.message.outcome import Retry

Outages = Sequence[type[BaseException]]
"""The exception classes by which a handler itself says that what it talks to is down (`outages`)."""


class About(StrEnum):
    """What a failed call tells us of."""

    TARGET = "target"
    """What the handler talks to is down, or doesn't let us in: other messages would fail as well."""
    MESSAGE = "message"
    """This message. Nothing is known of others."""
    NOTHING = "nothing"
    """The call ended without an answer of the handler's: it was cut off."""


ERRNOS = frozenset(
    getattr(errno, name)
    for name in (
        *("ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH"),
        *("ENETDOWN", "ENETRESET", "ENETUNREACH", "ETIMEDOUT", "EPIPE"),
        *("ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE", "EMFILE"),
    )
)
"""The only errors of the operating system that are about the target. Others may be about a message: its file name is
too long, its archive is broken.
"""

SOCKET_TIMED_OUT = ("timed out", "The read operation timed out", "The write operation timed out")
"""What `socket` and `ssl` say when a peer doesn't answer. Their `TimeoutError` has no errno, and the class is also that
of a handler's own limit, which a message may exceed by its content.
"""
_HANDSHAKE_TIMED_OUT = "handshake operation timed out"

_BY_NAME = frozenset(
    {
        "httpx.TransportError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "requests.exceptions.ChunkedEncodingError",
        "urllib3.exceptions.MaxRetryError",
        "urllib3.exceptions.ProtocolError",
        "urllib3.exceptions.ProxyError",
        "urllib3.exceptions.SSLError",
        "urllib3.exceptions.TimeoutError",
        "aiohttp.client_exceptions.ClientConnectionError",
        "httpcore.NetworkError",
        "httpcore.ProxyError",
        "httpcore.RemoteProtocolError",
        "httpcore.TimeoutException",
    }
)
"""Transport errors of HTTP clients. Recognised by name, so that no client is imported for it."""
_OURS_BY_NAME = frozenset({"httpx.LocalProtocolError", "httpx.UnsupportedProtocol"})
"""Transport errors by name, but raised before anything is sent: a header made of a subject isn't a valid header."""

_MOST = 100
"""Exceptions to look at. A handler can raise a group of any size."""


def is_outage(error: BaseException, declared: Outages = ()) -> bool:
    """Whether the exception, or one that it was raised from, says that the target is down.

    Only an explicit cause (`raise … from error`) counts, because an error that merely came up while another one was
    handled may be of another kind: a lost connection is made anew, and then the message is at fault. A group says it
    if all its members do.

    declared: classes that say it in this handler.
    """
    budget = iter(range(_MOST))
    return _says_outage(error, tuple(declared), budget)


def _says_outage(error: BaseException, declared: tuple[type[BaseException], ...], budget: Iterator[int]) -> bool:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and next(budget, None) is not None:
        seen.add(id(current))
        if isinstance(current, Retry):
            return current.this_message is not True  # the handler's own word; what lies below it doesn't matter
        if isinstance(current, declared) or is_transport_error(current):
            return True
        if isinstance(current, BaseExceptionGroup):
            return all(_says_outage(member, declared, budget) for member in current.exceptions)
        current = cause_of(current)
    return False


def cause_of(error: BaseException) -> BaseException | None:
    """What the exception was raised from, explicitly; None if that isn't known."""
    if error.__cause__ is not None:
        return error.__cause__
    if "urllib.error.URLError" in _names(error):  # has its cause in an attribute
        reason = getattr(error, "reason", None)
        return reason if isinstance(reason, BaseException) else None
    return None


def is_transport_error(error: BaseException) -> bool:
    """Whether this exception itself, by its class or errno, says that a connection or what lies behind it is down."""
    if isinstance(error, ConnectionError | socket.gaierror | ssl.SSLError):
        return True
    if isinstance(error, OSError) and error.errno in ERRNOS:
        return True
    if type(error) is TimeoutError and error.errno is None and error.args:
        said = error.args[0]
        return isinstance(said, str) and (said in SOCKET_TIMED_OUT or said.endswith(_HANDSHAKE_TIMED_OUT))
    names = _names(error)
    return not _BY_NAME.isdisjoint(names) and _OURS_BY_NAME.isdisjoint(names)


def _names(error: BaseException) -> set[str]:
    return {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
