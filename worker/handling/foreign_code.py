"""Runs handlers' own code within a time limit, and reads its errors without trusting them."""

import threading
import traceback
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from worker.logs.fields import WORD

T = TypeVar("T")

OURS = "worker"
"""The package of the worker's own code."""


class TooLong(Exception):
    """A handler's code exceeded its time limit."""


class Escaped(Exception):
    """A handler's code raised something that isn't an `Exception`, such as SystemExit or asyncio's CancelledError.

    If it were raised unchanged, it would end the worker. kind: its class.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(words_of(error))
        self.kind = type(error).__name__
        self.__cause__ = error


def words_of(error: BaseException) -> str:
    """The error's text on one line; empty if even `str()` of it fails."""
    try:
        return " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 -- other people's code
        return ""


def in_time(do: Callable[[], T], limit: float) -> T:
    """Call `do` in a thread of its own; return what it returns, or raise what it raises. limit: seconds.

    A thread can't be killed: one that hangs is left behind.

    Raises:
        TooLong: it hasn't returned in time. Escaped: it raised something that isn't an `Exception`.
    """
    ended: list[Callable[[], T]] = []

    def run() -> None:
        try:
            result = do()
        except Exception as error:  # noqa: BLE001 -- raised again in the calling thread
            ended.append(partial(_raise, error))
        except BaseException as error:  # noqa: BLE001 -- other people's code
            ended.append(partial(_raise, Escaped(error)))
        else:
            ended.append(lambda: result)

    thread = threading.Thread(target=run, name="handler", daemon=True)
    thread.start()
    thread.join(limit)
    if not ended:
        raise TooLong(f"it took longer than {limit} s")
    return ended[0]()


def _raise(error: BaseException) -> Any:
    raise error


def lines_of(error: BaseException, module: str) -> list[tuple[FrameType, int]]:
    """The frames of the error's traceback that are in this module's package, with line numbers, outermost first."""
    walked = traceback.walk_tb(error.__traceback__)
    return [(frame, line) for frame, line in walked if root_of(frame) == module.partition(".")[0]]


def line_in(error: BaseException, module: str) -> str | None:
    """The last line of this module's package that the error came through, as `module:line`; None: it can't be told.

    If the error came through none of its lines, it is the last line outside the worker, and else the last of all.
    """
    walked = list(traceback.walk_tb(error.__traceback__))
    own = lines_of(error, module)
    if module.partition(".")[0] == OURS:  # of our own code only that module is the handler's
        own = [(frame, line) for frame, line in own if frame.f_globals.get("__name__") == module]
    others = [(frame, line) for frame, line in walked if root_of(frame) != OURS]
    for frame, line in reversed(own or others or walked):
        place = f"{frame.f_globals.get('__name__')}:{line}"
        return place if WORD.fullmatch(place) else None
    return None


def root_of(frame: FrameType) -> str:
    """The top-level package or module whose code the frame runs."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]
