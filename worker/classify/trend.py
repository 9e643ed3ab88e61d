"""Evidence from Trend Micro's headers, in all known grammars.

`Yes-5.339-5.0-31-1` (score, threshold, category, type), `No-7.110300-8.000000-10`, `No-10--3.487300-8.000000` (a number
first; the second minus is the score's sign), and without a word `10--5.534000-4.000000` (spam if the score reaches the
threshold). If there is a word, it decides, and the numbers are for people.
"""

import re

from worker.classify.policy import JunkPolicy
from worker.classify.reading import NUMBER, Reader, Reading, number, plain

_COUNT = r"[0-9]{1,6}"
_FRACTION = r"-?[0-9]{1,6}\.[0-9]{1,9}"
_SCORE_FIRST = re.compile(rf"({NUMBER})-({NUMBER})-{_COUNT}(?:-{_COUNT})?")
_NUMBER_FIRST = re.compile(rf"{_COUNT}-({_FRACTION})-({_FRACTION})")
_WITHOUT_WORD = re.compile(rf"{_COUNT}-({NUMBER})-({NUMBER})")

_SPAM = "Trend Micro found spam"
_NOT_SPAM = "Trend Micro found no spam; noted, since no header takes suspicion away"
_UNREADABLE = Reading("unreadable", False, "it follows no grammar that is known here; noted only")


def read_result(value: str, _policy: JunkPolicy) -> list[Reading]:
    """Read X-TM-AS-Result and X-TMASE-Result in any of the grammars."""
    word, _, tail = plain(value).partition("-")
    word = word.strip().lower()
    if word in {"yes", "no"}:
        spam = word == "yes"
        return [Reading(word.title() + _scores(_squeezed(tail)), spam, _SPAM if spam else _NOT_SPAM)]
    if match := _WITHOUT_WORD.fullmatch(_squeezed(plain(value))):
        spam = float(match[1]) >= float(match[2])
        return [Reading(_written(match).strip(), spam, _SPAM if spam else _NOT_SPAM)]
    return [_UNREADABLE]


def read_blocked(value: str, _policy: JunkPolicy) -> list[Reading]:
    """Read X-TM-AS-User-Blocked-Sender: the recipient's own list."""
    if plain(value).strip().lower() == "yes":
        return [Reading("blocked-sender:Yes", True, "the recipient blocks this sender")]
    return []


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _scores(tail: str) -> str:
    # Try the narrower pattern first. It requires fractions, so it doesn't match `7.11-8.00-10`.
    match = _NUMBER_FIRST.fullmatch(tail) or _SCORE_FIRST.fullmatch(tail)
    return _written(match) if match else ""


def _written(match: re.Match[str]) -> str:
    return f" score={number(match[1])} threshold={number(match[2])}"


READERS: dict[str, Reader] = {
    "X-TM-AS-Result": read_result,
    "X-TMASE-Result": read_result,
    "X-TM-AS-User-Blocked-Sender": read_blocked,
}
