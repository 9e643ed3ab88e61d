"""The parts of a message whose structure leaves nothing open, found without the standard library's parser.

Nearly all mail is written so: each header has a name and a value, an empty line ends the headers, boundaries are of the
characters that RFC 2046 names, and each container has a part. Then only lines that start with `--` need to be looked
at, and the parser would find the same parts in twenty times the time. Wherever it might find something else, or a limit
is near, nothing is returned, and the parser decides.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.mime.node import Budget, Node
from worker.message.mime.skeleton import DashLines, body_start

_VALUE = rb"[ \t]*+(?:[^\r\n]++(?:\r\n[ \t][^\r\n]*+)*+)?"
_BLOCK = re.compile(rb"(?:[!-9;-~]++:" + _VALUE + rb"\r\n)*+\r\n")
_HEADER = re.compile(rb"([!-9;-~]++):[ \t]*+([^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*+)\r\n")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./=?]++(?<!--)")
_REST_OF_LINE = re.compile(rb"(--)?[ \t]*+(?:\r\n?|\n|\Z)")
_CONTENT = b"\ncontent-"
_MOST_HEADERS = 100_000  # bytes of the message's own headers
_MOST_LINES = 2_000  # lines that start with `--`


class _Open(Exception):
    """The structure leaves something open."""


@dataclass(slots=True)
class PlainLeaf:
    """A leaf: its headers, and where its undecoded bytes begin and end."""

    node: Node
    start: int
    end: int


@dataclass(slots=True)
class _Container:
    """A container whose end wasn't found yet. line: what each of its boundaries starts with."""

    node: Node
    line: bytes


@dataclass(slots=True)
class _Reader:
    """Reads a message from boundary to boundary."""

    raw: bytes
    budget: Budget
    leaves: list[PlainLeaf] = field(default_factory=list)
    containers: list[_Container] = field(default_factory=list)
    leaf: PlainLeaf | None = None
    """The leaf whose end wasn't found yet."""

    def top(self) -> int:
        """Read the message's own headers. Returns where its body begins."""
        block = _BLOCK.match(self.raw, 0, _MOST_HEADERS)
        if block is None or block.end() > self.budget.limits.header_bytes:
            raise _Open
        node = Node(self.budget)
        for name, value in _content_headers(self.raw, block.end()):
            node.set_raw(name, value)
        self._begin(node, block.end())
        return block.end()

    def dash_line(self, start: int) -> int:
        """Read a line that starts with `--`, and may be a boundary. Returns where a body begins after it."""
        for depth in range(len(self.containers) - 1, -1, -1):
            container = self.containers[depth]
            if self.raw.startswith(container.line, start):
                rest = _REST_OF_LINE.match(self.raw, start + len(container.line))
                if rest is not None:
                    self._end_leaf(start)
                    self._end_containers(depth + 1)
                    if rest[1] is None:
                        return self._part(container, rest.end())
                    self._end_containers(depth)
                    break
        return body_start(self.raw, start)

    def end(self) -> list[PlainLeaf]:
        """Return the leaves, now that the message has ended."""
        is_top = self.leaf is not None and not self.containers
        self._end_leaf(len(self.raw), keeps_line_end=is_top)
        self._end_containers(0)
        return self.leaves

    def _part(self, container: _Container, start: int) -> int:
        """Read a part's headers, which start here. Returns where its body begins."""
        block = _BLOCK.match(self.raw, start)
        if block is None:
            raise _Open
        node = Node(self.budget)
        container.node.attach(node)
        for match in _HEADER.finditer(self.raw, start, block.end()):
            node.set_raw(_text(match[1]), _text(match[2]))
        self._begin(node, block.end())
        return block.end()

    def _begin(self, node: Node, body: int) -> None:
        """A part begins, whose body begins at `body`."""
        content_type = node.get_content_type()
        if not content_type.startswith("multipart/"):
            self.leaf = PlainLeaf(node, body, body)
            return
        boundary = node.get_boundary()
        if content_type == "multipart/digest" or not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
            raise _Open
        line = b"--" + boundary.encode("ascii")
        if any(line == container.line for container in self.containers):
            raise _Open
        self.containers.append(_Container(node, line))

    def _end_leaf(self, end: int, *, keeps_line_end: bool = False) -> None:
        """A leaf ends, if one was open. The line ending before a boundary is the boundary's."""
        leaf, self.leaf = self.leaf, None
        if leaf is None:
            return
        if not keeps_line_end:
            end -= self.raw.endswith(b"\n", leaf.start, end)
            end -= self.raw.endswith(b"\r", leaf.start, end)
        self.leaves.append(PlainLeaf(leaf.node, leaf.start, end))

    def _end_containers(self, depth: int) -> None:
        """The containers from this depth on end. One without any part is text to the parser."""
        if any(container.node.children is None for container in self.containers[depth:]):
            raise _Open
        del self.containers[depth:]


def plain_leaves(raw: bytes, limits: Limits) -> list[PlainLeaf] | None:
    """Return the leaves of a message in order. None: its structure isn't plain, or it is over a limit."""
    reader = _Reader(raw, Budget(limits))
    try:
        return reader.end() if _read_through(reader, limits) else None
    except (_Open, MessageOverLimit):  # of several limits, the parser finds the one to name
        return None


def _read_through(reader: _Reader, limits: Limits) -> bool:
    """Have every line that starts with `--` read. False: there are too many lines that must be looked at."""
    raw, finder = reader.raw, DashLines(reader.raw)
    start, body, lines = 0, reader.top(), 0
    for _ in range(_MOST_LINES):
        lines += _lines(raw, start, body)
        if lines > limits.lines:
            return False
        start = finder.after(body)
        if start >= len(raw):
            return True
        body = reader.dash_line(start)
    return False


def _lines(raw: bytes, start: int, end: int) -> int:
    """Count lines as `cut` does."""
    return 1 + raw.count(b"\n", start, end) + raw.count(b"\r", start, end)


def _content_headers(raw: bytes, end: int) -> Iterator[tuple[str, str]]:
    """Yield a message's own headers that affect its structure, names and values as sent. end: of all headers."""
    lowered = b"\n" + raw[:end].lower()  # so that a header at its beginning follows a line ending, too
    position = lowered.find(_CONTENT)
    while position >= 0:
        if match := _HEADER.match(raw, position, end):
            yield _text(match[1]), _text(match[2])
        position = lowered.find(_CONTENT, position + 1)


def _text(data: bytes) -> str:
    return data.decode("ascii", "surrogateescape")
