"""A handler that is built late takes its place once it is."""

from typing import Any

from tests.unit.handling.world import message
from worker.handling.handler import Handler
from worker.handling.late_handler import LateHandler, not_built


class Builds:
    """Fails until it is told not to."""

    def __init__(self) -> None:
        self.error: Exception | None = ConnectionRefusedError()
        self.did: list[str] = []

    def build(self) -> Handler:
        if self.error is not None:
            raise self.error
        self.did.append("built")
        return Handler(
            "one",
            lambda _message: self.did.append("called"),
            lambda: self.did.append("flushed"),
            lambda: self.did.append("closed"),
        )


def late(builds: Builds) -> LateHandler:
    return LateHandler("one", builds, ConnectionRefusedError(), headers_only=False)


def test_once_built_everything_is_passed_on() -> None:
    builds = Builds()
    found = late(builds)
    handler = found.as_handler()
    handler.flush()
    assert not found.is_built
    assert not_built(found) == "ConnectionRefusedError"
    builds.error = TimeoutError()
    assert found.build() is builds.error
    assert not_built(found) == "TimeoutError"
    builds.error = None
    assert found.build() is None
    assert found.is_built
    assert not_built(found) is None
    handler(message())
    handler.flush()
    assert found.build() is None, "it is built once"
    handler.close()
    assert builds.did == ["built", "called", "flushed", "closed"]


def test_one_that_is_closed_is_not_built_any_more() -> None:
    builds = Builds()
    found = late(builds)
    found.as_handler().close()
    builds.error = None
    assert found.build() is None
    assert builds.did == []


def test_one_that_is_closed_while_it_is_being_built_is_closed() -> None:
    builds = Builds()
    builds.error = None
    found = late(builds)
    real = builds.build

    def build() -> Handler:
        found.as_handler().close()
        return real()

    given: Any = builds
    given.build = build
    found.build()
    assert builds.did == ["built", "closed"]
