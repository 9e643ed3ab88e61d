"""What the operating system, the name service or TLS says is wrong, as a word from a fixed list.

An exception's text may quote mail. Its error number can't: there are some hundred and thirty of them.
"""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final

NO_SUCH_NAME: Final = "NAME_NOT_RESOLVED"
NOT_TLS: Final = "NOT_TLS"
_OTHERS: Final = {NO_SUCH_NAME: "the name can't be resolved", NOT_TLS: "this port doesn't speak TLS"}
_PLAIN_ANSWERS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"}
)
"""What OpenSSL says when a server answers the handshake in clear text."""
_LONGEST_CHAIN: Final = 10
_HOLD_THEIR_CAUSE: Final = frozenset({"urllib", "urllib3", "requests"})
"""Packages whose exceptions hold what they were raised from as `reason`, or among their arguments."""
_WORDS: Final = {name: os.strerror(number) for number, name in errno.errorcode.items()}


def system_fault(error: BaseException) -> str | None:
    """What the system says of this error, or of what it was raised from: a name such as ENOSPC; None: nothing."""
    return next((name for one in _chain(error) if (name := _name(one)) is not None), None)


def fault_words(name: str) -> str:
    """The fault in words: `no space left on device`. Empty for what is no name of a fault."""
    if name in _OTHERS:
        return _OTHERS[name]
    words = _WORDS.get(name, "")
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def system_words(error: BaseException) -> str:
    """What the system says of this error, in words; empty: nothing."""
    return fault_words(system_fault(error) or "")


FAULT_WORDS: Final = re.compile("|".join(re.escape(fault_words(name)) for name in sorted({*_WORDS, *_OTHERS})))
"""Every text that `fault_words` may give."""


def _name(error: BaseException) -> str | None:
    if isinstance(error, socket.gaierror):
        return NO_SUCH_NAME
    if isinstance(error, ssl.SSLError):  # its number is OpenSSL's own
        return NOT_TLS if getattr(error, "reason", None) in _PLAIN_ANSWERS else None
    if not isinstance(error, OSError) or isinstance(error, socket.herror) or type(error.errno) is not int:
        return None
    return errno.errorcode.get(error.errno)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, explicitly: another one that came up meanwhile may be of another kind."""
    cause: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if cause is None:
            return
        yield cause
        cause = _cause_of(cause)


def _cause_of(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None:
        return error.__cause__
    if type(error).__module__.partition(".")[0] not in _HOLD_THEIR_CAUSE:
        return None
    held = (getattr(error, "reason", None), *error.args)
    return next((one for one in held if isinstance(one, BaseException)), None)
