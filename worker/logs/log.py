"""The worker's log: one line an event, JSON in a container and coloured on a terminal, to standard error.

`get_logger().info("poll.done", new=3)`: the event's name and its fields come from the catalogue in `events.py`. What
isn't in the catalogue doesn't get out. Other libraries' logs and Python's warnings come through the same pipe, at
WARNING and above, without their filled-in text, which may quote mail.
"""

import io
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any, Literal, cast

import orjson

from worker.logs.events import CATALOGUE, Level
from worker.logs.exceptions import described
from worker.logs.fields import CONTEXT, FIELDS
from worker.logs.plain_structlog import EventDict, FilteringBoundLogger, Processor, WrappedLogger, structlog
from worker.logs.redaction import REFUSED, cleaned, passed, rfc3339
from worker.logs.typed import as_typed

Format = Literal["auto", "json", "text"]

# Libraries whose templates are their own words before they are filled in. Others (mailparser) may log mail itself.
TEMPLATES_OF = (
    "alembic",
    "amqp",
    "apscheduler",
    "httpcore",
    "httpx",
    "imapclient",
    "kombu",
    "msal",
    "sqlalchemy",
    "urllib3",
    "waitress",
)


class _Sink:
    """Writes whole lines, and never fails: a full disk behind standard error must not stop the mail.

    stream: None: standard error, as it is at that moment.
    """

    def __init__(self, stream: IO[Any] | None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        # Bypass what captures the handlers' output: what libraries log in their threads has to come through.
        stream: Any = self._stream or getattr(sys.stderr, "behind", sys.stderr)
        try:
            with self._lock:
                # A progress bar puts its own stream in the place of standard error, to keep the bar below the lines.
                if isinstance(stream, io.TextIOWrapper):
                    stream.buffer.write(line)
                else:
                    stream.write(line.decode())
                stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            return

    debug = info = warning = error = critical = write


class _Pipe:
    """The processor that lets an event through with the fields that the catalogue lists, and nothing else."""

    def __init__(self, clock: Callable[[], float], account: str | None) -> None:
        self._clock = clock
        self._account = account

    def __call__(self, _logger: WrappedLogger, method: str, given: EventDict) -> EventDict:
        name = given.pop("event", "")
        failure = _failure(given)
        given.pop("stack_info", None)
        event = CATALOGUE.get(name) if isinstance(name, str) else None
        line: EventDict = {"at": rfc3339(datetime.fromtimestamp(self._clock(), UTC)), "level": method}
        if event is None:
            line["event"] = "log.unlisted"
            line["where"] = _caller()  # the name itself may be anything, even a subject
            allowed: frozenset[str] = frozenset(FIELDS)
        else:
            line["event"] = event.name
            allowed = event.fields | CONTEXT
        line.update(cleaned(given, allowed, account=self._account))
        if failure is not None:
            line["error"] = described(failure)
        elif "error" in line:
            line["error"] = {"class": line["error"], "frames": []}
        if event is not None and event.do and event.level in (Level.WARNING, Level.ERROR):
            line["do"] = as_typed(event.do)
        return line


def _caller() -> str:
    frame = sys._getframe(1)  # noqa: SLF001 -- the interpreter's way to ask who calls; only for a fault of ours
    while frame.f_back is not None:
        module = str(frame.f_globals.get("__name__", "?"))
        if module != __name__ and not module.startswith("structlog"):
            return str(passed("where", f"{module}:{frame.f_lineno}"))
        frame = frame.f_back
    return REFUSED


def _failure(given: MutableMapping[str, Any]) -> BaseException | None:
    info = given.pop("exc_info", None)
    if info is True:
        return sys.exc_info()[1]
    if isinstance(info, tuple):
        info = info[1]
    return info if isinstance(info, BaseException) else None


def _as_json(_logger: WrappedLogger, _method: str, line: EventDict) -> bytes:
    return orjson.dumps(line) + b"\n"


class _Console:
    """The same line for a person: time, level, event, then the fields; an error's frames below it."""

    def __init__(self, *, colours: bool) -> None:
        self._render = structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="at", pad_event_to=24)

    def __call__(self, logger: WrappedLogger, method: str, line: EventDict) -> bytes:
        error = line.pop("error", None)
        text = str(self._render(logger, method, line))
        if error is not None:
            text += "".join(f"\n    {part}" for part in _error_lines(error))
        return text.encode() + b"\n"


