"""What expires: which things, when a warning is due, and that each is told once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.login.expiry import (
    TABLE,
    Expiry,
    Found,
    KnownBy,
    Plan,
    Thing,
    Way,
    expiries,
    sentence,
    warning_due,
)
from worker.login.password_policy import DAY, age_of
from worker.logs.fields import FIELDS

NOW = 1_800_000_000.0
P, PUBLIC, CONFIDENTIAL, SECRET, CERTIFICATE, SIGN_IN = Thing


@pytest.mark.parametrize(
    ("way", "things"),
    [
        (Way("password"), (P,)),
        (Way("oauth2-password"), (P,)),
        (Way("oauth2-password", has_secret=True), (P,)),
        (Way("oauth2-client", has_secret=True), (SECRET,)),
        (Way("oauth2-client", has_certificate=True), (CERTIFICATE,)),
        (Way("oauth2-device"), (PUBLIC, SIGN_IN)),
        (Way("oauth2-device", has_secret=True), (PUBLIC, SIGN_IN)),
        (Way("oauth2-browser"), (PUBLIC, SIGN_IN)),
        (Way("oauth2-browser", has_secret=True), (CONFIDENTIAL, SECRET, SIGN_IN)),
        (Way("oauth2-browser", has_certificate=True), (CONFIDENTIAL, CERTIFICATE, SIGN_IN)),
    ],
)
def test_what_can_expire_depends_on_the_way_to_log_in(way: Way, things: tuple[Thing, ...]) -> None:
    assert Plan(way).things == things


@pytest.mark.parametrize("thing", Thing)
def test_each_row_says_what_its_end_means_and_what_to_do(thing: Thing) -> None:
    row = TABLE[thing]
    for text in (row.unknown, row.ends, row.do, row.over):
        assert text.endswith(".")
    form, _ = FIELDS["advice"]
    assert not isinstance(form, str)
    assert form.fullmatch(row.do), "the log would drop it"


def test_a_public_client_is_told_of_the_new_sign_in_beforehand() -> None:
    row = TABLE[PUBLIC]
    assert "once a year" in row.ends
    assert "new sign-in" in row.do
    assert "the change ends its sign-in" in row.do
    assert "`nhsmail-worker login authorise` straight after" in row.do
    assert "survives" in TABLE[CONFIDENTIAL].do


@pytest.mark.parametrize(
    ("left", "due"),
    [
        (15 * DAY, None),
        (14 * DAY + 1, None),
        (14 * DAY, 14),
        (8 * DAY, 14),
        (8 * DAY - 1, 7),
        (7 * DAY, 7),
        (1 * DAY, 1),
        (DAY - 1, 0),
        (0, 0),
        (-1, -1),
    ],
)
def test_warnings_begin_early_and_come_daily_in_the_last_week(left: float, due: int | None) -> None:
    assert warning_due(left, 14 * DAY) == due


@pytest.mark.parametrize(
    ("left", "due"), [(30.01, None), (30, 30), (21.5, 30), (21, 21), (14.5, 21), (14, 14), (8, 14), (7.99, 7), (-9, -9)]
)
def test_from_a_month_before_the_warning_is_repeated(left: float, due: int | None) -> None:
    assert warning_due(left * DAY, 30 * DAY) == due


@given(left=st.floats(-1e8, 1e8), warn=st.floats(0, 1e8), later=st.floats(0, 1e8))
def test_a_later_warning_has_a_smaller_number_and_none_is_taken_back(left: float, warn: float, later: float) -> None:
    due, then = warning_due(left, warn), warning_due(left - later, warn)
    assert (due is None) == (left > warn)
    if due is not None:
        assert then is not None
        assert then <= due


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (30, "The application's client secret expires in 30 days."),
        (1, "The application's client secret expires in 1 day."),
        (0, "The application's client secret expires within a day."),
        (-1, "The application's client secret has expired."),
    ],
)
def test_an_end_is_told_in_a_sentence(days: int, text: str) -> None:
    assert sentence(SECRET, days) == text


def test_each_end_is_known_from_its_own_source() -> None:
    everything = Way("oauth2-browser", has_secret=True)
    plan = Plan(everything, password_changed=NOW - 350 * DAY, password_lasts=365 * DAY, secret_expires=NOW + 40 * DAY)
    found = Found(sign_in="a", signed_in_at=NOW - 100 * DAY, used_at=NOW - 61 * DAY)
    assert expiries(plan, None, found, NOW) == (
        Expiry(CONFIDENTIAL, NOW + 15 * DAY, 15, KnownBy.SETTINGS, NOW - 350 * DAY, due=21),
        Expiry(SECRET, NOW + 40 * DAY, 40, KnownBy.SETTINGS),
        Expiry(SIGN_IN, NOW + 29 * DAY, 29, KnownBy.LAST_USE, NOW - 100 * DAY, NOW - 61 * DAY, due=30),
    )
    certificate = Plan(Way("oauth2-client", has_certificate=True))
    ends = expiries(certificate, None, Found(certificate_ends=NOW - 1), NOW)
    assert ends == (Expiry(CERTIFICATE, NOW - 1, -1, KnownBy.FILE, due=-1),)


def test_the_workers_own_password_is_counted_from_the_settings_or_from_when_it_was_first_seen() -> None:
    changed, seen = NOW - 80 * DAY, NOW - 10 * DAY
    dated = Plan(Way("password"), password_changed=changed)
    by_date = Expiry(P, changed + 90 * DAY, 10, KnownBy.SETTINGS, changed, due=14)
    assert expiries(dated, age_of(changed, 90 * DAY, NOW), Found(), NOW) == (by_date,)
    assert expiries(dated, None, Found(), NOW) == (by_date,)
    (by_sight,) = expiries(Plan(Way("password")), age_of(seen, 90 * DAY, NOW), Found(), NOW)
    assert by_sight == Expiry(P, seen + 90 * DAY, 80, KnownBy.FIRST_SEEN, seen)


@pytest.mark.parametrize("way", [Way("password"), Way("oauth2-device"), Way("oauth2-browser", has_certificate=True)])
def test_what_is_not_known_is_listed_without_an_end(way: Way) -> None:
    plan = Plan(way)
    assert expiries(plan, None, Found(), NOW) == tuple(Expiry(thing) for thing in plan.things)
