"""A handler that is ready to be called."""

import inspect
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass

from worker.message.message import Message


def nothing() -> None:
    """What a handler without `flush` or `close` does there."""


class ReturnedNotRaised(Exception):
    """A handler returned `Retry`, `Reject` or another exception: what it meant was never that the message is done."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the handler returned {kind}, which means nothing: write `raise {kind}`")


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler that is ready to be called, under the name that the configuration gives it."""

    name: str
    call: Callable[[Message], object]
    flush: Callable[[], object] = nothing
    """Called once a batch, from one thread: after it returns, all that the handler wrote is on the disk."""
    close: Callable[[], object] = nothing
    """Called once, when the worker stops."""

    def __call__(self, message: Message) -> None:
        """Gives it one message, and ignores what it returns. Raises as `returned`."""
        self.returned(message)

    def returned(self, message: Message) -> object:
        """Gives it one message; returns what the handler returned, which says nothing.

        Raises:
            TypeError: it did nothing yet but promise to. ReturnedNotRaised. Whatever the handler raises.
        """
        result = self.call(message)
        kind = result if inspect.isclass(result) else type(result)
        if issubclass(kind, BaseException):
            raise ReturnedNotRaised(kind.__name__)
        if isinstance(result, Awaitable | Generator):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError("the handler returned something to be awaited or iterated, and so did nothing")
        return result
