"""Which warnings were given is remembered, and a damaged memory makes a warning come again."""

from hypothesis import given
from hypothesis import strategies as st

from worker.login.expiry_told import Told
from worker.login.password_policy import DAY

NOW = 1_800_000_000.0


def test_what_was_told_of_one_end_says_nothing_of_another() -> None:
    told = Told(Told(None).add(NOW, 14, NOW))
    assert not told.is_news(NOW, 14, NOW)
    assert not told.is_news(NOW, 30, NOW - DAY), "the clock was set back"
    assert told.is_news(NOW, 7, NOW)
    assert told.is_news(NOW + DAY, 14, NOW)


def test_what_was_told_by_a_clock_that_was_ahead_does_not_count() -> None:
    told = Told(Told(None).add(NOW, -300, NOW + 330 * DAY))
    assert told.is_news(NOW, 30, NOW)
    told = Told(told.add(NOW, 30, NOW))
    assert not told.is_news(NOW, 30, NOW)
    assert told.is_news(NOW, 21, NOW + 9 * DAY)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40))
def test_what_was_told_stays_short_and_knows_the_latest_ends(ends: list[int]) -> None:
    text: str | None = None
    for end in ends:
        text = Told(text).add(NOW + end * DAY, 3, NOW)
    assert text is not None
    assert len(text.split()) <= Told.MOST
    assert not Told(text).is_news(NOW + ends[-1] * DAY, 3, NOW)


@given(st.text(max_size=60))
def test_a_damaged_note_makes_a_warning_come_again(text: str) -> None:
    Told(text).is_news(NOW, 3, NOW)
    assert Told("1800000000:x:1").is_news(NOW, 3, NOW)
    assert Told("1800000000:3").is_news(NOW, 3, NOW)
