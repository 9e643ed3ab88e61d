"""Evidence from Exchange's composite sender check, `compauth=` in Authentication-Results.

Exchange writes no authserv-id, so only its position distinguishes the header from a forged one. By default the result
is only recorded: see `worker.classify.policy.COUNTING_SOURCES`.
"""

import re

from worker.classify.policy import JunkPolicy
from worker.classify.reading import Reader, Reading, plain

_COMPAUTH = re.compile(
    r"(?:^|[;\s])compauth=(fail|pass|softpass|none)(?:\s{1,16}reason=([0-9]{3}))?(?=[;\s]|$)", re.IGNORECASE
)

_FAILED = "Exchange couldn't confirm the sender"
_NOT_FAILED = "it doesn't speak for junk; noted, since no header takes suspicion away"


def read_results(value: str, _policy: JunkPolicy) -> list[Reading]:
    """Read every `compauth=` in Authentication-Results."""
    return [_reading(match) for match in _COMPAUTH.finditer(plain(value))]


def _reading(match: re.Match[str]) -> Reading:
    failed = match[1].lower() == "fail"
    reason = f" reason={match[2]}" if match[2] else ""
    return Reading(f"compauth={match[1].lower()}{reason}", failed, _FAILED if failed else _NOT_FAILED)


READERS: dict[str, Reader] = {"Authentication-Results": read_results}
