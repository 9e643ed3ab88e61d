"""Handlers that go wrong on purpose. Real ones look the same: see docs on handlers."""

from pathlib import Path

from pydantic import BaseModel

from worker.message.message import Message
from worker.message.outcome import Reject


class Flaky:
    """Fails a few times for each message, then works: a system downstream that is busy for a while."""

    class Settings(BaseModel):
        """counts: a folder in which it remembers how often it has failed. failures: how often it fails first."""

        counts: Path
        failures: int = 2

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        settings.counts.mkdir(parents=True, exist_ok=True)

    def __call__(self, message: Message) -> None:
        counted = self._settings.counts / str(message.key)
        failures = int(counted.read_text()) if counted.exists() else 0
        if failures < self._settings.failures:
            counted.write_text(str(failures + 1))
            raise ConnectionError("the system downstream is busy")


def broken(_message: Message) -> None:
    """Always fails, so that its messages become dead letters once their tries are used up."""
    raise RuntimeError("this handler never works")


def refuse(_message: Message) -> None:
    """Gives every message up at its first try."""
    raise Reject("this handler takes nothing")
