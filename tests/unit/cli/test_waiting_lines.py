"""`status` says what waits for another try: how many, why, until when, and the command that shows the oldest."""

import pytest

from tests.unit.observe import views
from worker.cli.status_screen import status_lines
from worker.cli.waiting_lines import waiting_json, waiting_lines
from worker.journal.waiting_again import WaitingAgain
from worker.logs.typed import VARIABLE

NOW = views.NOW.timestamp()
FULL = WaitingAgain("archive:OSError:ENOSPC", 12, NOW - 3 * 3600, "k" * 26, NOW + 600)
ODD = WaitingAgain("a:b:ValueError", 1, NOW - 60, "m" * 26, NOW - 5)


def test_a_reason_is_told_in_words_with_when_and_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "nhsmail-worker demo")
    full, odd = waiting_lines([FULL, ODD], ["a:b"], views.NOW)
    assert full == (
        "12 messages wait for another try, the oldest for 3 h. The handler 'archive' failed with OSError: no space "
        "left on device. The next try is not before 23 Nov 14:15 UTC. "
        f"`nhsmail-worker demo find --key {'k' * 26}` shows the oldest."
    )
    assert odd == (
        "1 message waits for another try, for 60 s. The handler 'a:b' failed with ValueError. "
        f"`nhsmail-worker demo find --key {'m' * 26}` shows it."
    )


def test_the_screen_has_them_below_the_backlog() -> None:
    lines = status_lines(views.BACKLOG, None, list(waiting_lines([FULL, ODD], ["a:b"], views.NOW)))
    (at,) = [number for number, line in enumerate(lines) if line.startswith("waiting:")]
    assert lines[at + 1].split()[:5] == ["tried", "again:", "12", "messages", "wait"]
    assert lines[at + 2].split()[:3] == ["1", "message", "waits"]
    assert not any(line.startswith("tried again:") for line in status_lines(views.BACKLOG, None))


def test_programs_get_the_same() -> None:
    assert waiting_json([FULL, WaitingAgain(None, 1, NOW, "m")], views.NOW) == [
        {
            "reason": "archive:OSError:ENOSPC",
            "messages": 12,
            "oldest_key": "k" * 26,
            "oldest_seconds": 10_800,
            "next_try_at": "2026-11-23T14:15:10.000Z",
        },
        {"reason": None, "messages": 1, "oldest_key": "m", "oldest_seconds": 0, "next_try_at": None},
    ]
