"""Numbers and times as people write them."""

from datetime import datetime

from worker.logs.counted import agreeing, counted


def thousands(number: int) -> str:
    """`8,113`."""
    return f"{number:,}"


def has(number: int) -> str:
    """`1 call has`, `2 calls have`."""
    return agreeing(number, "has", "have")


def times(number: int) -> str:
    """`once`, `5 times`."""
    return "once" if number == 1 else f"{number} times"


def span(seconds: float) -> str:
    """A length of time in its largest whole unit: `12 s`, `5 min`, `3 h`, `2 days`."""
    if seconds < 100:
        return f"{int(seconds)} s"
    if seconds < 100 * 60:
        return f"{int(seconds // 60)} min"
    if seconds < 48 * 3600:
        return f"{int(seconds // 3600)} h"
    return counted(int(seconds // 86_400), "day")


def clock(at: datetime) -> str:
    """A time of day for people, with its date: `23 Nov 14:05 UTC`."""
    return f"{at.day} {at:%b %H:%M} UTC"


def seconds(length: float | None) -> str:
    """How long a call took: `4 ms`, `1.2 s`, `12 min`; `–` if none has ended."""
    if length is None:
        return "–"
    if length < 1:
        return f"{max(1, round(length * 1000))} ms"
    return f"{length:.1f} s" if length < 10 else span(length)
