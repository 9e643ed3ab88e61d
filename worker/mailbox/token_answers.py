"""Classifies refusals of Microsoft's token endpoint, and decides whether they count towards the account's lockout.

Source: Microsoft's list of AADSTS error codes.
"""

import re
from datetime import timedelta
from typing import Final

from worker.mailbox.login_failures import FailureClass, Kind, LoginFailure, Phase, failure, for_kind
from worker.mailbox.response_text import LONGEST_BACKOFF, THROTTLED_WAIT

# AADSTS numbers in the endpoint's answers. A number that isn't listed is ambiguous.
_AADSTS: Final = {
    **dict.fromkeys((50126,), FailureClass.REJECTED),
    **dict.fromkeys((50053,), FailureClass.LOCKED),
    **dict.fromkeys((50055,), FailureClass.EXPIRED),
    **dict.fromkeys((50057,), FailureClass.DISABLED),
    **dict.fromkeys((50076, 50079, 53003, 65001, 70002, 7000215, 7000222), FailureClass.CONFIGURATION),
    **dict.fromkeys((50173, 70000, 70008, 700082), FailureClass.SIGN_IN_AGAIN),
    **dict.fromkeys((90006, 90024, 90033, 50033, 50087, 50196), FailureClass.UNAVAILABLE),
}
# If an answer has several numbers, the gravest decides: a lock above all, then failures that count, then the others.
_GRAVEST_FIRST: Final = (
    FailureClass.LOCKED,
    FailureClass.DISABLED,
    FailureClass.EXPIRED,
    FailureClass.REJECTED,
    FailureClass.CONFIGURATION,
    FailureClass.SIGN_IN_AGAIN,
    FailureClass.UNAVAILABLE,
)
_AADSTS_NUMBER: Final = re.compile(r"AADSTS(\d{4,8})\b")
_HTTP_BUSY: Final = 429
_HTTP_SERVER_FAULT: Final = 500
_HTTP_UNAVAILABLE: Final = 503


def classify_token_failure(
    *,
    kind: Kind,
    numbers: tuple[int, ...] = (),
    description: str = "",
    status: int | None = None,
    retry_after: timedelta | None = None,
    sent: bool = True,
) -> LoginFailure:
    """Classify a refusal of the token endpoint, or the lack of an answer.

    kind: `password` if the request held the account's password.
    numbers: the answer's `error_codes`. status: the HTTP status, None without an answer.
    sent: whether the request may have been sent.
    """
    found = [*numbers, *(int(number) for number in _AADSTS_NUMBER.findall(description))]
    known = sorted((number for number in found if number in _AADSTS), key=_gravity)
    said = f"AADSTS{known[0]}" if known else f"HTTP {status}" if status else ""
    phase = Phase.SENT if sent else Phase.CONNECT
    cls = _token_class(kind, _AADSTS[known[0]] if known else None, status, sent=sent)
    wait = min(retry_after, LONGEST_BACKOFF) if retry_after is not None else None
    if wait is None and cls is FailureClass.THROTTLED:
        wait = THROTTLED_WAIT
    return failure(cls, kind, retry_after=wait, said=said, phase=phase)


def _gravity(number: int) -> int:
    return _GRAVEST_FIRST.index(_AADSTS[number])


def _token_class(kind: Kind, known: FailureClass | None, status: int | None, *, sent: bool) -> FailureClass:
    if not sent:
        return FailureClass.THROTTLED if status == _HTTP_BUSY else FailureClass.LOST_BEFORE_SENDING
    if known:
        return for_kind(known, kind)
    if status is None:
        return FailureClass.LOST_AFTER_SENDING
    if status == _HTTP_BUSY:
        return FailureClass.THROTTLED
    if status == _HTTP_UNAVAILABLE:
        return FailureClass.UNAVAILABLE
    # a gateway may send another 5xx after the password was checked, so with a password only a named outage is free
    if status >= _HTTP_SERVER_FAULT:
        return FailureClass.UNAVAILABLE if kind == "token" else FailureClass.AMBIGUOUS
    return FailureClass.AMBIGUOUS
