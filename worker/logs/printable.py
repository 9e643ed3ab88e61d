"""JSON and text that a terminal, a log viewer or a syslog service can be given, whatever text is in it.

JSON escapes the old control characters. It leaves those that came later (C1), and what changes the direction of the
text around it (bidirectional overrides). Escaped, they are the same JSON.
"""

import re
from typing import Final

_CANDIDATES: Final = re.compile(r"[^\x20-\x7e\n]")


def printable_json(data: bytes) -> bytes:
    """The same JSON, with everything escaped that doesn't print."""
    return data if data.isascii() and b"\x7f" not in data else _CANDIDATES.sub(_escaped, data.decode()).encode()


def printable(text: str) -> str:
    """The text on one line, with everything escaped that doesn't print."""
    return _CANDIDATES.sub(_escaped, text).replace("\n", "\\n")


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable():
        return character
    number = ord(character)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
