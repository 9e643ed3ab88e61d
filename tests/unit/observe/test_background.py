"""What the process does of itself beside the mail."""

import threading

from tests.unit.conftest import Lines, lines
from worker.observe.background import again_and_again

__all__ = ["lines"]


def test_a_check_that_fails_is_made_again(lines: Lines) -> None:
    ended = threading.Event()
    made = []

    def check() -> None:
        made.append(1)
        if len(made) == 3:
            ended.set()
        raise UnicodeError("label empty")

    again_and_again(check, every=0.001, ended=ended)
    assert len(made) == 3
    assert [line["event"] for line in lines.all] == ["alert.check_failed"] * 3
    assert {line["level"] for line in lines.all} == {"error"}
