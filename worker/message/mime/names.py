"""Safe file names, made from names that a sender chose."""

import mimetypes
import re
import unicodedata

from worker.message.mime.compose import composed

_LONGEST = 255  # bytes: the limit of nearly every file system
_SUFFIX_LONGEST = 32
_FORBIDDEN = re.compile(r'[<>:"|?*\x00]')
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|$)")
_EXTENSIONS = {
    "application/ms-tnef": ".dat",
    "application/octet-stream": ".bin",
    "application/pdf": ".pdf",
    "application/pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s",
    "application/vnd.ms-outlook": ".msg",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
}
"""Types that the system's own table lacks, or maps differently from host to host."""


class Names:
    """Gives each attachment of one message a name that is unique on any file system."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def safe(self, filename: str | None, content_type: str) -> str:
        """Return a name that stays in its folder, isn't a device or hidden, and hasn't been returned before.

        It has at most 255 bytes in UTF-8. An unnamed attachment becomes `part-N` with an extension for its type.
        """
        name = safe_name(filename or "") or f"part-{len(self._taken) + 1}{extension(content_type)}"
        stem, suffix = _split(name)
        number = 1
        while _folded(name) in self._taken:
            number += 1
            name = _fit(stem, f"-{number}{suffix}")
        self._taken.add(_folded(name))
        return name


def safe_name(filename: str) -> str:
    """Return the sender's file name made safe; empty if nothing of it is left."""
    name = composed(filename.replace("\\", "/")).rpartition("/")[2]
    # C: control, bidirectional and zero-width characters, surrogates and the like. Zl and Zp are line separators.
    name = "".join(c for c in name if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp"))
    name = _FORBIDDEN.sub("_", name).strip().rstrip(". ")  # Windows drops trailing dots and spaces
    if name.startswith("."):
        name = "_" + name.lstrip(".")  # neither a hidden file nor a parent folder
    if _DEVICE.match(name):
        name = "_" + name
    return _fit(*_split(name)) if name.strip("_") else ""


def extension(content_type: str) -> str:
    """Return the file name extension for a type."""
    return _EXTENSIONS.get(content_type) or mimetypes.guess_extension(content_type) or ".bin"


def _split(name: str) -> tuple[str, str]:
    """Split a name into stem and suffix. A very long suffix is part of the stem."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > _SUFFIX_LONGEST:
        return name, ""
    return stem, dot + suffix


def _fit(stem: str, suffix: str) -> str:
    """Join stem and suffix in at most 255 bytes; the stem is cut between characters if need be."""
    room = _LONGEST - len(suffix.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + suffix


def _folded(name: str) -> str:
    """Return the name as the least discriminating file system compares it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
