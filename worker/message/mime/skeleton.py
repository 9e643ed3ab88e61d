"""A message reduced to the lines that determine its structure.

Parsing a large message spends nearly all its time splitting bodies into lines and checking whether each line is a
boundary. Most lines can't be one: once a part's body has begun, only a line that starts with `--` can end it. So
stretches of body are cut out before parsing, and each is replaced by one short line, its *token*. The parser sees the
same structure, and a part's payload is restored by replacing its tokens with the original bytes.

A stretch is cut out only where no parser could find structure:

- It starts within a body: after a part's headers and the blank line that ends them, or at the first line that is
  neither blank nor looks like a header (such a line also ends the headers).
- It ends before the next line that starts with `--`. Its last line ending is kept, because the parser removes that from
  the payload before a boundary.
- Attached messages are bodies like any other, because the parser of the skeleton doesn't descend into them.

In one case the parser gets something else. It ends a message's own headers at the first line that isn't a header, so a
`Content-Type` below that line would be ignored and every attachment lost. Such a line is therefore removed.
"""

import re
import secrets
from dataclasses import dataclass, field

from worker.message.mime.headers import block_end
from worker.message.mime.limits import Limits, MessageOverLimit

_SHORTEST = 256  # bytes that are worth a token
_HEADER_BLOCK = re.compile(rb"(?:(?:[!-9;-~]*+:|[\t ]|From )[^\r\n]*+(?:\r\n|\r|\n|\Z))*+")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_HEADER = re.compile(
    rb"([!-9;-~]++):[^\r\n]*+(?:(?:\r\n|\r|\n)[ \t][^\r\n]*+)*+(?:\r\n|\r|\n|\Z)|[^\r\n]*+(?:\r\n|\r|\n)|[^\r\n]++\Z"
)
_CONTENT_HEADER = re.compile(
    rb"^(content-[!-9;-~]*+)[ \t]*+:([^\r\n]*+(?:(?:\r\n|\r|\n)[ \t][^\r\n]*+)*+(?:\r\n|\r|\n|\Z))",
    re.IGNORECASE | re.MULTILINE,
)
_CR, _LF = b"\r\n"
_NONCE = secrets.token_hex(8)  # unguessable, so that no message can contain a forged token
_TOKEN = re.compile(rf"~{_NONCE}\.(\d+)~")


@dataclass(slots=True)
class Skeleton:
    """The skeleton of one message, and the mapping from its payloads to the original bytes."""

    raw: bytes
    cuts: list[tuple[int, int]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)

    def add(self, kept: bytes, body: int, end: int) -> None:
        """Add lines to keep, and the body from `body` to `end` as a token, except for its last line ending."""
        last = end
        if last > body and self.raw[last - 1] == _LF:
            last -= 1
        if last > body and self.raw[last - 1] == _CR:
            last -= 1
        if last - body < _SHORTEST:
            self.pieces.append(kept + self.raw[body:end])
            return
        token = f"~{_NONCE}.{len(self.cuts)}~".encode("ascii")
        self.cuts.append((body, last))
        self.pieces.append(kept + token + self.raw[last:end])

    @property
    def text(self) -> bytes:
        """The bytes for the parser."""
        return b"".join(self.pieces)

    def spans(self, payload: str) -> list[bytes | memoryview]:
        """Return the original bytes of a parsed payload in pieces. Pieces that were cut out aren't copied."""
        view = memoryview(self.raw)
        spans: list[bytes | memoryview] = []
        position = 0
        for match in _TOKEN.finditer(payload):
            if match.start() > position:
                spans.append(payload[position : match.start()].encode("ascii", "surrogateescape"))
            start, end = self.cuts[int(match[1])]
            spans.append(view[start:end])
            position = match.end()
        if position < len(payload):
            spans.append(payload[position:].encode("ascii", "surrogateescape"))
        return spans


def cut(raw: bytes, limits: Limits) -> Skeleton:
    """Return the skeleton of a message.

    Raises:
        MessageOverLimit: too many lines may be headers or boundaries, or the message's own headers are too long.
    """
    skeleton = Skeleton(raw)
    finder = DashLines(raw)
    position, lines = 0, 0
    while position < len(raw):
        body = body_start(raw, position)
        hidden, mended = _mended(raw, body) if position == 0 else (0, b"")
        body = hidden or body
        lines += 1 + raw.count(b"\n", position, body) + raw.count(b"\r", position, body)
        if lines > limits.lines:
            raise MessageOverLimit("lines")
        following = finder.after(body)
        kept = raw[position:body]
        if position == 0:
            if body > limits.header_bytes:
                raise MessageOverLimit("header_bytes")
            kept = mended if hidden else _content_headers(kept)
        skeleton.add(kept, body, following)
        position = following
    return skeleton


def _content_headers(block: bytes) -> bytes:
    """Return a message's own headers without those that don't affect its structure, which are nearly all of them."""
    if block.count(b"\r") != block.count(b"\r\n"):
        return block  # removing lines might join a lone carriage return with a line feed
    kept: list[bytes] = []
    for match in _HEADER.finditer(block):
        name = match[1]
        if name is None and match[0].strip(b"\r\n"):
            return block  # a line that isn't a header: how it is parsed depends on the lines around it
        if name is None or name.lower().startswith(b"content-"):
            kept.append(match[0])
    return b"".join(kept)


def _mended(raw: bytes, body: int) -> tuple[int, bytes]:
    """Return where the body really begins, and the content headers before it.

    Returns 0 and nothing unless content headers follow the line that the parser takes for the body's first.
    """
    end = block_end(raw)
    blank = _LINE_END.match(raw, end)
    if blank is None or _CONTENT_HEADER.search(raw, body, end) is None:
        return 0, b""
    headers = [match[1] + b":" + match[2] for match in _CONTENT_HEADER.finditer(raw, 0, end)]
    return blank.end(), b"".join([*headers, blank[0]])


def body_start(raw: bytes, position: int) -> int:
    """Return where the body begins, after a possible boundary at `position` and the possible headers after it."""
    if raw.startswith(b"--", position):
        end = _LINE_END.search(raw, position)
        if end is None:
            return len(raw)
        position = end.end()
    match = _HEADER_BLOCK.match(raw, position)
    position = match.end() if match else position
    blank = _LINE_END.match(raw, position)
    return blank.end() if blank else position


class DashLines:
    """Finds lines that start with `--` after any kind of line ending. Examines each byte a few times at most."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._after_line_feed = -1

    def after(self, position: int) -> int:
        """Return where the first such line at or after `position` starts, or else the end of the message."""
        raw = self._raw
        if raw.startswith(b"--", position) and raw[position - 1 : position] in (b"\n", b"\r"):
            return position
        # Finding one byte is 50 times as fast as finding three, and base64 has no dashes.
        dash = raw.find(b"-", position)
        if dash < 0:
            return len(raw)
        start = max(position, dash - 1)
        if self._after_line_feed < start:
            found = raw.find(b"\n--", start)
            self._after_line_feed = len(raw) if found < 0 else found + 1
        found = raw.find(b"\r--", start, self._after_line_feed)
        return self._after_line_feed if found < 0 else found + 1
