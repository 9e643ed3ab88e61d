"""A message's key: an identifier that stays the same for as long as anyone refers to the message."""

import base64
import hashlib
from collections.abc import Sequence
from typing import NewType

from worker.message.mime.headers import Headers

MessageKey = NewType("MessageKey", str)
"""26 lower-case base32 characters; look-alikes end in `-2`, `-3`, …. Handlers use it as the idempotency key."""

_FIELDS = ("received", "message-id", "date", "from", "subject")
_LENGTH = 26  # 130 bits, so that two messages of one mailbox never collide by chance
_HASHED = 20
"""Bytes of the digest that are encoded: base32 takes five at a time, and 26 characters need 17."""


def fingerprint(account: str, headers: Headers) -> str:
    """Return the key of a message with these headers. account: the mailbox's address, in any case.

    The key is the SHA-256 of the account, the Received lines, Message-ID, Date, From and Subject as fetched. It covers
    only headers that moves and mail clients leave unchanged, so it survives moves, UIDVALIDITY changes and rebuilds.
    Each value is hashed with its length, so that two different sets of values never hash the same input.
    """
    hashed = [_counted([account.lower()]), *(_counted(headers.as_sent(name)) for name in _FIELDS)]
    digest = hashlib.sha256(b"".join(hashed)).digest()
    return base64.b32encode(digest[:_HASHED])[:_LENGTH].decode("ascii").lower()


class Fingerprints:
    """Calculates the fingerprints of one account's messages."""

    def __init__(self, account: str) -> None:
        """account: the mailbox's address."""
        self._account = account
        self.of_nothing = fingerprint(account, Headers(()))
        """The fingerprint of a message whose headers the server doesn't show. All such messages share it."""

    def of(self, headers: Headers) -> str:
        """Return the fingerprint of these headers."""
        return fingerprint(self._account, headers)

    def of_block(self, block: bytes) -> str:
        """Return the fingerprint of a header block as fetched."""
        return fingerprint(self._account, Headers.from_bytes(block))


def look_alike(key: str, number: int) -> MessageKey:
    """Return the key of the first, second, … message with the same headers. key: the first message's key."""
    return MessageKey(key if number == 1 else f"{key}-{number}")


def _counted(values: Sequence[str]) -> bytes:
    """Encode the values, preceded by their number and each by its length."""
    encoded = [value.encode("utf-8", "surrogateescape") for value in values]
    return b"%d;" % len(encoded) + b"".join([b"%d:%b" % (len(value), value) for value in encoded])
