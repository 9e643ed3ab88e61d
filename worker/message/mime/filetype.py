"""Detection of file types from their bytes (libmagic)."""

import threading
from typing import Any

_LOOKED_AT = 1 << 20  # bytes: Outlook's mail format is recognised by what follows its first sectors
_UNKNOWN = "application/octet-stream"
_per_thread = threading.local()  # python-magic's objects must not be shared between threads

_SAME = (
    frozenset({"application/zip", "application/x-zip-compressed", "application/x-zip"}),
    frozenset({"application/pdf", "application/x-pdf"}),
    frozenset({"application/rtf", "text/rtf"}),
    frozenset({"application/xml", "text/xml"}),
    frozenset({"image/jpeg", "image/jpg", "image/pjpeg"}),
    frozenset({"image/tiff", "image/tif"}),
    frozenset({"image/bmp", "image/x-ms-bmp"}),
    frozenset({"audio/wav", "audio/x-wav", "audio/wave"}),
    frozenset({"application/gzip", "application/x-gzip"}),
)
"""Sets of names for the same type."""
_VAGUE = frozenset(
    {
        _UNKNOWN,
        "application/x-empty",
        "inode/x-empty",
        "binary/octet-stream",
        "application/unknown",
        "application/force-download",
        "application/x-download",
        "application/download",
    }
)
_OLE = frozenset(
    {
        "application/x-ole-storage",
        "application/cdfv2",
        "application/vnd.ms-outlook",
        "application/vnd.ms-office",
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
    }
)


def detect(data: bytes) -> str:
    """Return the MIME type of the bytes in lower case; `application/octet-stream` if unknown. Never raises."""
    import magic  # imported here, because it loads a shared library and its database

    detector: Any = getattr(_per_thread, "detector", None)
    try:
        if detector is None:
            detector = _per_thread.detector = magic.Magic(mime=True)
        found = str(detector.from_buffer(data[:_LOOKED_AT])).lower()
    except (magic.MagicException, ValueError, OSError):
        return _UNKNOWN
    if found in _OLE and "__substg1.0_".encode("utf-16-le") in data[:_LOOKED_AT]:
        return "application/vnd.ms-outlook"  # only Outlook's mail format has streams of this name
    return found if "/" in found else _UNKNOWN


def contradicts(claimed: str, detected: str) -> bool:
    """Whether the detected type clearly contradicts the declared one.

    False if either is vague, or if both are of one family: libmagic often reports any kind of text as plain text.
    """
    if claimed == detected or claimed in _VAGUE or detected in _VAGUE:
        return False
    if any(claimed in names and detected in names for names in _SAME):
        return False
    if claimed in _OLE and detected in _OLE:
        return False
    return _family(claimed) != _family(detected)


def _family(content_type: str) -> str:
    major, _, minor = content_type.partition("/")
    if (
        major in ("text", "message")
        or minor in ("json", "xml", "javascript", "x-javascript", "rtf")
        or minor.endswith(("+xml", "+json"))
    ):
        return "text"
    if minor in ("zip", "x-zip-compressed") or "openxmlformats" in minor or "opendocument" in minor:
        return "zip"
    return content_type
