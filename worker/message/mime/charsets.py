"""Decoding text by the charset that a sender declares, which may be anything."""

import codecs
import re
from functools import lru_cache

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+()-]{0,39}")
_NOT_CHARSETS = frozenset(
    {
        "idna",
        "punycode",
        "undefined",
        "unicode_escape",
        "unicode-escape",
        "raw-unicode-escape",
        "raw_unicode_escape",
        "mbcs",
        "oem",
        "palmos",
    }
)
"""Python codecs that no mail uses: quadratic on hostile input, or escapes rather than charsets."""
_SURROGATE = re.compile("[\ud800-\udfff]")


@lru_cache(maxsize=256)
def codec(charset: str) -> str | None:
    """Return Python's name for a charset; None if it is unknown or isn't a charset for mail."""
    if not _NAME.fullmatch(charset):
        return None
    try:
        info = codecs.lookup(charset)
    except (LookupError, ValueError, UnicodeError):
        return None
    # Only this private attribute tells text encodings from other codecs, such as zlib and base64.
    if not getattr(info, "_is_text_encoding", True) or info.name in _NOT_CHARSETS:
        return None
    return info.name


def decode(data: bytes, charset: str) -> str:
    """Decode `data`; never raises. Unknown charset: UTF-8, or else Windows-1252. Undecodable bytes become U+FFFD."""
    name = codec(charset)
    if name in (None, "ascii"):
        # Mail that declares 'us-ascii' often has other bytes in it; most of it is UTF-8.
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            name = "cp1252"
    try:
        text = data.decode(name or "utf-8", "replace")
    except (UnicodeError, ValueError, LookupError):
        text = data.decode("latin-1")
    return text if _is_scalar(text) else _SURROGATE.sub("\ufffd", text)


def _is_scalar(text: str) -> bool:
    """Whether the text has no lone surrogates, which can't be encoded."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
