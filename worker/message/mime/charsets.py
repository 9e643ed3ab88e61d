"""Bytes to text by the charset that a sender claims, which may be anything."""

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
"""Codecs of Python that no mail uses: quadratic on hostile input, or escapes and not charsets."""
_SURROGATE = re.compile("[\ud800-\udfff]")


@lru_cache(maxsize=256)
def codec(charset: str) -> str | None:
    """Python's name for a charset; None for one that isn't known, or isn't a charset for mail."""
    if not _NAME.fullmatch(charset):
        return None
    try:
        info = codecs.lookup(charset)
    except (LookupError, ValueError, UnicodeError):
        return None
    # CodecInfo knows whether bytes become text (zlib and base64 are codecs too), under a name that is not public.
    if not getattr(info, "_is_text_encoding", True) or info.name in _NOT_CHARSETS:
        return None
    return info.name


def decode(data: bytes, charset: str) -> str:
    """Text of `data`; never raises. Unknown charsets are read as UTF-8, else as Windows' Western; a fault is U+FFFD."""
    name = codec(charset)
    if name in (None, "ascii"):
        # 'us-ascii' with bytes outside it is common, and a lie: most such mail is UTF-8.
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
    """Whether the text holds no lone surrogate, which could be written nowhere."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
