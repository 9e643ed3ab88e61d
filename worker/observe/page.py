"""The status page: one HTML document from the `StatusView`, made on the server, without script or outside resources."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from worker.logs.counted import counted
from worker.logs.typed import as_typed, typed
from worker.observe import state_lines
from worker.observe.charts import budget, day, days_chart, hours_chart
from worker.observe.humanise import clock, seconds, span, thousands
from worker.observe.phrases import Tone, headline
from worker.observe.view import StatusView

_MARKS: Final = {Tone.GOOD: "✓", Tone.ATTENTION: "!", Tone.BAD: "✕"}
REFRESH: Final = 30
"""Seconds after which a browser reads the page again, unless somebody stops that.

The reply's header `Refresh` says so: it works as a meta refresh does, without script.
"""


@dataclass(frozen=True, slots=True)
class _Meter:
    """How full the mailbox is. width: of the filled part, of 100."""

    width: int
    state: str


def render(view: StatusView, refresh: int | None = REFRESH) -> str:
    """The page, as HTML. Everything variable is escaped; it holds what the view holds, and so no content.

    refresh: after how many seconds the browser reads it again; None: it doesn't.
    """
    head = headline(view)
    return (
        _environment()
        .get_template("status.html")
        .render(
            view=view,
            headline=head,
            title=f"{head.text.partition('.')[0]} – {view.account}",
            mark=_MARKS[head.tone],
            style=Markup(style()),  # noqa: S704 -- our own file, in the package
            refresh=refresh,
            usual=REFRESH,
            budget=budget(view),
            hours=hours_chart(view.hours),
            days=days_chart(view.days),
            from_day=_from_day(view),
            meter=_meter(view),
            lines=state_lines,
            command=typed,
            clock=clock,
            day=day,
            slowest=_slowest(view),
        )
    )


@cache
def style() -> str:
    """The page's style sheet, which is embedded in it."""
    loader = _environment().loader
    assert loader is not None  # noqa: S101 -- `_environment` sets one
    return loader.get_source(_environment(), "status.css")[0]


@cache
def style_hash() -> str:
    """The hash by which a Content-Security-Policy allows this style sheet and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("worker.observe"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["span"] = span
    environment.filters["clock"] = clock
    environment.filters["day"] = day
    environment.filters["seconds"] = seconds
    environment.filters["thousands"] = thousands
    environment.filters["commands"] = _commands
    environment.filters["count"] = counted
    environment.filters["second"] = lambda at: f"{at.astimezone(UTC):%d %b %Y, %H:%M:%S} UTC"
    return environment


def _commands(text: str) -> Markup:
    """Text between backticks is set as code."""
    parts = as_typed(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _meter(view: StatusView) -> _Meter | None:
    if view.mailbox is None:
        return None
    return _Meter(min(100, view.mailbox.percent), view.fullness.value)


def _slowest(view: StatusView) -> str:
    """The call that took longest. Empty before the first one ended."""
    ended = [one for one in view.handlers if one.slowest is not None and one.slowest_at is not None]
    if not ended:
        return ""
    one = max(ended, key=lambda each: each.slowest or 0.0)
    ago = span(view.seconds_since(one.slowest_at or view.now))
    return f"The slowest call: {one.handler}, {seconds(one.slowest)}, {ago} ago."


def _from_day(view: StatusView) -> str:
    """From when the figures of the last days are, if that isn't their first day."""
    since = view.counted_since
    if since is None or not view.days or since <= view.days[0].at:
        return ""
    return f"Counted since {day(since)}."
