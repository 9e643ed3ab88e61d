"""What the room's tests share."""

import pytest

from tests.fakes.fixtures import logged, quiet, world
from tests.unit.pipeline.recording import Room

__all__ = ["logged", "quiet", "room", "world"]


@pytest.fixture
def room() -> Room:
    """A recorder with a journal."""
    return Room()
