"""What the room's tests share."""

from tests.fakes.fixtures import logged, quiet, world

__all__ = ["logged", "quiet", "world"]
