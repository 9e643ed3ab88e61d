"""Brings what handlers log with `message.log` into the worker's log: bounded, with the handler's name and the key."""

import threading

from worker.logs.log import get_logger
from worker.message.message_log import MOST_LINES, Logged, LogMistake

log = get_logger()

MOST_TOLD = 1000
"""Different mistakes that are reported in the life of a process."""


class HandlerLog:
    """Where the handlers' lines go. Reports each mistake once, so that none can fill the log. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: set[tuple[str, LogMistake]] = set()

    def of_call(self, handler: str, key: str) -> "CallLog":
        """A listener for one call of this handler with the message of this key."""
        return CallLog(self, handler, key)

    def is_new(self, handler: str, mistake: LogMistake) -> bool:
        """Whether this mistake of the handler is to be reported: it wasn't before."""
        with self._lock:
            if (handler, mistake) in self._told or len(self._told) >= MOST_TOLD:
                return False
            self._told.add((handler, mistake))
            return True


class CallLog:
    """Listens to one call of a handler. Never raises: a mistake in a log line must not cost a message. Thread-safe."""

    def __init__(self, lines: HandlerLog, handler: str, key: str) -> None:
        self._lines = lines
        self._handler = handler
        self._key = key
        self._lock = threading.Lock()
        self._count = 0

    def logged(self, line: Logged) -> None:
        """Log the line, if the call may still log one."""
        with self._lock:
            self._count += 1
            count = self._count
        if count <= MOST_LINES:
            values = dict(line.values)
            log.info("handler.said", handler=self._handler, key=self._key, what=line.event, values=values)
        elif self._lines.is_new(self._handler, LogMistake("", "too-many")):
            log.warning("handler.log_refused", handler=self._handler, key=self._key, what="too-many")

    def refused(self, mistake: LogMistake, error: Exception) -> None:
        """Log where the author made the mistake."""
        del error  # its text is for the author's tests
        if self._lines.is_new(self._handler, mistake):
            log.warning(
                "handler.log_refused", handler=self._handler, key=self._key, where=mistake.where, what=mistake.what
            )
