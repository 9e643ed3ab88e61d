"""Why a server refuses a command on a folder, as far as its answer says."""

import re
from enum import StrEnum
from typing import Final

from worker.mailbox.response_text import code_of


class Refusal(StrEnum):
    """What a refusal means for the folder."""

    EXISTS = "exists"
    """There is such a folder already, so CREATE isn't needed."""
    PASSING = "passing"
    """The folder can't be had now, and can be later."""
    FULL = "full"
    """The mailbox is full. It stays like that until a person makes room."""
    LASTING = "lasting"
    """It stays like that until a person changes something."""


# RFC 5530. UNAVAILABLE and LIMIT aren't here: whatever the command was, they end the session for a while.
_CODES: Final = {
    "ALREADYEXISTS": Refusal.EXISTS,
    "INUSE": Refusal.PASSING,
    "OVERQUOTA": Refusal.FULL,
    "SERVERBUG": Refusal.PASSING,
    **dict.fromkeys(
        (
            *("AUTHORIZATIONFAILED", "CANNOT", "CLIENTBUG", "CONTACTADMIN", "CORRUPTION", "EXPIRED", "NONEXISTENT"),
            *("NOPERM", "PRIVACYREQUIRED", "TRYCREATE"),
        ),
        Refusal.LASTING,
    ),
}
_WORDS: Final = (
    (re.compile(r"\balready exists?\b|\b(?:mailbox|folder) exists\b", re.IGNORECASE), Refusal.EXISTS),
    (
        re.compile(
            r"\b(?:mailbox|folder|server|service|backend|database|store|it) (?:is |are )?"
            r"(?:temporarily |currently |now )?(?:unavailable|not available|locked|busy|offline|unreachable)\b"
            r"|\btemporar(?:y|ily)\b|\btry (?:again|later)\b|\bin use\b|\btimed? ?out\b|\binternal (?:server )?error\b"
            r"|\bmigrat(?:ion|ing|ed)\b|\bbeing (?:moved|migrated|repaired|rebuilt)\b|\bmaintenance\b"
            r"|\bserver unavailable\b|\btoo busy\b",
            re.IGNORECASE,
        ),
        Refusal.PASSING,
    ),
)


def refusal_of(text: str) -> Refusal:
    """What the server means by this NO. A known response code decides, whatever words stand beside it."""
    known = _CODES.get(code_of(text) or "")
    if known is not None:
        return known
    return next((refusal for pattern, refusal in _WORDS if pattern.search(text)), Refusal.LASTING)
