"""Unicode normalisation (NFC) in time linear in the length of the text."""

import re
import unicodedata

_MOST_MARKS = 30  # in a row: the limit of Unicode's Stream-Safe Text Format (UAX #15, 13); no language needs more
_JOINER = "\u034f"
_MAY_BE_MARKS = re.compile(f"[^\x00-\u02ff]{{{_MOST_MARKS + 1}}}")


def composed(text: str) -> str:
    """Return the text in NFC, with an invisible joiner wherever too many combining marks follow each other.

    Sorting combining marks takes quadratic time and blocks all other threads: a subject of 240 kB took 23 seconds.
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
