"""Handlers that fail on purpose. They are written like real ones: see the documentation of handlers."""

from pathlib import Path

from pydantic import BaseModel

from worker.message.message import Message
from worker.message.outcome import Reject


class Flaky:
    """Fails a few times for each message, then succeeds, like a downstream system that is busy for a while."""

    class Settings(BaseModel):
        """counts: a folder that counts the failures of each message. failures: how often to fail before it succeeds."""

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
    """Always fails, so that its messages become dead letters when their tries are used up."""
    raise RuntimeError("this handler never works")


def refuse(_message: Message) -> None:
    """Rejects every message at its first try."""
    raise Reject("this handler takes nothing")
