"""Fixtures that several files share."""

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.handling.handler_modules import MODULE
from worker.handling.output import OutputCapture
from worker.handling.overdue_calls import Stopwatch
from worker.logs.log import configure as configure_logging


@pytest.fixture
def logged() -> Callable[[], list[dict[str, Any]]]:
    stream = io.StringIO()
    configure_logging(level="info", format="json", stream=stream, hooks=False)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stopwatch() -> Iterator[Stopwatch]:
    stopwatch = Stopwatch(time.monotonic)
    yield stopwatch
    stopwatch.close()


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Makes modules of handlers importable; the calls of these handlers."""
    (tmp_path / "some_handlers.py").write_text(MODULE)
    (tmp_path / "broken_handlers.py").write_text("raise RuntimeError('no\\nlicence')\n")
    (tmp_path / "leaving_handlers.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    import some_handlers  # type: ignore[import-not-found]  # written above

    yield some_handlers.CALLS
    for name in ("some_handlers", "broken_handlers", "leaving_handlers"):
        sys.modules.pop(name, None)


@pytest.fixture
def output(logged: object) -> Iterator[OutputCapture]:
    """Not installed: the test itself must do that, after pytest has replaced the standard streams."""
    output = OutputCapture()
    yield output
    output.remove()
