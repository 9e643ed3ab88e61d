"""A message's header block: what was sent, and what a person would read of it.

Own code in place of `email.parser.BytesHeaderParser`: of what is well formed the same answers (a property test says
so) at a fraction of the cost, as this runs for every message that the worker ever sees; and no line hides those below.
"""

import re
from collections.abc import Iterator, Sequence
from typing import overload

from worker.message.mime.words import readable
from worker.message.text import ContentStr

MAX_HEADER_BYTES = 1_000_000
"""How much of a header block is read. Exchange Online refuses more than 256 KB; what lies beyond is hostile."""

_END = re.compile(rb"(?:\A|\n)(?=\r?\n|\r\Z)")
"""What a header block ends before: an empty line, as IMAP servers see it. `\\r\\Z`: one of which only half was read."""
_END_OF_CR = re.compile(rb"(?:\A|\r)(?=\r)")
_HEADER = re.compile(
    r"([!-9;-~]++)[ \t]*+:[ \t]*+([^\r\n]*+(?:(?:\r\n|\r|\n)[ \t][^\r\n]*+)*+)(?:\r\n|\r|\n|\Z)"
    r"|[^\r\n]*+(?:\r\n|\r|\n)|[^\r\n]++\Z"
)
"""A header with its folded lines; or a line of the block that is none, which is skipped."""


def block_end(raw: bytes) -> int:
    """Where the header block at the start of `raw` ends: before the first empty line, or where no more is read.

    Not at the first line that is no header, as Python's parser has it: one such line, written by the sender, would hide
    all that the mail service says of the message below it.
    """
    window = min(len(raw), MAX_HEADER_BYTES + 1)
    empty = _END if raw.find(b"\n", 0, window) >= 0 else _END_OF_CR
    match = empty.search(raw, 0, window)
    return min(match.end() if match else window, MAX_HEADER_BYTES)


class Headers(Sequence[tuple[str, str]]):
    """The headers of one message, in order, as (name, value) pairs. Immutable; no bytes make it raise.

    Values are as sent: folded, and bytes outside ASCII kept as surrogates (PEP 383). `get` and `get_all` give what a
    person would read. All are `ContentStr`, names too: anybody may have made one up.
    """

    __slots__ = ("_by_name", "_items", "truncated")

    def __init__(self, items: Sequence[tuple[str, str]], *, truncated: bool = False) -> None:
        self._items = tuple(items)
        self._by_name: dict[str, list[str]] | None = None
        self.truncated = truncated
        """Whether the block was longer than MAX_HEADER_BYTES, so that headers may be missing."""

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Headers":
        """Read the header block at the start of `raw` (a whole message will do)."""
        end = block_end(raw)
        block = raw[:end].decode("ascii", "surrogateescape")
        items = tuple(item for item in _HEADER.findall(block) if item[0])
        return cls(items, truncated=end == MAX_HEADER_BYTES and not _is_end(raw, end))

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[str, str], ...]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, str] | tuple[tuple[str, str], ...]:
        if isinstance(index, slice):
            return tuple(_marked(item) for item in self._items[index])
        return _marked(self._items[index])

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return map(_marked, self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"<Headers: {len(self._items)}>"  # never the content: a repr ends in logs

    def raw(self, name: str) -> list[str]:
        """Every value of the header `name` (in any case) as sent, in order."""
        if self._by_name is None:
            self._by_name = {}
            for key, value in self._items:
                self._by_name.setdefault(key.lower(), []).append(value)
        return [ContentStr(value) for value in self._by_name.get(name.lower(), ())]

    def get(self, name: str) -> str | None:
        """The first value of the header `name` as a person would read it; None where there is none."""
        values = self.raw(name)
        return ContentStr(readable(values[0])) if values else None

    def get_all(self, name: str) -> list[str]:
        """Every value of the header `name` as a person would read it, in order."""
        return [ContentStr(readable(value)) for value in self.raw(name)]


def _marked(item: tuple[str, str]) -> tuple[str, str]:
    return ContentStr(item[0]), ContentStr(item[1])


def _is_end(raw: bytes, end: int) -> bool:
    """Whether a block that was read as far as it may be ends there, and not in the middle of a line end."""
    around = raw[end - 1 : end], raw[end : end + 1]
    return len(raw) == end or (set(around) <= {b"\r", b"\n"} and around != (b"\r", b"\n"))
