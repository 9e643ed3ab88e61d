"""The limits within which a message is parsed, and the errors raised beyond them."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


class MessageError(Exception):
    """The message can't be parsed. Its bytes and headers are available; its text and parts aren't."""

    word: str = "MessageError"
    """What went wrong, as one word without content: the class, and after a colon the limit that was exceeded."""


class MessageUnparsable(MessageError):
    """The message's MIME structure is too broken to be parsed."""

    word = "MessageUnparsable"

    def __init__(self, cause: str = "") -> None:
        super().__init__("the message can't be parsed: only its bytes and its headers are available")
        self.cause: str = cause
        """The class of the parser's error. Its text isn't kept, because it may quote the message."""


class MessageOverLimit(MessageError):
    """The message exceeds a limit. None of its content is available, rather than half of it."""

    def __init__(self, limit: str) -> None:
        super().__init__(f"the message is over the limit '{limit}' and wasn't parsed. To accept it, raise the limit")
        self.word = f"MessageOverLimit:{limit}"
        self.limit: str = limit
        """The name of the limit, as in `[limits]`, such as `attachment`."""


def only_message_errors(read: Callable[P, T]) -> Callable[P, T]:
    """Make a function that reads a message raise nothing but a `MessageError`, unless a library can't be loaded.

    Hostile mail can make a parser raise anything. Whatever else is raised becomes MessageUnparsable. The original error
    isn't kept, because its text may quote the message.

    Some libraries are imported by the first message that needs them. An import that fails, as it does when the process
    has no file descriptor left, isn't that message's fault: another try may read it.
    """

    @wraps(read)
    def reading(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except (MessageError, ImportError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_DESCRIPTOR:
                raise
            cause = type(error).__name__
        raise MessageUnparsable(cause)

    return reading


@dataclass(frozen=True, slots=True)
class Limits:
    """What a message may have, at most, to be parsed. Real mail stays far below each limit."""

    message: int = 64_000_000
    """Bytes of the message on the wire. NHSmail's own limit is 35 MB of content, 47 MB on the wire."""
    header_bytes: int = 1_000_000
    """Bytes of the headers of all parts together. No more than 1 MB of a message's own headers is ever read."""
    header_fields: int = 10_000
    """Header fields of all parts together. No more than 20,000 of a message's own headers are ever read."""
    parts: int = 1_000
    """Parts of every kind, including containers."""
    depth: int = 50
    """Nested containers, including attached messages that are opened."""
    text: int = 5_000_000
    """Decoded bytes of its text, and of its HTML. As text, each byte may take four."""
    attachments: int = 500
    """Attachments, including those in a winmail.dat."""
    attachment: int = 64_000_000
    """Decoded bytes of one attachment."""
    expansion: float = 100.0
    """How many times its own size a container (winmail.dat) may unpack to."""
    rtf: int = 20_000_000
    """Bytes to which all compressed bodies in a message's winmail.dat files may unpack together."""
    header_parameters: int = 200
    """Parameters (`; name=value`) of one header."""
    lines: int = 500_000
    """Lines that must be read one by one, because they may be headers or boundaries."""
    parsed_lines: int = 2_000_000
    """Lines of the whole message, checked before mail-parser is used, which splits every one."""
