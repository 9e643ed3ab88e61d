"""Numbers and the words that agree with them. Every text that counts something uses these."""

import re
from typing import Final

_ADDS_ES: Final = re.compile(r"(s|x|ch|sh)$")
_CHANGES_Y: Final = re.compile(r"(?<=[^aeiou])y$")


def counted(number: int, thing: str) -> str:
    """`1 message`, `2 messages`, `1,460 copies`."""
    return f"{number:,} {thing if number == 1 else _plural(thing)}"


def agreeing(number: int, one: str, more: str) -> str:
    """The word that agrees with a number: `agreeing(1, "has", "have")` is `has`."""
    return one if number == 1 else more


def _plural(thing: str) -> str:
    if _CHANGES_Y.search(thing):
        return f"{thing[:-1]}ies"
    return f"{thing}es" if _ADDS_ES.search(thing) else f"{thing}s"
