"""One way to write each text (Unicode's NFC), in time linear in its length."""

import re
import unicodedata

_MOST_MARKS = 30  # one after another: Unicode's Stream-Safe Text Format (UAX #15, 13), as no language needs more
_JOINER = "\u034f"
_MAY_BE_MARKS = re.compile(f"[^\x00-\u02ff]{{{_MOST_MARKS + 1}}}")


def composed(text: str) -> str:
    """The text in NFC; a joiner, which nobody sees, breaks what has more combining marks than any language writes.

    Putting marks in order takes quadratic time, in which no other thread runs: a subject of 240 kB took 23 seconds.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _broken(text) if _MAY_BE_MARKS.search(text) else text)


def _broken(text: str) -> str:
    pieces: list[str] = []
    start = marks = 0
    for position, char in enumerate(text):
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks > _MOST_MARKS:
            pieces.append(text[start:position])
            start, marks = position, 1
    pieces.append(text[start:])
    return _JOINER.join(pieces)
