"""Evidence from the headers of SpamAssassin, and of filters that write the same ones."""

import re

from worker.classify.policy import JunkPolicy
from worker.classify.reading import NUMBER, Reader, Reading, number, plain

_WORD = re.compile(r"(yes|no)(?=[\s,]|$)", re.IGNORECASE)
_SCORE = re.compile(rf"\b(?:score|hits)=({NUMBER})(?=[\s,]|$)")
_REQUIRED = re.compile(rf"\brequired=({NUMBER})(?=[\s,]|$)")

_SPAM = "SpamAssassin found spam"
_NOT_SPAM = "SpamAssassin found no spam; noted, since no header takes suspicion away"


def read_flag(value: str, _policy: JunkPolicy) -> list[Reading]:
    """Read X-Spam-Flag: `YES`."""
    return [Reading("Yes", True, _SPAM)] if plain(value).strip().lower() == "yes" else []


def read_status(value: str, _policy: JunkPolicy) -> list[Reading]:
    """Read X-Spam-Status: `Yes, score=7.9 required=5.0 …`. The word decides; the numbers are for people."""
    text = plain(value).strip()
    word = _WORD.match(text)
    if word is None:
        return []
    spam = word[1].lower() == "yes"
    score, required = _SCORE.search(text), _REQUIRED.search(text)
    numbers = f" score={number(score[1])} required={number(required[1])}" if score and required else ""
    return [Reading(word[1].title() + numbers, spam, _SPAM if spam else _NOT_SPAM)]


READERS: dict[str, Reader] = {"X-Spam-Flag": read_flag, "X-Spam-Status": read_status}
