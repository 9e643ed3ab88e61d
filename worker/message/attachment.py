"""An attachment, as a handler sees it."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from worker.message.lazy import lazy
from worker.message.text import ContentStr

if TYPE_CHECKING:
    from worker.message.message import Message  # a message has attachments, and an attachment may be a message

MESSAGE_TYPES = frozenset({"message/rfc822", "message/global"})


class Unchanging:
    """What the next handler gets as well: once it is made, nothing in it can be set or taken away."""

    def _made(self) -> None:
        self.__dict__["_is_made"] = True

    def __setattr__(self, name: str, value: object) -> None:
        if "_is_made" in self.__dict__:
            raise AttributeError(f"{type(self).__name__}.{name} can't be changed: the next handler gets the same")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} can't be taken away: the next handler gets the same")


class Attachment(Unchanging):
    """A file that came with a message, or any other part of it that isn't its text: images, invitations, messages."""

    def __init__(
        self,
        load: Callable[[], bytes],
        *,
        content_type: str,
        filename: str | None,
        safe_filename: str,
        inline: bool = False,
        content_id: str | None = None,
        container: str | None = None,
        unwrap: Callable[[bytes], "Message"] | None = None,
    ) -> None:
        self._load = load
        self._unwrap = unwrap
        self.content_type: str = ContentStr(content_type)
        """The type that the sender claims, in lower case."""
        self.filename: str | None = None if filename is None else ContentStr(filename)
        """The name that the sender gave; None without one. Anything may be in it: write to `safe_filename`."""
        self.safe_filename: str = ContentStr(safe_filename)
        """A name to write to: no folder, no device, no control character, no other attachment's of this message."""
        self.inline = inline
        """Whether the message's HTML is meant to show it."""
        self.content_id: str | None = None if content_id is None else ContentStr(content_id)
        """What the message's HTML calls it by, without brackets."""
        self.container: str | None = None if container is None else ContentStr(container)
        """The `filename` of the winmail.dat that it came in; None where it came by itself."""
        self._made()

    def __repr__(self) -> str:
        return f"<Attachment {self.content_type.partition('/')[0]}>"  # no name: a repr ends in logs

    @lazy
    def _data(self) -> bytes:
        return self._load()

    def read(self) -> bytes:
        """Its bytes, decoded."""
        return self._data

    def open(self) -> BinaryIO:
        """Its bytes as a file."""
        return io.BytesIO(self._data)

    @property
    def size(self) -> int:
        """Its size in bytes, decoded."""
        return len(self._data)

    @lazy
    def detected_type(self) -> str:
        """What its bytes are, whatever the sender claims: a MIME type; `application/octet-stream` for unknown."""
        from worker.message.mime.filetype import detect

        return detect(self._data)

    @property
    def mismatched(self) -> bool:
        """Whether its bytes are plainly something else than its claimed type: a program that says it is a PDF."""
        from worker.message.mime.filetype import contradicts

        return contradicts(self.content_type, self.detected_type)

    def message(self) -> "Message | None":
        """An attached message as a `Message`, its key that of the one it came in; None for any other."""
        return self._unwrap(self._data) if self._unwrap else None
