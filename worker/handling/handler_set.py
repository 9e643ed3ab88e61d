"""All handlers of the worker, flushed and closed together."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from worker.handling.foreign_code import in_time
from worker.handling.handler import Handler
from worker.handling.late_handler import LateHandler
from worker.handling.output import OutputCapture
from worker.handling.retention import Retention
from worker.logs.log import get_logger

log = get_logger()


class Handlers(Mapping[str, Handler]):
    """The handlers by name, each built once."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        output: OutputCapture,
        closing: timedelta,
        late: Mapping[str, LateHandler] | None = None,
        clear: Sequence[str] = (),
        retentions: Mapping[str, Retention] | None = None,
    ) -> None:
        """closing: the time limit for closing each handler. late: those of the handlers that aren't built yet.
        clear: those that send mail to another machine in clear text. retentions: of those that remove old copies.
        """
        self.late = dict(late or {})
        self.clear = tuple(clear)
        self.retentions = dict(retentions or {})
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
