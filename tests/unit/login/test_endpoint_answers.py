"""What the token endpoint's answers mean: by OAuth's error, by Microsoft's numbers, and without either."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from tests.unit.login.endpoint import BODIES, FREE, SECRET, STATUSES, is_free, numbers_in
from worker.login.endpoint_answers import (
    NOTHING,
    Refusal,
    classify_token_failure,
    find,
    read_refusal,
    unknown_numbers,
)
from worker.login.endpoint_errors import BY_ERROR, BY_NUMBER, NUMBERED
from worker.mailbox.login_failures import TRANSIENT, FailureClass, Kind, LoginFailure

F = FailureClass


def answered(kind: Kind, body: object = None, status: int | None = 400, **given_: Any) -> LoginFailure:
    return classify_token_failure(read_refusal(body), kind=kind, status=status, **given_)


def body_of(*numbers: int, error: str | None = "invalid_grant", described: bool = False) -> dict[str, Any]:
    text = " ".join(f"AADSTS{number}: Something about it." for number in numbers)
    codes = {} if described else {"error_codes": list(numbers)}
    return {"error": error, "error_description": text if described else "Something.", **codes}


# -- the numbers -------------------------------------------------------------------------------------------------------


OFTEN_SEEN = [
    *(7000218, 700016, 90002, 50105, 65001, 90094, 70043, 50076, 50079, 53000, 53003, 50034, 7000215, 7000222, 700027),
    *(500011, 530033, 530035, 530036, 50072, 50074, 50158, 500121, 50173, 50132, 50133, 70008, 700082, 70000, 700084),
    *(70011, 650053, 7000229, 7000112, 500014, 50144, 50142, 53001, 53002, 530032, 900023, 50126, 50053, 50055, 50057),
    *(90055, 90033, 70019, 70020, 70018),
]


@pytest.mark.parametrize("number", OFTEN_SEEN)
@pytest.mark.parametrize("kind", ["password", "token"])
def test_no_number_that_is_often_seen_is_ambiguous(number: int, kind: Kind) -> None:
    found = answered(kind, body_of(number, error=None))
    assert found.cls is not F.AMBIGUOUS
    assert found.said == f"AADSTS{number}"


NAMED_FIRST = [
    (50126, F.REJECTED, True),
    (50053, F.LOCKED, True),
    (50055, F.EXPIRED, True),
    (50057, F.DISABLED, True),
    *((number, F.CONFIGURATION, False) for number in (50076, 50079, 53003, 65001, 70002, 7000215, 7000222)),
    *((number, F.SIGN_IN_AGAIN, False) for number in (50173, 70000, 70008, 700082)),
    *((number, F.UNAVAILABLE, False) for number in (90006, 90024, 90033, 50033, 50087, 50196)),
    (99999, F.REJECTED, True),
]


@pytest.mark.parametrize(("number", "cls", "counts"), NAMED_FIRST)
def test_answers_of_the_token_endpoint_to_a_password(number: int, cls: F, *, counts: bool) -> None:
    by_number = answered("password", body_of(number))
    by_text = answered("password", body_of(number, described=True))
    assert (by_number.cls, by_number.counts) == (by_text.cls, by_text.counts) == (cls, counts)
    assert by_number.said == by_text.said == f"invalid_grant AADSTS{number}"


@pytest.mark.parametrize(
    ("numbers", "cls", "counts"),
    [
        ((50126, 50053), F.LOCKED, True),
        ((50053, 50126), F.LOCKED, True),
        ((90033, 50126), F.REJECTED, True),
        ((50076, 50126), F.REJECTED, True),
        ((50126, 50057), F.DISABLED, True),
        ((50126, 50055), F.EXPIRED, True),
        ((12345, 90033), F.UNAVAILABLE, True),
        ((12345, 50076), F.CONFIGURATION, True),
        ((90033, 50076), F.CONFIGURATION, False),
        ((90033, 90055), F.THROTTLED, False),
    ],
)
def test_of_several_numbers_the_gravest_is_meant_and_an_unknown_one_makes_none_milder(
    numbers: tuple[int, int], cls: F, *, counts: bool
) -> None:
    body = body_of(numbers[0]) | {"error_description": f"AADSTS{numbers[1]}"}
    found = answered("password", body)
    assert (found.cls, found.counts) == (cls, counts)
    assert {f"AADSTS{number}" for number in numbers} <= set(found.said.split())
    row = find(found.said, "password")
    assert row is not None
    assert row.cls is cls


@pytest.mark.parametrize(("number", "cls", "counts"), NAMED_FIRST)
def test_a_token_request_without_the_password_never_spends_the_budget(number: int, cls: F, *, counts: bool) -> None:
    found = answered("token", body_of(number))
    expected = {F.REJECTED: F.SIGN_IN_AGAIN if number == 99999 else F.TOKEN_REJECTED}.get(cls, cls)
    assert (found.kind, found.cls) == ("token", expected)
    assert found.counts == (found.cls is F.TOKEN_REJECTED)


# -- the error decides -------------------------------------------------------------------------------------------------


BY_NAME = [
    ("invalid_grant", F.SIGN_IN_AGAIN, F.REJECTED),
    *((error, F.SIGN_IN_AGAIN, F.CONFIGURATION) for error in ("interaction_required", "login_required")),
    *((error, F.SIGN_IN_AGAIN, F.CONFIGURATION) for error in ("account_selection_required", "access_denied")),
    *(
        (error, F.CONFIGURATION, F.CONFIGURATION)
        for error in (
            *("invalid_client", "unauthorized_client", "invalid_scope", "invalid_resource", "invalid_target"),
            *("invalid_request", "unsupported_grant_type", "unsupported_response_type", "consent_required"),
            *("invalid_tenant", "invalid_instance"),
        )
    ),
    *((error, F.UNAVAILABLE, F.UNAVAILABLE) for error in ("temporarily_unavailable", "server_error")),
    ("slow_down", F.THROTTLED, F.THROTTLED),
    *(
        (error, F.SIGN_IN_AGAIN, F.SIGN_IN_AGAIN)
        for error in (
            *("expired_token", "authorization_pending", "bad_verification_code", "authorization_declined"),
            "code_expired",
        )
    ),
]


@pytest.mark.parametrize("numbers", [(), (12345,), (12345, 6789012)])
@pytest.mark.parametrize(("error", "token", "password"), BY_NAME)
def test_an_error_without_a_known_number_decides(error: str, token: F, password: F, numbers: tuple[int, ...]) -> None:
    body = body_of(*numbers, error=error)
    without = answered("token", body)
    assert (without.cls, without.counts) == (token, False)
    with_it = answered("password", body)
    assert (with_it.cls, with_it.counts) == (password, True)
    said = " ".join([error, *(f"AADSTS{number}" for number in numbers)])
    assert without.said == with_it.said == said
    assert unknown_numbers(said) == list(numbers)


def test_every_error_of_the_table_is_tried() -> None:
    assert {error for error, _, _ in BY_NAME} == set(BY_ERROR)


@pytest.mark.parametrize("error", ["temporarily_unavailable", "server_error", "slow_down"])
@pytest.mark.parametrize("number", [7000222, 53003, 50173, 50057, 12345])
def test_what_passes_by_oauths_word_never_halts_a_token_whatever_its_number(error: str, number: int) -> None:
    found = answered("token", body_of(number, error=error))
    assert found.cls is BY_ERROR[error].cls
    assert (found.transient, found.halts) == (True, False)
    row = find(found.said, "token")
    assert row is not None
    assert row.cls is found.cls
    if number in BY_NUMBER:
        assert answered("password", body_of(number, error=error)).halts


def test_a_missing_consent_is_told_by_microsofts_suberror_too() -> None:
    body = {"error": "invalid_grant", "suberror": "consent_required", "error_codes": [12345]}
    found = answered("token", body)
    assert (found.cls, found.said) == (F.CONFIGURATION, "consent_required AADSTS12345")
    assert answered("token", body | {"suberror": "basic_action"}).cls is F.SIGN_IN_AGAIN
    assert answered("token", body | {"suberror": ["odd"]}).cls is F.SIGN_IN_AGAIN
    assert answered("password", body).counts


# -- neither -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "sent", "password", "token"),
    [
        (None, True, (F.LOST_AFTER_SENDING, True), (F.LOST_AFTER_SENDING, False)),
        (None, False, (F.LOST_BEFORE_SENDING, False), (F.LOST_BEFORE_SENDING, False)),
        (429, True, (F.THROTTLED, False), (F.THROTTLED, False)),
        (429, False, (F.THROTTLED, False), (F.THROTTLED, False)),
        (500, True, (F.AMBIGUOUS, True), (F.UNAVAILABLE, False)),
        (502, True, (F.AMBIGUOUS, True), (F.UNAVAILABLE, False)),
        (503, True, (F.UNAVAILABLE, False), (F.UNAVAILABLE, False)),
        (503, False, (F.LOST_BEFORE_SENDING, False), (F.LOST_BEFORE_SENDING, False)),
        (400, True, (F.AMBIGUOUS, True), (F.AMBIGUOUS, True)),
        (200, True, (F.AMBIGUOUS, True), (F.AMBIGUOUS, True)),
    ],
)
def test_what_the_token_endpoint_doesnt_name(status: int | None, *, sent: bool, password: Any, token: Any) -> None:
    one = answered("password", status=status, sent=sent)
    other = answered("token", status=status, sent=sent)
    assert (one.cls, one.counts) == password
    assert (other.cls, other.counts) == token
    assert one.said == other.said == (f"HTTP {status}" if status else "")


@pytest.mark.parametrize(
    ("status", "body", "counts"),
    [
        (429, {"error": "slow_down"}, False),
        (503, {"error": "temporarily_unavailable"}, False),
        (503, {"error": "invalid_grant"}, True),
        (429, {"error": "invalid_client"}, True),
        (503, {"error": "something_else"}, True),
        (503, {"error_codes": [12345]}, True),
        (429, {"error": "temporarily_unavailable", "error_codes": [12345]}, True),
        (429, {"error": "temporarily_unavailable", "error_codes": [90055]}, False),
        (503, {"error": "temporarily_unavailable", "error_codes": [90033, 50126]}, True),
        (503, {"error": "temporarily_unavailable", "error_codes": [90033, "soon"]}, True),
        (400, {"error": "temporarily_unavailable"}, True),
        (400, {"error": "slow_down"}, True),
    ],
)
def test_an_outage_that_says_more_than_that_counts_as_what_it_says(
    status: int, body: dict[str, Any], *, counts: bool
) -> None:
    assert answered("password", body, status).counts is counts
    assert not answered("token", body, status).counts


def test_the_token_endpoints_pause_is_kept_to() -> None:
    assert answered("token", status=429).retry_after == timedelta(minutes=5)
    assert answered("token", {"error": "slow_down"}).retry_after == timedelta(minutes=5)
    assert answered("token", status=429, retry_after=timedelta(seconds=7)).retry_after == timedelta(seconds=7)
    assert answered("token", status=429, retry_after=timedelta(days=9)).retry_after == timedelta(days=1)
    assert answered("token", {"error": "server_error"}, retry_after=timedelta(seconds=7)).retry_after == timedelta(
        seconds=7
    )


# -- what an answer holds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, [], "text", 17, True, {}, {"error_codes": None}, {"error": None}])
def test_an_answer_without_an_error(body: object) -> None:
    assert read_refusal(body) == NOTHING
    assert read_refusal(body).is_empty


@pytest.mark.parametrize(
    ("codes", "numbers", "unread"),
    [
        ([50126], (50126,), False),
        (["50126"], (50126,), False),
        (50126, (50126,), False),
        ([50126, 50126], (50126,), False),
        ([1, 2, 3, 4, 50126, 6], (50126, 1, 2, 3), True),
        ([True], (), True),
        ([1.5], (), True),
        ([None], (), True),
        ([-50126], (), True),
        ([["50126"]], (), True),
        (["\u0665\u0660"], (), True),
        ([10**30], (), True),
        ({"50126": 1}, (), True),
        ([50126, "x"], (50126,), True),
    ],
)
def test_numbers_in_any_form(codes: object, numbers: tuple[int, ...], *, unread: bool) -> None:
    found = read_refusal({"error_codes": codes})
    assert (found.numbers, found.unread) == (numbers, unread)
    assert not found.is_empty


@pytest.mark.parametrize("error", ["my-secret", "", ["invalid_grant"], 17, {}, "INVALID_GRANT", "invalid_grant "])
def test_an_error_that_isnt_known_is_never_repeated(error: object) -> None:
    found = read_refusal({"error": error})
    assert found == Refusal(unread=True)
    assert answered("token", {"error": error}).said == "HTTP 400"
    assert answered("password", {"error": error}).counts


# -- whatever an endpoint answers --------------------------------------------------------------------------------------


@given(body=BODIES, status=STATUSES)
@settings(max_examples=600, deadline=None)
def test_with_the_accounts_password_every_answer_counts_but_what_is_known_not_to(body: Any, status: int) -> None:
    found = answered("password", json.loads(json.dumps(body)), status)
    numbers, _ = numbers_in(body)
    assert found.counts is not is_free(body, status)
    if numbers & {50053, 50055, 50057} and len(numbers) <= 4:
        assert found.halts
        assert found.counts
    assert SECRET not in repr(found)


@given(body=BODIES, status=STATUSES)
@settings(max_examples=600, deadline=None)
def test_without_the_password_nothing_that_is_named_is_ambiguous(body: Any, status: int) -> None:
    found = answered("token", json.loads(json.dumps(body)), status)
    assert found.kind == "token"
    assert not (found.counts and found.cls not in {F.AMBIGUOUS, F.TOKEN_REJECTED})
    numbers, _ = numbers_in(body)
    error = body["error"] if isinstance(body, dict) else None
    named = BY_ERROR.get(error) if isinstance(error, str) else None
    if named or numbers & set(BY_NUMBER):
        assert found.cls is not F.AMBIGUOUS
    if named is not None and named.cls in TRANSIENT:
        assert found.transient
    if error == "invalid_grant" and not numbers & set(BY_NUMBER) and body.get("suberror") != "consent_required":
        assert found.cls is F.SIGN_IN_AGAIN
    told = {int(one.removeprefix("AADSTS")) for one in found.said.split() if one.startswith("AADSTS")}
    assert told <= numbers
    assert len(told) == min(4, len(numbers))
    assert SECRET not in repr(found)
    row = find(found.said, "token")
    if row is not None:
        assert found.cls in {row.cls, F.TOKEN_REJECTED if row.cls is F.REJECTED else row.cls} or status == 429


def test_the_table_frees_no_number_that_isnt_listed_here() -> None:
    assert {row.number for row in NUMBERED if not row.counts} == FREE
