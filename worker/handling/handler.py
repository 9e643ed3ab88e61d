"""A handler that is ready to be called, and how it is built of what its name leads to."""

import importlib
import inspect
import threading
import traceback
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from worker.message.message import Message

T = TypeVar("T")


def _nothing() -> None:
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
    flush: Callable[[], object] = _nothing
    """Called once a batch, from one thread: after it returns, all that the handler wrote is on the disk."""
    close: Callable[[], object] = _nothing
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


class NotInside(AttributeError):
    """A module was imported, and has nothing of that name. place: what hasn't. there: what can be called in it."""

    def __init__(self, missing: str, place: str, there: tuple[str, ...]) -> None:
        super().__init__(f"{place} has no {missing}")
        self.missing, self.place, self.there = missing, place, there


def imported(target: str) -> Any:
    """What `module:name` names. Raises NotInside, and whatever the module raises."""
    module, _, path = target.partition(":")
    found: Any = importlib.import_module(module)
    place = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise NotInside(part, place, _callables(found)) from None
        place = part
    return found


def _callables(place: Any) -> tuple[str, ...]:
    return tuple(name for name in dir(place) if not name.startswith("_") and callable(getattr(place, name, None)))


def lines_of(error: BaseException, module: str) -> list[tuple[FrameType, int]]:
    """Where an error came through the package of this module, outermost first."""
    walked = traceback.walk_tb(error.__traceback__)
    return [(frame, line) for frame, line in walked if root_of(frame) == module.partition(".")[0]]


def root_of(frame: FrameType) -> str:
    """The package, or the module, whose code it runs."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def built(name: str, target: Any, own: Any) -> Handler:
    """own: its settings; None where it has none. Raises whatever building it raises."""
    if inspect.isclass(target):
        build: Callable[..., Any] = target
        target = build(own) if own is not None else build()
    return Handler(name, target, _method(target, "flush"), _method(target, "close"))


def _method(target: Any, name: str) -> Callable[[], object]:
    method = getattr(target, name, None) if not inspect.isroutine(target) else None
    return method if callable(method) else _nothing


class TooLong(Exception):
    """A handler didn't finish in time."""


class Escaped(Exception):
    """A handler's code raised what isn't an `Exception`, such as SystemExit or asyncio's CancelledError.

    kind: that one's class. Raised here, it would end the worker in place of the handler.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(words_of(error))
        self.kind = type(error).__name__
        self.__cause__ = error


def words_of(error: BaseException) -> str:
    """An error's own words, on one line; none where it fails to say them."""
    try:
        return " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 -- other people's code
        return ""


def in_time(do: Callable[[], T], limit: float) -> T:
    """What it returns or raises, where it does so in time. A thread can't be ended: what hangs is left behind.

    Raises:
        TooLong: it is still at it. Escaped: it raised what isn't an `Exception`.
    """
    came: list[Callable[[], T]] = []

    def run() -> None:
        try:
            result = do()
        except Exception as error:  # noqa: BLE001 -- raised again where it was asked for
            came.append(partial(_raise, error))
        except BaseException as error:  # noqa: BLE001 -- other people's code
            came.append(partial(_raise, Escaped(error)))
        else:
            came.append(lambda: result)

    thread = threading.Thread(target=run, name="handler", daemon=True)
    thread.start()
    thread.join(limit)
    if not came:
        raise TooLong(f"it took longer than {limit} s")
    return came[0]()


def _raise(error: BaseException) -> Any:
    raise error
