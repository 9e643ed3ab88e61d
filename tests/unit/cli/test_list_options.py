"""Times as people type them."""

from datetime import UTC, datetime

import click
import pytest

from worker.cli.list_options import Since

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("2026-11-27", datetime(2026, 11, 27, tzinfo=UTC)),
        ("2026-11-27T10:05", datetime(2026, 11, 27, 10, 5, tzinfo=UTC)),
        (" 2026-11-27 10:05:30 ", datetime(2026, 11, 27, 10, 5, 30, tzinfo=UTC)),
        ("2026-07-27T10:05+01:00", datetime(2026, 7, 27, 9, 5, tzinfo=UTC)),
        ("2026-11-27T10:05:30.000Z", datetime(2026, 11, 27, 10, 5, 30, tzinfo=UTC)),
        ("2d", datetime(2026, 11, 26, 12, tzinfo=UTC)),
        ("1.5h", datetime(2026, 11, 28, 10, 30, tzinfo=UTC)),
        ("90m", datetime(2026, 11, 28, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_day_a_time_and_how_long_ago(typed: str, means: datetime) -> None:
    assert Since(lambda: NOW).convert(typed, None, None) == means.timestamp()


@pytest.mark.parametrize("typed", ["soon", "", "2", "2 parsecs", "2026-13-01", "10:05", "1000000d", "-2d", "２d"])
def test_what_is_no_time_is_refused_with_the_right_forms(typed: str) -> None:
    with pytest.raises(click.BadParameter, match=r"Write a day \(2026-11-28\), .* or how long ago"):
        Since(lambda: NOW).convert(typed, None, None)