def _error_lines(error: dict[str, Any]) -> Iterator[str]:
    yield error["class"] + (f": {error['text']}" if "text" in error else "")
    for frame in error["frames"]:
        yield f"  at {frame}"
    for cause in error.get("from", ()):
        yield f"from {cause['class']}"
        for frame in cause["frames"]:
            yield f"  at {frame}"


def configure(
    *,
    format: Format = "auto",  # noqa: A002 -- the setting's own name
    level: str = "info",
    account: str | None = None,
    stream: IO[Any] | None = None,
    clock: Callable[[], float] = time.time,
    hooks: bool = True,
) -> None:
    """Set up the log of the process. May be called again: the last call applies, also to loggers in use.

    format: `auto` is `text` on a terminal and `json` elsewhere.
    level: the lowest level that is written: debug, info, warning or error.
    account: the account's address, the only address that may appear.
    stream: where to (default: standard error as it is now). clock: seconds since the epoch.
    hooks: also log exceptions that nobody caught, in any thread, and Python's warnings.
    """
    terminal = (stream or sys.stderr).isatty()
    text = format == "text" or (format == "auto" and terminal)
    _install(_Console(colours=terminal) if text else _as_json, _Pipe(clock, account), _Sink(stream), level)
    _adopt_libraries()
    if hooks:
        _adopt_the_uncaught()


def _install(render: Processor, pipe: _Pipe, sink: _Sink, level: str) -> None:
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, pipe, render],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: sink,
        # Not cached: a cached logger would keep the stream and the level that it first met.
        cache_logger_on_first_use=False,
    )


def get_logger() -> FilteringBoundLogger:
    """The logger. Its methods take an event's name from the catalogue, and that event's fields."""
    return cast("FilteringBoundLogger", structlog.get_logger())


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Give every line of this block, in this thread, these fields: `with bound(key=message.key): …`.

    A thread of a pool doesn't inherit them: bind inside the job.
    """
    with structlog.contextvars.bound_contextvars(**fields):
        yield


class _Library(logging.Handler):
    """Brings other libraries' records into our pipe."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"library": record.name, "where": f"{record.module}:{record.lineno}"}
        # Without arguments the text may have been filled in already. The place in the source identifies the message.
        if record.args and record.name.partition(".")[0] in TEMPLATES_OF and isinstance(record.msg, str):
            fields["template"] = " ".join(record.msg.split())[:255]
        log = get_logger()
        if record.levelno >= logging.ERROR:
            log.error("library.error", exc_info=record.exc_info, **fields)
        else:
            log.warning("library.warning", exc_info=record.exc_info, **fields)


def _adopt_libraries() -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Library)]:
        root.removeHandler(handler)
    root.addHandler(_Library(logging.WARNING))
    root.setLevel(logging.WARNING)
    for name in (*TEMPLATES_OF, "mailparser"):
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.propagate = True
        library.handlers.clear()  # a handler of its own would bypass the pipe
    logging.raiseExceptions = False  # a record that can't be formatted is not printed with its arguments


def _adopt_the_uncaught() -> None:
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable
    warnings.showwarning = _warned


def _uncaught(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get_logger().error("worker.crashed", exc_info=error)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        get_logger().error("worker.thread_died", exc_info=args.exc_value)


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    get_logger().warning("worker.unraisable", exc_info=args.exc_value)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    del message, file, line  # the text and the source line may quote anything
    module = filename.rpartition("/")[2].removesuffix(".py")
    get_logger().warning("python.warning", category=category.__name__, where=f"{module}:{lineno}")


# Until the log is configured: structlog's own default would print whatever it is given.
_install(_as_json, _Pipe(time.time, None), _Sink(None), "warning")
