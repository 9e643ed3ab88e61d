"""What the tests of the trail share."""

import pytest

from tests.unit.observe.audit.world import Memory


@pytest.fixture
def anchors() -> Memory:
    return Memory()
