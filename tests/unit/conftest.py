"""A log that a test can read."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from worker.logs.log import Format, configure

NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z


class Lines:
    """What was logged since the test began."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()
        self.configure()

    def configure(self, format: Format = "json", level: str = "debug", **more: Any) -> None:  # noqa: A002 -- as configure
        """Start again with an empty log."""
        self.stream = io.BytesIO()
        text = io.TextIOWrapper(self.stream, write_through=True)
        self._kept = text
        configure(format=format, level=level, stream=text, clock=lambda: NOW, **more)

    @property
    def raw(self) -> str:
        return self.stream.getvalue().decode()

    @property
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.raw.splitlines()]

    @property
    def one(self) -> dict[str, Any]:
        (line,) = self.all
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log, in a process that is as before afterwards."""
    root = logging.getLogger()
    handlers, level, noisy = list(root.handlers), root.level, logging.raiseExceptions
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning
    config = structlog.get_config()
    yield Lines()
    root.handlers[:], logging.raiseExceptions = handlers, noisy
    root.setLevel(level)
    sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = hooks
    structlog.configure(**config)
    structlog.contextvars.clear_contextvars()
