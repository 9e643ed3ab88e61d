"""Delivery by one channel: taken or not, never an exception, and the log says which."""

import pytest

from tests.unit.conftest import Lines
from worker.observe.delivery import NotSent, delivered


class Box:
    """A channel, and what becomes of what it is sent."""

    def __init__(self, name: str, fault: Exception | None = None) -> None:
        self.name = name
        self._fault = fault

    def send(self, news: str, /) -> None:
        if self._fault is not None:
            raise self._fault


@pytest.mark.parametrize(
    ("fault", "event", "status"),
    [
        (None, "alert.sent", None),
        (NotSent(503), "alert.not_sent", 503),
        (NotSent(), "alert.not_sent", None),
        (OSError("lost"), "alert.not_sent", None),
    ],
)
def test_it_is_said_whether_it_arrived(lines: Lines, fault: Exception | None, event: str, status: int | None) -> None:
    assert delivered(Box("relay", fault), "news", rule="halted", state="firing") is (fault is None)
    line = lines.one
    assert (line["event"], line["sender"], line.get("status")) == (event, "relay", status)
    assert "lost" not in lines.raw


def test_a_name_that_is_no_word_is_not_shown(lines: Lines) -> None:
    assert delivered(Box("a b"), "news", rule="halted", state="firing")
    assert lines.one["sender"] == "unnamed"
