"""Decoding of a part's bytes: base64, quoted-printable, uuencode. Never raises: broken encodings give what they can."""

import binascii
import quopri
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from email.message import Message as StandardMessage
from typing import Protocol

_NO_BASE64 = bytes(sorted(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")))
_PADDING = re.compile(rb"=[^A-Za-z0-9+/]*+")
_MORE_BASE64 = re.compile(rb"=*((?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)")
_UUENCODE = frozenset({"x-uuencode", "uuencode", "uue", "x-uue"})
_ENCODED = frozenset({"quoted-printable", *_UUENCODE})
_CHUNK = 78 * 12_000
"""Bytes decoded at a time, so that memory never holds two encoded copies of a large part.

A multiple of the usual line's length, so that every chunk begins with a line. Below the size of blocks that the C
library gets from the system anew each time.
"""

Span = bytes | memoryview


class Hash(Protocol):
    """A hash of `hashlib`."""

    def update(self, data: bytes | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


def decoded(spans: Sequence[Span], encoding: str) -> bytes:
    """Decode a part. One that isn't in this encoding is returned as sent. spans: its bytes, in pieces."""
    if encoding == "base64":
        return _base64(spans)
    data = b"".join(spans)
    if encoding == "quoted-printable":
        return quopri.decodestring(data)
    if encoding in _UUENCODE:
        return _by_standard_library(encoding, data)
    return data


def digest_of_decoded(spans: Sequence[Span], encoding: str, new: Callable[[], Hash]) -> bytes:
    """Return the digest of what `decoded` returns, by a hash that `new` makes. Decodes a large part piece by piece."""
    if encoding == "base64":
        try:
            return digest(new(), _strict_base64(spans))
        except binascii.Error:
            return digest(new(), [_broken_base64(b"".join(spans))])
    return digest(new(), [decoded(spans, encoding)] if encoding in _ENCODED else spans)


def _base64(spans: Sequence[Span]) -> bytes:
    """Decode base64; if it is broken, decode as much of it as possible."""
    try:
        return b"".join(_strict_base64(spans))
    except binascii.Error:
        return _broken_base64(b"".join(spans))


def _strict_base64(spans: Sequence[Span]) -> Iterator[bytes]:
    rest, ended = b"", False
    for chunk in (span[at : at + _CHUNK] for span in spans for at in range(0, len(span), _CHUNK)):
        letters = _without_line_ends(chunk)
        piece = rest + letters if rest else letters
        if ended and piece:
            raise binascii.Error
        whole = len(piece) & ~3
        rest = bytes(piece[whole:])
        if whole:
            ended = piece[whole - 1 : whole] == b"="
            yield binascii.a2b_base64(memoryview(piece)[:whole], strict_mode=True)
    if rest:
        raise binascii.Error


def _without_line_ends(chunk: Span) -> bytes | bytearray:
    """Remove every carriage return and line feed.

    Nearly all base64 has lines of one length. To delete every n-th byte takes an eighth of the time that it takes to
    look at each.
    """
    letters = bytearray(chunk)
    if letters.endswith(b"\r\n"):
        del letters[-2:]
    for end in (b"\n", b"\r"):
        if (first := letters.find(end)) >= 0:
            ends = slice(first, None, first + 1)
            if letters[ends].strip(end):
                break
            del letters[ends]
    if b"\r" in letters or b"\n" in letters:
        return letters.translate(None, b"\r\n")
    return letters


def _broken_base64(data: bytes) -> bytes:
    """Decode broken base64: all valid characters up to the first padding, and any whole base64 after it.

    Some programs encode piece by piece, which puts padding in the middle. Depending on its version, the standard
    library stops there or decodes the rest wrongly. Text that a mailing list appended to the base64 is left out.
    """
    lines = data.translate(None, b"\r\n")
    letters = bytearray()
    position, ended = 0, False
    for match in _PADDING.finditer(lines):
        letters += lines[position : match.start()].translate(None, _NO_BASE64)
        position, open_ = match.end(), len(letters) % 4
        if open_ == 3 or (open_ == 2 and match[0].count(b"=") > 1):
            last = match.start() if open_ == 3 else lines.index(b"=", match.start() + 1)
            position, ended = last + 1, True
            break
    if not ended:
        letters += lines[position:].translate(None, _NO_BASE64)
        position = len(lines)
    if len(letters) == 1:
        return data
    if len(letters) % 4 == 1:
        del letters[-1]  # six bits aren't a byte
    decoded = bytearray(binascii.a2b_base64(letters + b"=" * (-len(letters) % 4)))
    while more := _MORE_BASE64.match(lines, position):
        position = more.end()
        if not more[1] or (not more[1].endswith(b"=") and position < len(lines)):
            break
        decoded += binascii.a2b_base64(more[1])
    return bytes(decoded)


def digest(by: Hash, pieces: Iterable[Span]) -> bytes:
    """Return the digest of these pieces in order."""
    for piece in pieces:
        by.update(piece)
    return by.digest()


def _by_standard_library(encoding: str, data: bytes) -> bytes:
    part = StandardMessage()
    part["Content-Transfer-Encoding"] = encoding
    part.set_payload(data.decode("ascii", "surrogateescape"))
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else data
