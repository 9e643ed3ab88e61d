"""Times as people type them."""

from datetime import UTC, datetime

import pytest

from worker.commands.find.when import span_of

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
