"""The mailboxes of an address header (RFC 5322, 3.4), as correct and as broken mail programs write them.

Our own code, because the standard library's result depends on the version of Python: one version reads
`results@lab.nhs.uk <a@b.uk>` as an address of the laboratory, the next as no address at all. Here the address in angle
brackets is the address, whatever precedes it. Each character is examined once, so the time is linear in the length.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r'(?P<quoted>"(?:[^"\\]++|\\.)*+"?)'
    r"|(?P<space>\s++)"
    r"|(?P<mark>[<>,;:()])"
    r'|(?P<text>(?:@\[[^\[\]\s]{0,255}\]|[^\s"<>,;:()])++)',  # an address may end in a literal that contains colons
    re.DOTALL,
)
_IN_COMMENT = re.compile(r"(?:[^()\\]++|\\.)++|[()\\]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BARE = re.compile(r'[^\s<>,;:"()@]++(@[^\s<>,;:"()@]++)?')
_USUAL = re.compile(
    r'\s*+(?:(?:"([^"\\]*+)"\s++|([^\s<>,;:"()@\\]++(?: [^\s<>,;:"()@\\]++)*+)\s++)?'
    r'<([^\s<>,;:"()@\\\[]++@[^\s<>,;:"()@\\\[]++)>|([^\s<>,;:"()@\\\[]++@[^\s<>,;:"()@\\\[]++))\s*+(?:,|\Z)'
)
"""A mailbox as nearly all are written: `"Lab, Inc" <lab@x.uk>`, `Lab Results <lab@x.uk>`, `<lab@x.uk>`, `lab@x.uk`."""


def mailboxes(value: str) -> list[tuple[str, str]]:
    """Return the name and address of each mailbox in a header's value, in order. Never raises."""
    return _usual(value) or any_mailboxes(value)


def _usual(value: str) -> list[tuple[str, str]]:
    """Return what `any_mailboxes` returns, in a tenth of its time; nothing unless all is written as is usual."""
    found: list[tuple[str, str]] = []
    position = 0
    while match := _USUAL.match(value, position):
        quoted, name, address, bare = match.groups()
        found.append((quoted or name or "", address or bare))
        position = match.end()
        if position == len(value):
            return found
    return []


def any_mailboxes(value: str) -> list[tuple[str, str]]:
    """As `mailboxes`, however the mailboxes are written."""
    reader = _Reader()
    reader.read(value)
    if not reader.has_address and "@" in value:
        # An unclosed quote or comment may have swallowed the address.
        return [("", match[0]) for match in _BARE.finditer(value) if match[1]] or reader.found
    return reader.found


@dataclass(slots=True)
class _Word:
    """Characters without a space between. spelled: as in an address; plain: as in a name, without quotes."""

    spelled: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    has_at: bool = False
    is_comment: bool = False


class _Reader:
    """Reads one value from left to right. has_address: an address was found, even an empty pair of angle brackets."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self.has_address = False
        self._words: list[_Word] = []
        self._apart = True  # the next characters begin a new word
        self._address: list[str] | None = None  # the content of the angle brackets
        self._inside = False  # whether the angle brackets are still open

    def read(self, value: str) -> None:
        position = 0
        while match := _TOKEN.match(value, position):
            position = match.end()
            found = match[0]
            if found == "(":
                comment, position = _comment(value, position)
                self._comment(comment)
            elif match.lastgroup == "mark":
                self._mark(found)
            elif match.lastgroup == "space":
                self._apart = True
            elif match.lastgroup == "quoted":
                self._letters(found, _ESCAPED.sub(r"\1", found[1:].removesuffix('"')))
            else:
                self._letters(found, found, has_at="@" in found)
        self._finish()

    def _letters(self, spelled: str, plain: str, *, has_at: bool = False) -> None:
        if self._inside and self._address is not None:
            self._address.append(spelled)
            return
        if self._address is not None:
            self._finish()
        around_at = (has_at and spelled[0] == "@") or (self._words and self._words[-1].spelled[-1:] == ["@"])
        if not self._words or self._words[-1].is_comment or (self._apart and not around_at):
            self._words.append(_Word())
        word = self._words[-1]
        word.spelled.append(spelled)
        word.plain.append(plain)
        word.has_at |= has_at
        self._apart = False

    def _comment(self, text: str) -> None:
        if not self._inside:
            self._words.append(_Word(plain=[text], is_comment=True))

    def _mark(self, mark: str) -> None:
        if mark == "<":
            self._open()
        elif mark == ">":
            self._inside = False
            self._apart = True
        elif mark == ")":
            self._apart = True
        elif mark == ":":
            self._colon()
        elif self._inside and self._address and self._address[0][0] == "@":
            self._address.append(mark)  # separates the hosts of a route, which precede the address
        else:
            self._finish()

    def _open(self) -> None:
        before = self._address
        if before is not None and not self._inside:
            self._finish()
        elif before:
            # The last pair of brackets is the address; the content of an earlier one is part of the name.
            self._words.append(_Word(before, before))
        self._address = []
        self._inside = self.has_address = True

    def _colon(self) -> None:
        """Handle the colon that ends a group's name, or a route within angle brackets."""
        if self._inside and self._address is not None:
            if self._address and self._address[0][0] == "@":
                self._address.clear()
            else:
                self._address.append(":")
            return
        if self._address is not None:
            self._finish()
        self._words.clear()

    def _finish(self) -> None:
        """End the current mailbox."""
        words, self._words = self._words, []
        address, self._address = self._address, None
        self._inside, self._apart = False, True
        if address is not None:
            if address:
                self.found.append((_name(words), "".join(address)))
            return
        addresses = [word for word in words if word.has_at]
        self.has_address |= bool(addresses)
        if len(addresses) == 1:
            self.found.append((_name([word for word in words if not word.has_at]), "".join(addresses[0].spelled)))
        elif addresses:
            self.found.extend(("", "".join(word.spelled)) for word in addresses)
        elif spelled := " ".join("".join(word.spelled) for word in words if not word.is_comment):
            self.found.append(("", spelled))


def _name(words: list[_Word]) -> str:
    if len(words) == 1:
        return "".join(words[0].plain)
    return " ".join(f"({word.plain[0]})" if word.is_comment else "".join(word.plain) for word in words)


def _comment(value: str, start: int) -> tuple[str, int]:
    """Return the text of the comment that begins before `start`, and where it ends. Comments can be nested."""
    depth = 1
    for match in _IN_COMMENT.finditer(value, start):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return _ESCAPED.sub(r"\1", value[start : match.start()]), match.end()
    return value[start:], len(value)
