"""What the room's tests share."""

from tests.fakes.fixtures import quiet, world

__all__ = ["quiet", "world"]
