"""Readable header text: unfolded, encoded words (RFC 2047) decoded, and safe for a terminal or a log.

The standard library's parser keeps bytes outside ASCII as lone surrogates (PEP 383), which can be neither encoded nor
stored. They become text here, where a header or a parameter leaves the parser.
"""

import binascii
import re

from worker.message.mime.charsets import decode

_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,80})\?([BbQq])\?([^?]*)\?=")
_FOLDING = re.compile(r"[\r\n]+[ \t]*")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""The surrogates that don't stand for a byte."""


def readable(value: str) -> str:
    """Decode a header's value as sent into readable text. Never raises; takes time linear in the size of the value."""
    if "\n" in value or "\r" in value:
        value = _FOLDING.sub(" ", value)
    value = well_formed(value)
    if "=?" in value:
        value = decode_words(value)
    return clean(value).strip()


def well_formed(value: str) -> str:
    """Decode the bytes that the parser kept as surrogates: as UTF-8 (RFC 6532), or else as Windows-1252. Never raises.

    Text that is well-formed already is returned as it is.
    """
    if value.isascii():
        return value
    raw = _NO_BYTE.sub("\ufffd", value).encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def clean(text: str) -> str:
    """Replace control characters by spaces and lone surrogates by U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    return _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text))


def decode_words(value: str) -> str:
    """Decode encoded words. Neighbours in one charset are joined first, because they may share a character."""
    runs: list[tuple[str | None, list[bytes]]] = []  # charset None: plain text
    position = 0
    for match in _ENCODED_WORD.finditer(value):
        between = value[position : match.start()]
        if between and not (position and between.isspace()):  # RFC 2047, section 6.2: space between words isn't text
            runs.append((None, [between.encode("utf-8", "surrogatepass")]))
        charset = match[1].partition("*")[0].lower()  # RFC 2231, section 5: may be followed by a language
        if not (runs and runs[-1][0] == charset):
            runs.append((charset, []))
        runs[-1][1].append(_word_bytes(match[2], match[3]))
        position = match.end()
    runs.append((None, [value[position:].encode("utf-8", "surrogatepass")]))
    return "".join(_run_text(charset, b"".join(pieces)) for charset, pieces in runs)


def _run_text(charset: str | None, data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass") if charset is None else decode(data, charset)


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    try:
        return binascii.a2b_base64(data + b"==")
    except binascii.Error:
        return data
