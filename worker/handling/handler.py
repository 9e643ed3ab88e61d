"""A handler that is ready to be called."""

import inspect
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass

from worker.handling.outage import Outages
from worker.handling.retention import KeepsCopies
from worker.message.message import Message


def nothing() -> None:
    """Stands in for a handler's missing `flush` or `close`."""


class ReturnedNotRaised(Exception):
    """A handler returned `Retry`, `Reject` or another exception. It can't have meant that the message is done."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the handler returned {kind}, which means nothing: write `raise {kind}`")


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler that is ready to be called. name: as the configuration gives it."""

    name: str
    call: Callable[[Message], object]
    flush: Callable[[], object] = nothing
    """Called once per batch, from one thread. When it returns, everything that the handler wrote is on disk."""
    close: Callable[[], object] = nothing
    """Called once when the worker stops."""
    outages: Outages = ()
    """Exceptions of the handler's own which mean that what it talks to is down."""
    copies: KeepsCopies | None = None
    """Says which of its copies of messages are old, and removes them; None if it can't."""
    module: str = ""
    """The module that it comes from; empty if that isn't known."""

    def __call__(self, message: Message) -> None:
        """Call the handler with one message and ignore its return value. Raises as `returned` does."""
        self.returned(message)

    def returned(self, message: Message) -> object:
        """Call the handler with one message and return its return value, which has no meaning to the worker.

        Raises:
            TypeError: it returned a coroutine or an iterator, so none of its code has run yet.
            ReturnedNotRaised: it returned an exception.
            Whatever the handler raises.
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
