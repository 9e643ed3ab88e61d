"""A handler that records when it was called, to measure the time from delivery to handler."""

import os
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from worker.message.message import Message


class Stamp:
    """Writes the time (epoch seconds) of each message on a line."""

    class Settings(BaseModel):
        """The table `[handler.stamp]`."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        file: Path

    def __init__(self, settings: Settings) -> None:
        self._file = os.open(settings.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def __call__(self, _message: Message) -> None:
        """Write the line immediately."""
        os.write(self._file, f"{time.time()}\n".encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
