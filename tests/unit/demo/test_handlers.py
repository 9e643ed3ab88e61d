"""The demo's handlers go wrong exactly as they promise."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from worker.demo.handlers import Flaky, broken, refuse
from worker.message.message import Message
from worker.message.outcome import Reject
from worker.message.verdict import MailPath, Verdict


def message(key: str) -> Message:
    return Message(
        b"Subject: x\r\n\r\n",
        key=key,
        folder="INBOX",
        received_at=datetime(2026, 11, 2, tzinfo=UTC),
        verdict=Verdict(MailPath.CLEAN),
    )


def test_flaky_fails_twice_for_each_message_even_over_restarts(tmp_path: Path) -> None:
    settings = Flaky.Settings(counts=tmp_path / "counts")

    for key in ("first", "second"):
        for _ in range(2):
            with pytest.raises(ConnectionError):
                Flaky(settings)(message(key))
        Flaky(settings)(message(key))


def test_broken_always_fails() -> None:
    with pytest.raises(RuntimeError):
        broken(message("any"))


def test_refuse_gives_up_at_once() -> None:
    with pytest.raises(Reject):
        refuse(message("any"))
