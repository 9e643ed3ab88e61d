"""Fixtures of the rooms whose tests use a `World`; each room's conftest takes those that it needs."""

import io
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.fakes.checks import Logged
from tests.fakes.mailbox import Server
from tests.fakes.world import World
from worker.logs.log import configure as configure_logging


@pytest.fixture(autouse=True)
def quiet() -> None:
    """The log is for other tests: here it would be thousands of lines."""
    configure_logging(level="error", format="json", stream=io.StringIO(), hooks=False)


@pytest.fixture
def logged() -> Iterator[Logged]:
    """The lines of an event."""
    configure_logging(level="info", format="json", stream=io.StringIO(), hooks=False)
    with capture_logs() as lines:
        yield lambda event: [line for line in lines if line["event"] == event]


@pytest.fixture(params=[("MOVE", "UIDPLUS", "IDLE"), ("UIDPLUS", "IDLE")], ids=["move", "uidplus"])
def world(request: pytest.FixtureRequest) -> World:
    """A world whose server knows MOVE, or doesn't."""
    return World(Server(capabilities=request.param))
