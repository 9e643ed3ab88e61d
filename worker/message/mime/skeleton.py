"""A message cut down to the lines that decide its structure.

Nearly all the time of parsing a large message goes into splitting its bodies into lines, only to ask each line whether
it is a boundary. Most lines can't be: once a part's body has begun, nothing ends it but a line that starts with `--`.
So whole stretches of body are cut out before parsing, each leaving one short line, its *token*, in its place. The
parser sees the same structure, and a part's payload is had by putting the bytes back for the tokens in it.

A stretch is cut only where no parser could see structure in it:

- It starts within a body: after a part's headers and the blank line that ends them, or at the first line that neither
  is blank nor looks like a header (such a line ends the headers, too).
- It ends before the next line that starts with `--`; the end of its last line stays, as the parser takes that off the
  payload before a boundary.
- Attached messages are bodies like any other: the parser that reads the skeleton doesn't look into them.

One thing the parser is spared: at a line that is no header it would end the message's own headers, and with a
`Content-Type` below that line every attachment would be lost. Such a message is given to it without that line.
"""

import re
import secrets
from dataclasses import dataclass, field

from worker.message.mime.headers import block_end
from worker.message.mime.limits import Limits, MessageOverLimit

_SHORTEST = 256  # bytes worth a token
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
_NONCE = secrets.token_hex(8)  # not to be guessed, so that no message can hold a token of its own
_TOKEN = re.compile(rf"~{_NONCE}\.(\d+)~")


@dataclass(slots=True)
class Skeleton:
    """The skeleton of one message, and how to get from a payload in it to the bytes."""

    raw: bytes
    cuts: list[tuple[int, int]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)

    def add(self, kept: bytes, body: int, end: int) -> None:
        """Add lines that are kept, and the body from `body` to `end`: as a token, but for its last line end."""
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
        """The bytes to give to the parser."""
        return b"".join(self.pieces)

    def spans(self, payload: str) -> list[bytes | memoryview]:
        """The bytes of a payload as the parser found it, in pieces: not copied where they were cut out."""
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
    """The skeleton of a message.

    Raises:
        MessageOverLimit: too many lines may be headers or boundaries, or its own headers are too long.
    """
    skeleton = Skeleton(raw)
    finder = _DashLines(raw)
    position, lines = 0, 0
    while position < len(raw):
        body = _body_start(raw, position)
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
    """A message's own headers without those that say nothing of its structure, which are nearly all of them."""
    if block.count(b"\r") != block.count(b"\r\n"):
        return block  # a lone carriage return might meet a line feed
    kept: list[bytes] = []
    for match in _HEADER.finditer(block):
        name = match[1]
        if name is None and match[0].strip(b"\r\n"):
            return block  # a line that is no header: how it is taken depends on what stands around it
        if name is None or name.lower().startswith(b"content-"):
            kept.append(match[0])
    return b"".join(kept)


def _mended(raw: bytes, body: int) -> tuple[int, bytes]:
    """Where the body really begins and the content headers before it, where some stand below what the parser takes for
    the body's first line; 0 and nothing otherwise."""
    end = block_end(raw)
    blank = _LINE_END.match(raw, end)
    if blank is None or _CONTENT_HEADER.search(raw, body, end) is None:
        return 0, b""
    headers = [match[1] + b":" + match[2] for match in _CONTENT_HEADER.finditer(raw, 0, end)]
    return blank.end(), b"".join([*headers, blank[0]])


def _body_start(raw: bytes, position: int) -> int:
    """Where the body begins: from `position`, a line that may be a boundary and then lines that may be headers."""
    if raw.startswith(b"--", position):
        end = _LINE_END.search(raw, position)
        if end is None:
            return len(raw)
        position = end.end()
    match = _HEADER_BLOCK.match(raw, position)
    position = match.end() if match else position
    blank = _LINE_END.match(raw, position)
    return blank.end() if blank else position


class _DashLines:
    """Finds the lines that start with `--`, whatever ends the line before; looks at each byte a few times at most."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._after_line_feed = -1

    def after(self, position: int) -> int:
        """Where the first such line at or after `position` starts; the end of the message where there is none."""
        raw = self._raw
        if raw.startswith(b"--", position) and raw[position - 1 : position] in (b"\n", b"\r"):
            return position
        dash = raw.find(b"-", position)  # one byte is found 50 times as fast as three, and base64 has none
        if dash < 0:
            return len(raw)
        start = max(position, dash - 1)
        if self._after_line_feed < start:
            found = raw.find(b"\n--", start)
            self._after_line_feed = len(raw) if found < 0 else found + 1
        found = raw.find(b"\r--", start, self._after_line_feed)
        return self._after_line_feed if found < 0 else found + 1
