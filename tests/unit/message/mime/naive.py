"""What the standard library makes of a message, every line of it split: the measure for our own way."""

import email
import email.message
import email.parser
import re
from email.policy import compat32

from worker.message.mime.headers import block_end


def hides_content_headers(raw: bytes) -> bool:
    """Whether a line that is no header makes the parser take a message's own content headers for text."""
    block = raw[: block_end(raw)]
    lines = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    broken = [place for place, line in enumerate(lines) if not re.match(rb"[!-9;-~]*:|[ \t]|From |$", line)]
    blank = [place for place, line in enumerate(lines[:-1]) if not line]
    return any(line.lower().startswith(b"content-") for line in lines[min([*broken, *blank, len(lines)]) :])


def leaves(raw: bytes) -> list[tuple[str, bytes]]:
    """Type and decoded bytes of every leaf, in order, attached messages taken apart as well."""
    return [_leaf(part) for part in email.message_from_bytes(raw).walk() if not part.is_multipart()]


def own_leaves(raw: bytes) -> list[tuple[str, bytes]]:
    """The same, but an attached message is a leaf, its bytes as they came."""
    parser = email.parser.BytesParser(_Closed, policy=compat32)
    return [_leaf(part) for part in parser.parsebytes(raw).walk() if not part.is_multipart()]


def _leaf(part: email.message.Message) -> tuple[str, bytes]:
    payload = part.get_payload(decode=True)
    content_type = part.declared() if isinstance(part, _Closed) else part.get_content_type()
    return content_type, payload if isinstance(payload, bytes) else b""


class _Closed(email.message.Message):
    """A part that doesn't let the parser see that it is a message."""

    def declared(self) -> str:
        return super().get_content_type()

    def get_content_type(self) -> str:
        return "application/x-closed" if self.declared().startswith("message/") else self.declared()

    def get_content_maintype(self) -> str:
        return self.get_content_type().partition("/")[0]
