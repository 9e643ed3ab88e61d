"""Times as people type them, for every option that takes one. A time without a zone is UTC, as every time shown."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

_AGO = re.compile(r"[0-9.]+\s*[a-z]+")
_DAY, _MINUTE, _SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
_FORMS: Final = (
    ("%Y-%m-%d", _DAY),
    ("%Y-%m-%dT%H:%M", _MINUTE),
    ("%Y-%m-%d %H:%M", _MINUTE),
    ("%Y-%m-%dT%H:%M:%S", _SECOND),
    ("%Y-%m-%d %H:%M:%S", _SECOND),
)


def span_of(text: str, now: float) -> tuple[float, float]:
    """Beginning and end (epoch s) of what a person means by a day, a time, or how long ago.

    `2026-11-28` is that day, `10:05` that minute of today, `yesterday` the day before today, `2d` the moment two days
    ago.

    Raises:
        ValueError, OverflowError: it is none of these.
    """
    text = text.strip()
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if text.lower() in ("today", "yesterday"):
        begins = today if text.lower() == "today" else today - _DAY
        return begins.timestamp(), (begins + _DAY).timestamp()
    if _AGO.fullmatch(text):
        from worker.settings.units import parse_duration  # here, because `--help` needn't wait for it

        at = now - parse_duration(text).total_seconds()
        return at, at
    if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", text):
        text = f"{today:%Y-%m-%d} {text}"
    for form, length in _FORMS:
        try:
            begins = datetime.strptime(text, form).replace(tzinfo=UTC)
            return begins.timestamp(), (begins + length).timestamp()
        except (ValueError, OverflowError):
            continue
    begins = datetime.fromisoformat(text)
    if begins.tzinfo is None:
        raise ValueError("has no zone, and isn't one of the forms")
    length = _SECOND if begins.second else _MINUTE
    return begins.timestamp(), (begins + length).timestamp()


class When(click.ParamType[tuple[float, float]]):
    """A day, a time, or how long ago, as its beginning and end in epoch s."""

    name = "when"

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        try:
            return value if isinstance(value, tuple) else span_of(str(value), self._clock())
        except (ValueError, OverflowError):
            self.fail(
                f"'{value}' is no time. Write a day (2026-11-28, yesterday), a time in UTC (10:05, 2026-11-28T10:05), "
                "or how long ago it is (2d, 12h).",
                param,
                ctx,
            )


class Since(click.ParamType[float]):
    """The beginning of a day, a time, or how long ago, as epoch s."""

    name = "when"

    def __init__(self, clock: Callable[[], float]) -> None:
        self._when = When(clock)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        return value if isinstance(value, float) else self._when.convert(value, param, ctx)[0]
