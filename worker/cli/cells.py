"""Texts in the cells of a terminal: how wide they are, and how they are broken or cut to fit.

A character that may be wide counts as two cells, because terminals disagree on which are.
"""

_MAY_BE_WIDE = "\u1100"
"""From here on some characters are two cells wide."""


def cells_of(text: str) -> int:
    """How many cells a text takes at most."""
    return sum(1 if character < _MAY_BE_WIDE else 2 for character in text)


def fitting(text: str, cells: int) -> int:
    """How many characters fit into this many cells, at least one."""
    for position, character in enumerate(text):
        cells -= 1 if character < _MAY_BE_WIDE else 2
        if cells < 0:
            return max(1, position)
    return len(text)


def wrapped(text: str, cells: int) -> list[str]:
    """Break a text into lines of this many cells, between words where that is possible."""
    lines: list[str] = []
    while (end := fitting(text, cells)) < len(text):
        at = text.rfind(" ", 1, end + 1)
        if at < 0:
            at = end
        lines.append(text[:at])
        text = text[at:].lstrip(" ")
    return [*lines, text]


def cut(text: str, cells: int) -> str:
    """The text, or as much of its beginning as fits, with an ellipsis."""
    if cells_of(text) <= cells:
        return text
    return f"{text[: fitting(text, cells - cells_of('…'))].rstrip()}…"


def padded(text: str, cells: int) -> str:
    """The text, followed by blanks up to this width."""
    return text + " " * (cells - cells_of(text))
