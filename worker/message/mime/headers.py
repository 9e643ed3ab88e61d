"""A message's header block, as sent and decoded.

Our own code rather than `email.parser.BytesHeaderParser`, because it runs for every message that the worker sees. It
gives the same results for well-formed headers (a property test checks that) at a fraction of the cost, and a malformed
line doesn't hide the headers below it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import overload

from worker.message.mime.words import readable, well_formed
from worker.message.text import ContentStr

MAX_HEADER_BYTES = 1_000_000
"""The most bytes of a header block that are read. Exchange Online refuses more than 256 KB: more is hostile."""
MAX_HEADER_FIELDS = 20_000
"""The most fields of a header block that are read. Each takes far more memory than its bytes: 990 kB of short fields
would take 18 MB. Of what Exchange Online takes, only a block of fields of 13 bytes each could have more."""

_END_OF_CR = re.compile(rb"(?:\A|\r)(?=\r)")
_HEADER = re.compile(
    r"([!-9;-~]++)[ \t]*+:[ \t]*+([^\r\n]*+(?:(?:\r\n|\r|\n)[ \t][^\r\n]*+)*+)(?:\r\n|\r|\n|\Z)"
    r"|[^\r\n]*+(?:\r\n|\r|\n)|[^\r\n]++\Z"
)
"""A header with its folded lines, or a line that isn't a header, which is skipped."""


def block_end(raw: bytes) -> int:
    """Return where the header block at the start of `raw` ends: before the first empty line, or at the read limit.

    Python's parser ends the block at the first line that isn't a header. A sender could write such a line to hide
    everything that the mail service adds below it.
    """
    window = min(len(raw), MAX_HEADER_BYTES + 1)
    if raw.find(b"\n", 0, window) >= 0:
        return min(_empty_line(raw, window), MAX_HEADER_BYTES)
    match = _END_OF_CR.search(raw, 0, window)
    return min(match.end() if match else window, MAX_HEADER_BYTES)


def _empty_line(raw: bytes, window: int) -> int:
    """Where the first empty line in this window begins, as IMAP servers see it; the window's end if there is none."""
    if raw.startswith((b"\n", b"\r\n")):
        return 0
    end = raw.find(b"\n\r\n", 0, window)
    if end < 0:
        end = window - 2 if raw.endswith(b"\n\r", 0, window) else window  # half of one, where reading stopped
    bare = raw.find(b"\n\n", 0, min(end + 1, window))
    end = bare if bare >= 0 else end
    return end + 1 if end < window else window


class Headers(Sequence[tuple[str, str]]):
    """The headers of one message in order, as (name, value) pairs. Immutable; no input makes it raise.

    Values are folded and encoded as sent, with bytes outside ASCII decoded: every text can be encoded again. `get` and
    `get_all` decode the rest. Only `raw` keeps each byte. Values and names are `ContentStr`, because a sender can
    invent both.
    """

    __slots__ = ("_items", "_positions", "over_limit")

    def __init__(self, items: Sequence[tuple[str, str]], *, over_limit: str | None = None) -> None:
        self._items = tuple(items)
        self._positions: dict[str, list[int]] | None = None
        self.over_limit: str | None = over_limit
        """The limit that was exceeded, `header_bytes` or `header_fields`, so that headers may be missing; or None."""

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Headers":
        """Read the header block at the start of `raw`, which may be a whole message."""
        end = block_end(raw)
        items, more = _fields(raw[:end].decode("ascii", "surrogateescape"))
        if end == MAX_HEADER_BYTES and not _is_end(raw, end):
            return cls(items, over_limit="header_bytes")
        return cls(items, over_limit="header_fields" if more else None)

    @property
    def truncated(self) -> bool:
        """Whether there were more headers than are read, so that some may be missing."""
        return self.over_limit is not None

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

    @property
    def positions(self) -> Mapping[str, Sequence[int]]:
        """The positions of each header, in order, by its name in lower case."""
        if self._positions is None:
            self._positions = {}
            for position, (name, _) in enumerate(self._items):
                self._positions.setdefault(name.lower(), []).append(position)
        return self._positions

    def raw(self, name: str) -> list[str]:
        """Return every value of the header `name` byte for byte, in order. The name's case doesn't matter.

        Bytes outside ASCII are kept as surrogates (PEP 383): encode it with `errors="surrogateescape"`.
        """
        return [ContentStr(value) for value in self.as_sent(name.lower())]

    def as_sent(self, name: str) -> list[str]:
        """As `raw`, as ordinary strings, for code that passes them on to nobody. name: in lower case."""
        return [self._items[position][1] for position in self.positions.get(name, ())]

    def placed(self, name: str) -> list[tuple[int, str]]:
        """Return position and value of each header with this name, as ordinary strings. name: in lower case.

        Values are as `[]` gives them. A name that has another character than ASCII is another name: the Kelvin sign
        becomes k in lower case.
        """
        return [
            (position, well_formed(self._items[position][1]))
            for position in self.positions.get(name, ())
            if self._items[position][0].isascii()
        ]

    def get(self, name: str) -> str | None:
        """Return the first value of the header `name`, decoded; None if there is none."""
        values = self.raw(name)
        return ContentStr(readable(values[0])) if values else None

    def get_all(self, name: str) -> list[str]:
        """Return every value of the header `name`, decoded, in order."""
        return [ContentStr(readable(value)) for value in self.raw(name)]


def _fields(block: str) -> tuple[list[tuple[str, str]], bool]:
    """The first `MAX_HEADER_FIELDS` fields of a block, and whether there are more."""
    if block.count("\n") + block.count("\r") < MAX_HEADER_FIELDS:  # no more lines than that, so no more fields
        return [item for item in _HEADER.findall(block) if item[0]], False
    fields = ((match[1], match[2]) for match in _HEADER.finditer(block) if match[1])
    items = list(islice(fields, MAX_HEADER_FIELDS))
    return items, next(fields, None) is not None


def _marked(item: tuple[str, str]) -> tuple[str, str]:
    return ContentStr(item[0]), ContentStr(well_formed(item[1]))


def _is_end(raw: bytes, end: int) -> bool:
    """Whether a block that reaches the read limit ends there, and not in the middle of a line ending."""
    around = raw[end - 1 : end], raw[end : end + 1]
    return len(raw) == end or (set(around) <= {b"\r", b"\n"} and around != (b"\r", b"\n"))
