"""Reads the token endpoint's refusals: what each one means for the login, and whether it counts against the account.

OAuth's `error` decides, and Microsoft's number refines; see `endpoint_errors`. Where the request carried the account's
password, every refusal counts unless all its numbers are known not to.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from worker.login.endpoint_errors import BY_ERROR, BY_ERROR_WITH_PASSWORD, BY_NUMBER, Row
from worker.mailbox.login_failures import TRANSIENT, FailureClass, Kind, LoginFailure, Phase, failure, for_kind
from worker.mailbox.response_text import LONGEST_BACKOFF, THROTTLED_WAIT

_AADSTS_NUMBER: Final = re.compile(r"AADSTS(\d{4,8})\b")
_LARGEST_NUMBER: Final = 99_999_999
_MOST_NUMBERS: Final = 4
"""How many numbers are told of one answer."""
_REFINED: Final = {"invalid_grant": ("consent_required",)}
"""What Microsoft's `suberror` may make of an `error`."""
_HTTP_BUSY: Final = 429
_HTTP_SERVER_FAULT: Final = 500
_HTTP_UNAVAILABLE: Final = 503

# Of several known numbers the gravest decides: a lock above all, then failures that count, then the others.
_GRAVEST_FIRST: Final = (
    FailureClass.LOCKED,
    FailureClass.DISABLED,
    FailureClass.EXPIRED,
    FailureClass.REJECTED,
    FailureClass.CONFIGURATION,
    FailureClass.SIGN_IN_AGAIN,
    FailureClass.THROTTLED,
    FailureClass.UNAVAILABLE,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an answer of the token endpoint says of an error, reduced to what is known and can't hold a secret.

    error: OAuth's `error`, if it is a known one; else empty. numbers: Microsoft's, the gravest of the known first.
    unread: the answer names an error, or a number, that this can't tell.
    """

    error: str = ""
    numbers: tuple[int, ...] = ()
    unread: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the answer names no error at all."""
        return not (self.error or self.numbers or self.unread)

    @property
    def said(self) -> str:
        """Return the words of the answer, as `find` reads them: `invalid_grant AADSTS50126`."""
        return " ".join([*([self.error] if self.error else []), *(f"AADSTS{one}" for one in self.numbers)])


NOTHING: Final = Refusal()


def read_refusal(body: object) -> Refusal:
    """Return what the body of an answer says of an error, whatever it holds."""
    if not isinstance(body, Mapping):
        return NOTHING
    error, codes = body.get("error"), body.get("error_codes")
    listed = codes if isinstance(codes, list) else [] if codes is None else [codes]
    given = [_number(one) for one in listed]
    described = [int(one) for one in _AADSTS_NUMBER.findall(str(body.get("error_description")))]
    numbers = dict.fromkeys([*(one for one in given if one is not None), *described])
    is_known = isinstance(error, str) and error in BY_ERROR
    named = str(error) if is_known else ""
    if is_known and body.get("suberror") in _REFINED.get(named, ()):
        named = str(body.get("suberror"))
    ordered = sorted(numbers, key=_gravity)
    return Refusal(
        named,
        tuple(ordered[:_MOST_NUMBERS]),
        unread=None in given or len(ordered) > _MOST_NUMBERS or not (is_known or error is None),
    )


def find(said: str, kind: Kind) -> Row | None:
    """Return the row that explains a failure's words; None if they aren't the token endpoint's, or none does.

    kind: `password` if the request held the account's password.
    """
    return _row(said.partition(" ")[0], [int(one) for one in _AADSTS_NUMBER.findall(said)], kind)


def unknown_numbers(said: str) -> list[int]:
    """Return the numbers in a failure's words that aren't in the table."""
    return [number for number in map(int, _AADSTS_NUMBER.findall(said)) if number not in BY_NUMBER]


def classify_token_failure(
    refusal: Refusal = NOTHING,
    *,
    kind: Kind,
    status: int | None = None,
    retry_after: timedelta | None = None,
    sent: bool = True,
) -> LoginFailure:
    """Classify a refusal of the token endpoint, or the lack of an answer.

    kind: `password` if the request held the account's password.
    status: the HTTP status, None without an answer. sent: whether the request may have been sent.
    """
    said = refusal.said or (f"HTTP {status}" if status else "")
    phase = Phase.SENT if sent else Phase.CONNECT
    cls = for_kind(_class_of(refusal, kind, status, sent=sent), kind)
    wait = min(retry_after, LONGEST_BACKOFF) if retry_after is not None else None
    if wait is None and cls is FailureClass.THROTTLED:
        wait = THROTTLED_WAIT
    found = failure(cls, kind, retry_after=wait, said=said, phase=phase)
    if kind == "password" and sent and status is not None:
        return replace(found, counts=_counts(refusal, status))
    return found


def _number(given: object) -> int | None:
    """Return a number of `error_codes`; None if it isn't one."""
    if isinstance(given, bool) or not isinstance(given, int | str):
        return None
    text = str(given)
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_LARGEST_NUMBER))):
        return None
    return int(text)


def _gravity(number: int) -> int:
    row = BY_NUMBER.get(number)
    return len(_GRAVEST_FIRST) if row is None else _GRAVEST_FIRST.index(row.cls)


def _class_of(refusal: Refusal, kind: Kind, status: int | None, *, sent: bool) -> FailureClass:
    if not sent:
        return FailureClass.THROTTLED if status == _HTTP_BUSY else FailureClass.LOST_BEFORE_SENDING
    if status is None:
        return FailureClass.LOST_AFTER_SENDING
    row = _row(refusal.error, refusal.numbers, kind)
    if row is None:
        return _by_status(kind, status)
    return FailureClass.THROTTLED if status == _HTTP_BUSY and _passes(row) else row.cls


def _row(error: str, numbers: Sequence[int], kind: Kind) -> Row | None:
    """Return the row that decides. numbers: the gravest of the known first."""
    named = (BY_ERROR_WITH_PASSWORD if kind == "password" else BY_ERROR).get(error)
    numbered = next((BY_NUMBER[number] for number in numbers if number in BY_NUMBER), None)
    if kind == "token" and _passes(named) and not _passes(numbered):
        return named  # by OAuth's word it passes, whatever the number says
    return numbered or named


def _passes(row: Row | None) -> bool:
    return row is not None and row.cls in TRANSIENT


def _by_status(kind: Kind, status: int) -> FailureClass:
    """Return what an answer without a known error means."""
    if status == _HTTP_BUSY:
        return FailureClass.THROTTLED
    if status == _HTTP_UNAVAILABLE:
        return FailureClass.UNAVAILABLE
    # a gateway may send another 5xx after the password was checked, so with a password only a named outage is free
    if status >= _HTTP_SERVER_FAULT:
        return FailureClass.UNAVAILABLE if kind == "token" else FailureClass.AMBIGUOUS
    return FailureClass.AMBIGUOUS


def _counts(refusal: Refusal, status: int) -> bool:
    """Whether an answer to the account's password counts against the account.

    A number never makes it milder unless it is known to be one that doesn't count, and all others are so, too.
    """
    if refusal.unread:
        return True
    if refusal.numbers:
        return any(number not in BY_NUMBER or BY_NUMBER[number].counts for number in refusal.numbers)
    passes = not refusal.error or _passes(BY_ERROR.get(refusal.error))
    return not (passes and status in (_HTTP_BUSY, _HTTP_UNAVAILABLE))
