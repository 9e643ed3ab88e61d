"""Handlers' own code, where it runs outside of a call: bounded in time, and its errors put into words."""

import threading
import traceback
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


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
    ended: list[Callable[[], T]] = []

    def run() -> None:
        try:
            result = do()
        except Exception as error:  # noqa: BLE001 -- raised again where it was asked for
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
    """Where an error came through the package of this module, outermost first."""
    walked = traceback.walk_tb(error.__traceback__)
    return [(frame, line) for frame, line in walked if root_of(frame) == module.partition(".")[0]]


def root_of(frame: FrameType) -> str:
    """The package, or the module, whose code it runs."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]
