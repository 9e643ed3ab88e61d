"""How much of a message is taken apart before it is refused, and the errors that say so."""

from dataclasses import dataclass


class MessageError(Exception):
    """The message can't be taken apart. It still has its bytes and its headers; its text and parts can't be had."""

    word = "MessageError"
    """What went wrong in one word of ours, fit to be kept: the class, and the limit's name where it is over one."""


class MessageUnparsable(MessageError):
    """The message's MIME is broken in a way that nothing can read."""

    word = "MessageUnparsable"

    def __init__(self, cause: str = "") -> None:
        super().__init__("the message can't be parsed: its bytes and its headers are all that can be had of it")
        self.cause = cause
        """The class of the parser's own error; its text may quote the message, and isn't kept."""


class MessageOverLimit(MessageError):
    """The message is over a limit, so nothing of its inside is given: never half a message."""

    def __init__(self, limit: str) -> None:
        super().__init__(f"the message is over the limit '{limit}' and wasn't taken apart; if it is wanted, raise it")
        self.word = f"MessageOverLimit:{limit}"
        self.limit = limit
        """The name of the limit: a field of `Limits`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a message may have, at most, to be taken apart. Real mail stays far below each."""

    message: int = 64_000_000
    """Bytes of the message on the wire. NHSmail's own limit is 35 MB of content, 47 MB on the wire."""
    header_bytes: int = 1_000_000
    """Bytes of the headers of all parts together. Of a message's own never more than 1 MB are read."""
    parts: int = 1_000
    """Parts of every kind, the containers included."""
    depth: int = 50
    """Containers within containers, attached messages that are opened included."""
    attachments: int = 500
    """Attachments, those in a winmail.dat included."""
    attachment: int = 64_000_000
    """Bytes of one attachment, decoded."""
    expansion: float = 100.0
    """How many times its own size a container (winmail.dat) may unpack to."""
    rtf: int = 20_000_000
    """Bytes that the compressed bodies in a message's winmail.dat files may unpack to, all together."""
    header_parameters: int = 200
    """Parameters (`; name=value`) of one header."""
    lines: int = 500_000
    """Lines that have to be read one by one, since they may be headers or boundaries."""
    parsed_lines: int = 2_000_000
    """Lines of the whole message, where mail-parser is asked for: it splits every one."""
