"""Marks of contents: keyed hashes by which a content is known again, and of which nothing can be read."""

import hashlib
import hmac
from typing import TYPE_CHECKING

from worker.message.mime.headers import Headers
from worker.message.mime.limits import MessageError

if TYPE_CHECKING:  # the journal knows marks, and needn't wait for what reads messages
    from worker.message.message import Message

OF_HEADERS = "head:"
"""How the mark of a message begins of which only the headers were handed over."""
_CHARACTERS = 40  # 160 bits


class ContentMarks:
    """Makes the marks of one journal. Thread-safe."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, message: "Message") -> str:
        """Return the mark of a message's content: of its decoded parts, which no other encoding changes.

        A message that can't be parsed is marked by its bytes. If the server sends it with other bytes, it is another.
        """
        try:
            return self._mark("parts:", message.content_sha256)
        except (MessageError, MemoryError, RecursionError):
            return self._mark("bytes:", message.sha256)

    def of_headers(self, headers: Headers) -> str:
        """Return the mark of a message of which only the headers were handed over. Folding and case don't matter."""
        lines = (f"{name.lower()}:{' '.join(value.split())}\n" for name, value in headers)
        digest = hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
        return self._mark(OF_HEADERS, digest)

    def _mark(self, kind: str, digest: str) -> str:
        return kind + hmac.new(self._key, digest.encode("ascii"), hashlib.sha256).hexdigest()[:_CHARACTERS]


def is_of_headers(mark: str | None) -> bool:
    """Whether only the headers of this content were handed over."""
    return mark is not None and mark.startswith(OF_HEADERS)


def is_comparable(mark: str | None) -> bool:
    """Whether the whole content is known, so that a message's content can be compared with it."""
    return mark is not None and not is_of_headers(mark)
