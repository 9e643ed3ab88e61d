"""File names that are safe to write, from names that a sender chose."""

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
"""Where the machine's own table differs from host to host, or has nothing."""


class Names:
    """Gives each attachment of one message a name of its own: none equal to another, on any file system."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def safe(self, filename: str | None, content_type: str) -> str:
        """A name that stays in its folder, is no device, hides nothing and is new among the names given so far.

        At most 255 bytes of UTF-8. An unnamed attachment is `part-N` with an extension for its type.
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
    """The sender's name made safe; empty where nothing of it is left."""
    name = composed(filename.replace("\\", "/")).rpartition("/")[2]
    # Cc, Cf, Cs, Co, Cn: control and bidi characters, zero-width ones, surrogates; Zl and Zp end lines.
    name = "".join(c for c in name if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp"))
    name = _FORBIDDEN.sub("_", name).strip().rstrip(". ")  # Windows drops dots and spaces at the end
    if name.startswith("."):
        name = "_" + name.lstrip(".")  # neither hidden nor a parent folder
    if _DEVICE.match(name):
        name = "_" + name
    return _fit(*_split(name)) if name.strip("_") else ""


def extension(content_type: str) -> str:
    """A file name's ending for a type."""
    return _EXTENSIONS.get(content_type) or mimetypes.guess_extension(content_type) or ".bin"


def _split(name: str) -> tuple[str, str]:
    """Stem and suffix; a long 'suffix' is none."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > _SUFFIX_LONGEST:
        return name, ""
    return stem, dot + suffix


def _fit(stem: str, suffix: str) -> str:
    """Stem and suffix in 255 bytes, the stem cut between characters."""
    room = _LONGEST - len(suffix.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + suffix


def _folded(name: str) -> str:
    """The name as the least discerning file system sees it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
