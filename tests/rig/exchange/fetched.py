"""Takes the answer to a FETCH apart, and puts it together again with other items, or in another order."""

import re
from dataclasses import dataclass, field
from typing import Self

from tests.rig.proxy import Response

_START = re.compile(rb"\* (\d+) FETCH \(", re.IGNORECASE)
_NAME = re.compile(rb" *([A-Za-z0-9.]+(?:\[[^\]]*\](?:<\d+>)?)?) ")
_MARK = re.compile(rb"\0(\d+)\0")
_LITERAL_END = re.compile(rb"\{\d+\}\r\n$")


@dataclass
class Fetched:
    """One answer. items: the values by name, as they stand in the answer; a literal's bytes are in `literals`."""

    number: bytes
    items: dict[bytes, bytes]
    literals: dict[bytes, bytes] = field(default_factory=dict)
    """The bytes of those items that came, or are to go, as literals."""

    @classmethod
    def of(cls, response: Response) -> Self | None:
        """Read a response; None: it is another one."""
        start = _START.match(response[0])
        if start is None:
            return None
        text = b"".join(
            _LITERAL_END.sub(b"", piece) if number % 2 == 0 else b"\0%d\0" % number
            for number, piece in enumerate(response)
        )
        found = cls(start[1], {})
        place = start.end()
        while name := _NAME.match(text, place):
            end = _end_of_value(text, name.end())
            value = text[name.end() : end]
            if mark := _MARK.fullmatch(value):
                found.literals[name[1]] = response[int(mark[1])]
            found.items[name[1]] = value
            place = end
        return found

    @property
    def uid(self) -> int | None:
        uid = self.items.get(b"UID")
        return None if uid is None else int(uid)

    def content(self) -> list[bytes]:
        """The names of the items that hold content."""
        return [name for name in self.items if name.upper().startswith((b"BODY[", b"RFC822.HEADER"))]

    def whole(self) -> bool:
        """Whether it holds whole messages."""
        return any(name.upper().startswith(b"BODY[]") for name in self.items)

    def response(self) -> Response:
        """The answer as it goes to the client."""
        pieces: Response = [b"* " + self.number + b" FETCH ("]
        for number, (name, value) in enumerate(self.items.items()):
            pieces[-1] += b" " * bool(number) + name + b" "
            if name in self.literals:
                literal = self.literals[name]
                pieces[-1] += b"{%d}\r\n" % len(literal)
                pieces += [literal, b""]
            else:
                pieces[-1] += value
        pieces[-1] += b")\r\n"
        return pieces


def _end_of_value(text: bytes, start: int) -> int:
    """Where the value ends that begins here: a list, a quoted string, or a word."""
    depth, quoted, place = 0, False, start
    while place < len(text):
        character = text[place : place + 1]
        if quoted:
            if character == b"\\":
                place += 1
            elif character == b'"':
                quoted = False
        elif character == b'"':
            quoted = True
        elif character == b"(":
            depth += 1
        elif character == b")":
            if depth == 0:
                return place
            depth -= 1
        elif character == b" " and depth == 0:
            return place
        place += 1
    return place
