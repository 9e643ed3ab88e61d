"""Runs a handler's own code while the worker starts, and words what goes wrong for the person who starts it."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from worker.handling.foreign_code import Escaped, TooLong, in_time, lines_of, words_of
from worker.settings.units import format_duration

T = TypeVar("T")


def too_long(limit: timedelta) -> TooLong:
    """The error for exceeding this limit, with advice."""
    return TooLong(
        f"it took longer than {format_duration(limit)}. See what it waits for, or give it more time in [work] start"
    )


def started(do: Callable[[], T], limit: timedelta) -> T:
    """As `in_time`, but `TooLong` has advice for a person."""
    try:
        return in_time(do, limit.total_seconds())
    except TooLong:
        raise too_long(limit) from None


def words_about(error: BaseException, secrets: tuple[str, ...] = ()) -> str:
    """The error's class and text on one line; the class alone if the text contains a secret."""
    words = words_of(error)
    kind = error.kind if isinstance(error, Escaped) else type(error).__name__
    return f"{kind}." if not words or any(secret in words for secret in secrets) else f"{kind}: {words.rstrip('.')}."


def raised_at(error: Exception, place: str) -> str:
    """Names the innermost line of the handler's package in the error's traceback; empty if there is none."""
    raised = error.__cause__ if isinstance(error, Escaped) else error
    lines = lines_of(raised or error, place.partition(":")[0])
    return f" {lines[-1][0].f_globals['__name__']}:{lines[-1][1]} raised it." if lines else ""
