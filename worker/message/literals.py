"""Tells a text that is written in the source code from one that was made while the program ran.

Only the first kind may be stored or logged: a text that was made may quote a message.
"""

import re
import sys
from collections.abc import Iterator
from enum import Enum
from types import CodeType, FrameType

LONGEST_WORD = 60


def calling_frame(depth: int = 1) -> FrameType:
    """The frame that called the function that asks. depth: 2 for the caller's caller, and so on."""
    return sys._getframe(depth + 1)  # noqa: SLF001 -- the interpreter's way to ask who calls


def place_of(frame: FrameType) -> str:
    """Module and line that the frame is at."""
    return f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno}"


def is_literal(text: str, frame: FrameType) -> bool:
    """Whether the text is a constant of the code that this frame runs.

    It must be the very object that the compiler stored with the code. An equal text isn't enough: a message may say
    the same word.
    """
    return type(text) is str and any(text is constant for constant in _texts(frame.f_code))


def is_fixed_member(value: object) -> bool:
    """Whether this is a member of an Enum that its module holds under the Enum's own name, and whose value is text."""
    if not isinstance(value, Enum) or not isinstance(value.value, str):
        return False
    found: object = sys.modules.get(type(value).__module__)
    for part in type(value).__qualname__.split("."):
        found = getattr(found, part, None)
    return found is type(value)


def as_slug(text: str) -> str:
    """The text as one lower-case word with hyphens, at most `LONGEST_WORD` characters; empty if nothing is left."""
    words = re.findall(r"[a-z0-9_]+", text.lower().replace("'", ""))
    while words and len("-".join(words)) > LONGEST_WORD:
        words.pop()
    return "-".join(words)


def _texts(code: CodeType) -> Iterator[object]:
    """The constants of the code, with those in tuples: the names of a call's arguments are in one."""
    for constant in code.co_consts:
        if isinstance(constant, tuple):
            yield from constant
        else:
            yield constant
