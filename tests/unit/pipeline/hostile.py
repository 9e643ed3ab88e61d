"""Failures at hostile mail, by the kind of the message: what `World.hostile` takes."""

import gzip
import ssl
from collections.abc import Callable
from socket import gaierror

from worker.handling.failure import CallFailure, RemoteFailure
from worker.handling.outage import About
from worker.message.outcome import Retry

DEFAULT_PAUSES = (30.0, 60.0, 300.0, 900.0)
"""Those of the settings."""
POLL = 60.0

OF_THE_MESSAGE: dict[str, Callable[[], BaseException]] = {
    "error": lambda: ValueError("not a report"),
    "gzip": lambda: gzip.BadGzipFile("not a gzipped file"),
    "name": lambda: OSError(36, "File name too long"),
    "late": lambda: RemoteFailure(CallFailure("error", "TimedOut", about=About.NOTHING)),
    "dead": lambda: RemoteFailure(CallFailure("error", "Died", about=About.NOTHING)),
    "later": lambda: Retry("unscannable", this_message=True),
}
"""Failures that are the messages' own, by the kind of the message."""
OF_THE_TARGET: dict[str, Callable[[], BaseException]] = {
    "refused": lambda: ConnectionRefusedError(111, "Connection refused"),
    "unnamed": lambda: gaierror(-2, "Name or service not known"),
    "tls": lambda: ssl.SSLError("handshake failure"),
    "full": lambda: OSError(28, "No space left on device"),
    "busy": Retry,
}
