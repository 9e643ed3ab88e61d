"""What the room's tests share."""

import io
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from worker.logs.log import configure


@pytest.fixture
def logged() -> Iterator[Callable[[str], int]]:
    """How many lines of the log tell of an event."""
    configure(level="info", format="json", stream=io.StringIO(), hooks=False)
    with capture_logs() as lines:
        yield lambda event: sum(line["event"] == event for line in lines)
