"""All handlers of the worker, flushed and closed together."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from worker.handling.foreign_code import in_time
from worker.handling.handler import Handler
from worker.handling.output import OutputCapture
from worker.logs import get_logger

log = get_logger()


class Handlers(Mapping[str, Handler]):
    """The handlers by name, each built once."""

    def __init__(self, handlers: Mapping[str, Handler], output: OutputCapture, closing: timedelta) -> None:
        """closing: the time limit for closing each handler."""
        self._handlers = dict(handlers)
        self._output = output
        self._closing = closing

    def __getitem__(self, name: str) -> Handler:
        return self._handlers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._handlers)

    def __len__(self) -> int:
        return len(self._handlers)

    def flush(self) -> None:
        """Bring everything that the handlers wrote to the disk. Stops at the first that raises."""
        for handler in self.values():
            handler.flush()

    def close(self) -> None:
        """Close every handler, even if others fail or hang while closing. Failures are logged."""
        for handler in self.values():
            self._close(handler)

    def _close(self, handler: Handler) -> None:
        def close() -> None:
            with self._output.running(handler.name):
                handler.close()

        try:
            in_time(close, self._closing.total_seconds())
        except Exception:
            log.exception("handler.failed", handler=handler.name)
