"""Numbers and times in words."""

import pytest

from worker.observe.humanise import span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (99.9, "99 s"),
        (100, "1 min"),
        (5_999, "99 min"),
        (6_000, "1 h"),
        (172_799, "47 h"),
        (172_800, "2 days"),
    ],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert span(seconds) == text
