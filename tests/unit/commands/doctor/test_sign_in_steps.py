"""The clock, compared with an answer of the sign-in service: ten minutes are found, and a slow answer isn't blamed."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.commands.doctor.sign_in_steps import MOST_OFF, heard

NOW = 1_800_000_000.0
TRIPS = st.floats(0.0, 60.0)
SHARES = st.floats(0.0, 1.0)


def answered(skew: float, trip: float, share: float, age: int = 0) -> tuple[dict[str, str], float, float]:
    """What comes of a request, by a clock that is ahead by skew seconds. share: of the trip, until it was answered."""
    made = NOW + trip * share
    headers = {"Date": formatdate(made - age, usegmt=True)} | ({"Age": str(age)} if age else {})
    return headers, NOW + skew, NOW + trip + skew


@given(skew=st.floats(600.0, 1e6) | st.floats(-1e6, -600.0), trip=TRIPS, share=SHARES, age=st.integers(0, 10**6))
def test_a_clock_that_is_ten_minutes_off_is_found(skew: float, trip: float, share: float, age: int) -> None:
    found = heard(*answered(skew, trip, share, age))
    assert found is not None
    assert found.is_off
    assert (found.ahead > 0) == (skew > 0)
    assert abs(found.ahead - skew) <= trip / 2 + 1


@given(skew=st.floats(-MOST_OFF + 2, MOST_OFF - 2), trip=TRIPS, share=SHARES, age=st.integers(0, 10**6))
def test_a_clock_that_is_right_isnt_blamed_for_a_slow_or_a_cached_answer(
    skew: float, trip: float, share: float, age: int
) -> None:
    found = heard(*answered(skew, trip, share, age))
    assert found is not None
    assert not found.is_off


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 99 Nov 2026 10:00:00 GMT", "\x00" * 50, "9" * 5000])
def test_an_answer_without_a_date_tells_no_time(date: str | None) -> None:
    assert heard({} if date is None else {"Date": date}, NOW, NOW) is None


@given(date=st.text(), age=st.text())
def test_whatever_stands_there_is_read_without_a_fault(date: str, age: str) -> None:
    heard({"Date": date, "Age": age}, NOW, NOW)


@pytest.mark.parametrize("age", ["-5", "1e3", "٣", "9" * 40])
def test_an_odd_age_is_none(age: str) -> None:
    found = heard({"Date": formatdate(NOW, usegmt=True), "Age": age}, NOW, NOW)
    assert found is not None
    assert not found.is_off
