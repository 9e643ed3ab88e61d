"""A handler that couldn't be built when the worker started, because what it talks to wasn't there yet."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from worker.handling.handler import Handler
from worker.handling.outage import Outages
from worker.handling.retention import KeepsCopies
from worker.handling.target_down import kind_of
from worker.message.copies import Look, OldCopies, RemovedCopies
from worker.message.message import Message
from worker.message.outcome import Retry


class Builder(Protocol):
    """Builds the handler."""

    def build(self) -> Handler:
        """Raises whatever the handler's constructor raises, and `TooLong`."""


class LateHandler:
    """Takes the handler's place until it is built, and passes everything on to it from then on. Thread-safe.

    Its gate lets no message through before that. error: why it couldn't be built the last time.
    """

    def __init__(
        self,
        name: str,
        builder: Builder,
        error: Exception,
        *,
        headers_only: bool,
        outages: Outages = (),
        module: str = "",
    ) -> None:
        """headers_only: whether the handler needs no more of a message than its headers. outages: what it declares.

        module: where it comes from.
        """
        self.error = error
        self.headers_only = headers_only
        self._name = name
        self._outages = outages
        self._module = module
        self._builder = builder
        self._lock = threading.Lock()
        self._handler: Handler | None = None
        self._closed = False

    @property
    def is_built(self) -> bool:
        """Whether messages can be handed to it."""
        return self._handler is not None

    def as_handler(self) -> Handler:
        """What the worker calls."""
        return Handler(self._name, self, self._do("flush"), self._do("close"), self._outages, self, self._module)

    def __call__(self, message: Message) -> object:
        """Hand the message over. Raises what the handler raises, and `Retry` before it is built."""
        if self._handler is None:
            raise Retry("the handler isn't built yet")
        return self._handler.returned(message)

    def old_copies(self, look: Look) -> OldCopies:
        """As the handler does. Raises what it raises, and `Retry` before it is built."""
        return self._copies().old_copies(look)

    def remove_copies(self, names: Sequence[str], before: datetime) -> RemovedCopies:
        """As the handler does. Raises what it raises, and `Retry` before it is built."""
        return self._copies().remove_copies(names, before)

    def _copies(self) -> KeepsCopies:
        if self._handler is None or self._handler.copies is None:
            raise Retry("the handler isn't built yet")
        return self._handler.copies

    def build(self) -> Exception | None:
        """Build it, unless it is built or closed. Returns why it can't be built."""
        if self._handler is not None or self._closed:
            return None
        try:
            built = self._builder.build()
        except Exception as error:  # noqa: BLE001 -- other people's code
            self.error = error
            return error
        with self._lock:
            closed, self._handler = self._closed, built
        if closed:
            built.close()
        return None

    def _do(self, name: str) -> Callable[[], object]:
        def do() -> object:
            with self._lock:
                self._closed = self._closed or name == "close"
                handler = self._handler
            if handler is None:
                return None
            return handler.close() if name == "close" else handler.flush()

        return do


def not_built(late: LateHandler | None) -> str | None:
    """Why this handler couldn't be built, as the class of an exception; None if it is built, or isn't late at all."""
    return None if late is None or late.is_built else kind_of(late.error)
