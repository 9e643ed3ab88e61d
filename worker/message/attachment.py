"""An attachment as a handler sees it."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from worker.message.lazy import lazy
from worker.message.mime.limits import only_message_errors
from worker.message.text import ContentStr

if TYPE_CHECKING:
    from worker.message.message import Message  # a message has attachments, and an attachment may be a message

MESSAGE_TYPES = frozenset({"message/rfc822", "message/global"})


class Unchanging:
    """Can't be changed once it is built, because the next handler gets the same object."""

    def _made(self) -> None:
        self.__dict__["_is_made"] = True

    def __setattr__(self, name: str, value: object) -> None:
        if "_is_made" in self.__dict__:
            raise AttributeError(f"{type(self).__name__}.{name} can't be changed: the next handler gets the same")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} can't be taken away: the next handler gets the same")


class Attachment(Unchanging):
    """A file attached to a message, or any other part that isn't its text: an image, an invitation, a message."""

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
        """The type that the sender declared, in lower case."""
        self.filename: str | None = None if filename is None else ContentStr(filename)
        """The name that the sender gave, or None. It may contain anything, so write to `safe_filename` instead."""
        self.safe_filename: str = ContentStr(safe_filename)
        """A name that is safe to write to: no folder, device or control character, and unique within the message."""
        self.inline: bool = inline
        """Whether the message's HTML is meant to display it."""
        self.content_id: str | None = None if content_id is None else ContentStr(content_id)
        """The id by which the message's HTML refers to it, without angle brackets."""
        self.container: str | None = None if container is None else ContentStr(container)
        """The `filename` of the winmail.dat that contained it; None if it was attached directly."""
        self._made()

    def __repr__(self) -> str:
        return f"<Attachment {self.content_type.partition('/')[0]}>"  # no name: a repr ends in logs

    @lazy
    @only_message_errors
    def _data(self) -> bytes:
        return self._load()

    def read(self) -> bytes:
        """Return its decoded bytes; as sent if they aren't in the encoding that the sender declared.

        Raises: MessageUnparsable, MessageOverLimit.
        """
        return self._data

    def open(self) -> BinaryIO:
        """Return its decoded bytes as a binary file.

        Raises: MessageUnparsable, MessageOverLimit.
        """
        return io.BytesIO(self._data)

    @property
    def size(self) -> int:
        """Its decoded size, in bytes.

        Raises: MessageUnparsable, MessageOverLimit.
        """
        return len(self._data)

    @lazy
    @only_message_errors
    def detected_type(self) -> str:
        """The MIME type that its bytes show, whatever the sender declared; `application/octet-stream` if unknown.

        Raises: MessageUnparsable, MessageOverLimit.
        """
        from worker.message.mime.filetype import detect

        return detect(self._data)

    @property
    def mismatched(self) -> bool:
        """Whether its bytes clearly contradict the declared type, such as a program that claims to be a PDF.

        Raises: MessageUnparsable, MessageOverLimit.
        """
        from worker.message.mime.filetype import contradicts

        return contradicts(self.content_type, self.detected_type)

    def message(self) -> "Message | None":
        """Return an attached message as a `Message` with the enclosing message's key; None for anything else.

        It is over a limit if it is nested too deeply. Raises: MessageUnparsable, MessageOverLimit.
        """
        return self._unwrap(self._data) if self._unwrap else None
