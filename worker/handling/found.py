"""What was found under a handler's name, and how its own code is run while it is looked for."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from worker.handling.handler import Escaped, TooLong, in_time, lines_of, words_of
from worker.handling.handler import Handler as Handler  # its name here is what others know it by
from worker.settings.units import format_duration

T = TypeVar("T")


@dataclass(slots=True)
class Found:
    """What a name leads to: a callable or a class and its settings, or faults. place: `module:name`."""

    name: str
    faults: list[str]
    place: str = ""
    target: Any = None
    own: BaseModel | None = None
    secrets: tuple[str, ...] = ()


class NotFound(Exception):
    """A name that leads to nothing, with what to do about it."""


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The words that name what was probably meant; empty where nothing is near enough to advise it."""
    near = difflib.get_close_matches(name, known, n=1)
    return f'; the nearest is "{near[0]}"' if near else ""


def raised_at(error: Exception, place: str) -> str:
    """The last line of the handler's own package that an error came through; empty where it came through none."""
    raised = error.__cause__ if isinstance(error, Escaped) else error
    lines = lines_of(raised or error, place.partition(":")[0])
    return f" {lines[-1][0].f_globals['__name__']}:{lines[-1][1]} raised it." if lines else ""


def too_long(limit: timedelta) -> TooLong:
    return TooLong(
        f"it took longer than {format_duration(limit)}. See what it waits for, or give it more time in [work] start"
    )


def started(do: Callable[[], T], limit: timedelta) -> T:
    """As `in_time`; what takes too long is told for a person."""
    try:
        return in_time(do, limit.total_seconds())
    except TooLong:
        raise too_long(limit) from None


def words_about(error: BaseException, secrets: tuple[str, ...] = ()) -> str:
    """The error's class and its own words on one line; without the words where a secret is in them."""
    words = words_of(error)
    kind = error.kind if isinstance(error, Escaped) else type(error).__name__
    return f"{kind}." if not words or any(secret in words for secret in secrets) else f"{kind}: {words.rstrip('.')}."
