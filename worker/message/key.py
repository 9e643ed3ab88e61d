"""A message's key: the name that it keeps for as long as anyone speaks of it."""

import base64
import hashlib
from typing import NewType

from worker.message.mime.headers import Headers

MessageKey = NewType("MessageKey", str)
"""26 lower-case base32 characters; look-alikes have `-2`, `-3` after them. Every handler's idempotency key."""

_FIELDS = ("Received", "Message-ID", "Date", "From", "Subject")
_LENGTH = 26  # 130 bits: no two messages of one mailbox ever meet by chance


def fingerprint(account: str, headers: Headers) -> str:
    """The key of the message that has these headers, in this account (an address; its case doesn't count).

    The SHA-256 over the account, the Received lines, Message-ID, Date, From and Subject as fetched. Only lines that no
    move and no client changes are in it, so that the key stays over moves, UIDVALIDITY changes and rebuilds. Every
    value goes in with its length, so that no two different sets of values feed the hash alike.
    """
    fields = [[account.lower()], *(headers.raw(name) for name in _FIELDS)]
    digest = hashlib.sha256(b"".join(_counted(values) for values in fields)).digest()
    return base64.b32encode(digest)[:_LENGTH].decode("ascii").lower()


class Fingerprints:
    """The fingerprints of one account's messages."""

    def __init__(self, account: str) -> None:
        """account: its address."""
        self._account = account
        self.of_nothing = fingerprint(account, Headers(()))
        """That of every message whose header isn't shown: nothing tells these apart."""

    def of(self, headers: Headers) -> str:
        """As `fingerprint`."""
        return fingerprint(self._account, headers)

    def of_block(self, block: bytes) -> str:
        """As `fingerprint`, of a header block as fetched."""
        return fingerprint(self._account, Headers.from_bytes(block))


def look_alike(key: str, number: int) -> MessageKey:
    """The key of the first, second, … message with the same headers. key: the first one's."""
    return MessageKey(key if number == 1 else f"{key}-{number}")


def _counted(values: list[str]) -> bytes:
    """The values, their number and lengths before them."""
    encoded = [value.encode("utf-8", "surrogateescape") for value in values]
    return b"%d;" % len(encoded) + b"".join(b"%d:%b" % (len(value), value) for value in encoded)
