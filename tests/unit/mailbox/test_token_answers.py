"""What the token endpoint's answers mean: every AADSTS number in the table, and answers without one."""

from datetime import timedelta
from typing import Any

import pytest

from worker.mailbox.login_failures import FailureClass
from worker.mailbox.token_answers import classify_token_failure

F = FailureClass

AADSTS_ROWS = [
    (50126, F.REJECTED, True),
    (50053, F.LOCKED, True),
    (50055, F.EXPIRED, True),
    (50057, F.DISABLED, True),
    *((number, F.CONFIGURATION, False) for number in (50076, 50079, 53003, 65001, 70002, 7000215, 7000222)),
    *((number, F.SIGN_IN_AGAIN, False) for number in (50173, 70000, 70008, 700082)),
    *((number, F.UNAVAILABLE, False) for number in (90006, 90024, 90033, 50033, 50087, 50196)),
    (99999, F.AMBIGUOUS, True),
]


@pytest.mark.parametrize(("number", "cls", "counts"), AADSTS_ROWS)
def test_answers_of_the_token_endpoint_to_a_password(number: int, cls: F, *, counts: bool) -> None:
    by_number = classify_token_failure(kind="password", numbers=(number,), status=400)
    by_text = classify_token_failure(kind="password", description=f"AADSTS{number}: something.", status=400)
    assert (by_number.cls, by_number.counts) == (by_text.cls, by_text.counts) == (cls, counts)
    assert by_number.said == ("HTTP 400" if cls is F.AMBIGUOUS else f"AADSTS{number}")


@pytest.mark.parametrize(
    ("numbers", "cls"),
    [
        ((50126, 50053), F.LOCKED),
        ((50053, 50126), F.LOCKED),
        ((90033, 50126), F.REJECTED),
        ((50076, 50126), F.REJECTED),
        ((50126, 50057), F.DISABLED),
        ((50126, 50055), F.EXPIRED),
        ((12345, 90033), F.UNAVAILABLE),
    ],
)
def test_of_several_numbers_the_gravest_is_meant(numbers: tuple[int, ...], cls: F) -> None:
    found = classify_token_failure(kind="password", numbers=numbers[:1], description=f"AADSTS{numbers[1]}", status=400)
    assert found.cls is cls
    assert found.said in {f"AADSTS{number}" for number in numbers}
    assert classify_token_failure(kind="password", numbers=(int(found.said[6:]),), status=400).cls is cls


@pytest.mark.parametrize(("number", "cls", "counts"), AADSTS_ROWS)
def test_a_token_request_without_the_password_never_spends_the_budget(number: int, cls: F, *, counts: bool) -> None:
    found = classify_token_failure(kind="token", numbers=(number,), status=400)
    assert found.cls is (F.TOKEN_REJECTED if cls is F.REJECTED else cls)
    assert found.counts == (found.cls in {F.TOKEN_REJECTED, F.AMBIGUOUS})


@pytest.mark.parametrize(
    ("status", "sent", "password", "token"),
    [
        (None, True, (F.LOST_AFTER_SENDING, True), (F.LOST_AFTER_SENDING, False)),
        (None, False, (F.LOST_BEFORE_SENDING, False), (F.LOST_BEFORE_SENDING, False)),
        (429, True, (F.THROTTLED, False), (F.THROTTLED, False)),
        (500, True, (F.AMBIGUOUS, True), (F.UNAVAILABLE, False)),
        (502, True, (F.AMBIGUOUS, True), (F.UNAVAILABLE, False)),
        (503, True, (F.UNAVAILABLE, False), (F.UNAVAILABLE, False)),
        (400, True, (F.AMBIGUOUS, True), (F.AMBIGUOUS, True)),
        (200, True, (F.AMBIGUOUS, True), (F.AMBIGUOUS, True)),
    ],
)
def test_what_the_token_endpoint_doesnt_name(status: int | None, *, sent: bool, password: Any, token: Any) -> None:
    one = classify_token_failure(kind="password", status=status, sent=sent)
    other = classify_token_failure(kind="token", status=status, sent=sent)
    assert (one.cls, one.counts) == password
    assert (other.cls, other.counts) == token


def test_the_token_endpoints_pause_is_kept_to() -> None:
    assert classify_token_failure(kind="token", status=429).retry_after == timedelta(minutes=5)
    told = classify_token_failure(kind="token", status=429, retry_after=timedelta(seconds=7))
    assert told.retry_after == timedelta(seconds=7)
    assert classify_token_failure(kind="token", status=429, retry_after=timedelta(days=9)).retry_after == timedelta(
        days=1
    )
