"""Times as people type them."""

from datetime import UTC, datetime

import click
import pytest

from worker.cli.when import Since, When, span_of

NOW = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC).timestamp()


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026-11-27", "2026-11-27", "2026-11-28"),
        ("2026-11-27T10:05", "2026-11-27T10:05", "2026-11-27T10:06"),
        ("2026-11-27 10:05", "2026-11-27T10:05", "2026-11-27T10:06"),
        ("2026-11-27T10:05:07", "2026-11-27T10:05:07", "2026-11-27T10:05:08"),
        ("2026-11-27T10:05+01:00", "2026-11-27T09:05", "2026-11-27T09:06"),
        ("2026-11-27T10:05:07Z", "2026-11-27T10:05:07", "2026-11-27T10:05:08"),
        (" 10:05 ", "2026-11-28T10:05", "2026-11-28T10:06"),
        ("9:05", "2026-11-28T09:05", "2026-11-28T09:06"),
        ("today", "2026-11-28", "2026-11-29"),
        ("Yesterday", "2026-11-27", "2026-11-28"),
        ("2d", "2026-11-26T12:00:30", "2026-11-26T12:00:30"),
        ("1.5h", "2026-11-28T10:30:30", "2026-11-28T10:30:30"),
    ],
)
def test_a_time_is_as_long_as_it_is_exact(text: str, begins: str, ends: str) -> None:
    assert span_of(text, NOW) == (at(begins), at(ends))


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "25:00", "2026-11-27T10", "5 parsecs", "27.11.2026"])
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        span_of(text, NOW)


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("2026-11-27", "2026-11-27"),
        ("2026-11-27T10:05", "2026-11-27T10:05"),
        (" 2026-11-27 10:05:30 ", "2026-11-27T10:05:30"),
        ("2026-07-27T10:05+01:00", "2026-07-27T09:05"),
        ("2026-11-27T10:05:30.000Z", "2026-11-27T10:05:30"),
        ("10:05", "2026-11-28T10:05"),
        ("yesterday", "2026-11-27"),
        ("2d", "2026-11-26T12:00:30"),
        ("90m", "2026-11-28T10:30:30"),
    ],
)
def test_since_is_the_beginning(typed: str, means: str) -> None:
    since = Since(lambda: NOW)
    assert since.convert(typed, None, None) == at(means)
    assert since.convert(at(means), None, None) == at(means), "click converts a default again"


@pytest.mark.parametrize("typed", ["soon", "", "2", "2 parsecs", "2026-13-01", "1000000d", "-2d", "２d", "９:05"])
@pytest.mark.parametrize("kind", [Since, When])
def test_what_is_no_time_is_refused_with_the_right_forms(typed: str, kind: type[Since] | type[When]) -> None:
    with pytest.raises(click.BadParameter, match=r"Write a day \(2026-11-28, yesterday\), .* or how long ago"):
        kind(lambda: NOW).convert(typed, None, None)
