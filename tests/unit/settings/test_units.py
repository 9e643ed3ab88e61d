"""Durations and sizes: what people write, what is refused, and the way back."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.settings import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60s", timedelta(minutes=1)),
        ("0.2s", timedelta(milliseconds=200)),
        ("250ms", timedelta(milliseconds=250)),
        ("1.5h", timedelta(minutes=90)),
        ("24h", timedelta(days=1)),
        ("90d", timedelta(days=90)),
        (" 10 m ", timedelta(minutes=10)),
        ("0s", timedelta(0)),
        ("0.001ms", timedelta(microseconds=1)),
    ],
)
def test_durations_are_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("60", "no unit"),
        ("60 sec", "'sec'"),
        ("60S", "'S'"),
        ("-1s", "number and a unit"),
        ("1e3s", "number and a unit"),
        ("", "number and a unit"),
        (".5s", "number and a unit"),
        ("1h30m", "number and a unit"),
        ("٣s", "number and a unit"),
        ("99999999d", "hundred years"),
        ("9" * 5000 + "s", "number and a unit"),
    ],
)
def test_what_isnt_a_duration_is_said_so(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("40MB", 40_000_000), ("64kB", 64_000), ("1KB", 1_000), ("1MiB", 1_048_576), ("1.5GB", 1_500_000_000), ("7B", 7)],
)
def test_sizes_are_a_number_and_a_unit(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["40", "40mb", "40 Mb", "-1MB", "1,5MB", "9999999999GB", ""])
def test_what_isnt_a_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_size(text)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36_500)))
def test_a_duration_that_was_written_reads_the_same(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(min_value=0, max_value=10**15))
def test_a_size_that_was_written_reads_the_same(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.text(max_size=40))
def test_no_text_raises_anything_but_a_value_error(text: str) -> None:
    for read in (parse_duration, parse_size):
        with suppress(ValueError):
            assert read(text) is not None
