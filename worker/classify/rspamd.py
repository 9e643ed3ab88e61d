"""Evidence from Rspamd's headers."""

import re

from worker.classify.policy import JunkPolicy
from worker.classify.reading import NUMBER, Reader, Reading, number, plain

# The quantifiers are possessive or bounded, so that no text causes excessive backtracking.
_RESULT = re.compile(
    rf"[A-Za-z0-9_.-]{{1,64}}+\s*+:\s*+(true|false)\s*+(?:\[\s*+({NUMBER})\s*+/\s*+({NUMBER})\s*+\]\s*+)?(?=;|$)",
    re.IGNORECASE,
)

_SPAM = "Rspamd found spam"
_NOT_SPAM = "Rspamd found no spam; noted, since no header takes suspicion away"


def read_flag(value: str, _policy: JunkPolicy) -> list[Reading]:
    """Read X-Spam: `Yes`."""
    return [Reading("Yes", True, _SPAM)] if plain(value).strip().lower() == "yes" else []


def read_result(value: str, _policy: JunkPolicy) -> list[Reading]:
    """Read X-Spamd-Result: `default: True [15.10 / 15.00]; …`. The word decides; the numbers are for people."""
    match = _RESULT.match(plain(value).strip())
    if match is None:
        return []
    spam = match[1].lower() == "true"
    numbers = f" score={number(match[2])} required={number(match[3])}" if match[2] else ""
    return [Reading(match[1].title() + numbers, spam, _SPAM if spam else _NOT_SPAM)]


READERS: dict[str, Reader] = {"X-Spam": read_flag, "X-Spamd-Result": read_result}
