"""The status page: one HTML document from the `StatusView`, made on the server, without script or outside resources."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from worker.login.expiry import TABLE
from worker.observe.expiry_lines import expiry_line
from worker.observe.humanise import clock, count, span, thousands
from worker.observe.phrases import Tone, headline
from worker.observe.size_words import NEVER_MEASURED, size_line
from worker.observe.view import HourView, LoginState, StatusView

_MARKS: Final = {Tone.GOOD: "✓", Tone.ATTENTION: "!", Tone.BAD: "✕"}
_CELL = 24
_BAR = 20
_CHART_HEIGHT = 80
_KINDS: Final = ("handled", "junk", "failed")


@dataclass(frozen=True, slots=True)
class _Cell:
    kind: str
    x: int


@dataclass(frozen=True, slots=True)
class _Budget:
    cells: tuple[_Cell, ...]
    failed: int
    ours: int
    kept: int
    width: int
    sentence: str


@dataclass(frozen=True, slots=True)
class _Bar:
    kind: str
    x: int
    y: float
    height: float
    width: int = _BAR - 4


@dataclass(frozen=True, slots=True)
class _Chart:
    bars: tuple[_Bar, ...]
    sentence: str
    first: str
    last: str
    width: int
    height: int = _CHART_HEIGHT


def render(view: StatusView) -> str:
    """The page, as HTML. Everything variable is escaped; it holds what the view holds, and so no content."""
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
            budget=_budget(view),
            chart=_chart(view.hours),
            expiries=[(TABLE[one.thing].title, expiry_line(one, view.now)) for one in view.expiries],
            mailbox=_mailbox(view),
            poll=_poll(view),
            next_login=_next_login(view),
            lease=_lease(view),
            pause=_pause(view) if view.paused else "",
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
    environment.filters["thousands"] = thousands
    environment.filters["commands"] = _commands
    environment.filters["second"] = lambda at: f"{at.astimezone(UTC):%d %b %Y, %H:%M:%S} UTC"
    return environment


def _commands(text: str) -> Markup:
    """Text between backticks is set as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _budget(view: StatusView) -> _Budget:
    login = view.login
    failed = min(login.failures, login.threshold)
    ours = min(login.remaining, login.threshold - failed)
    kept = login.threshold - failed - ours
    kinds = ["failed"] * failed + ["ours"] * ours + ["kept"] * kept
    return _Budget(
        cells=tuple(_Cell(kind, number * _CELL + 2) for number, kind in enumerate(kinds)),
        failed=failed,
        ours=ours,
        kept=kept,
        width=len(kinds) * _CELL,
        sentence=(
            f"Of the account's {login.threshold} attempts {failed} failed, {ours} are left for the worker, "
            f"and {kept} are kept for people."
        ),
    )


def _chart(hours: tuple[HourView, ...]) -> _Chart:
    if not any(hour.total for hour in hours):
        return _Chart((), "", "", "", 0)
    most = max(hours, key=lambda hour: hour.total)
    sums = {kind: sum(getattr(hour, kind) for hour in hours) for kind in _KINDS}
    return _Chart(
        bars=tuple(bar for number, hour in enumerate(hours) for bar in _stack(number, hour, most.total)),
        sentence=(
            f"{thousands(sums['handled'])} handled, {thousands(sums['junk'])} junk, "
            f"{count(sums['failed'], 'dead letter')}; "
            f"at most {thousands(most.total)} in one hour, from {clock(most.at)}."
        ),
        first=clock(hours[0].at),
        last=clock(hours[-1].at),
        width=len(hours) * _BAR,
    )


def _stack(number: int, hour: HourView, most: int) -> Iterator[_Bar]:
    top = float(_CHART_HEIGHT)
    for kind in _KINDS:
        height = round(getattr(hour, kind) / most * (_CHART_HEIGHT - 4), 2)
        if height:
            top -= height
            yield _Bar(kind, number * _BAR + 2, round(top, 2), height)


def _mailbox(view: StatusView) -> str:
    note = view.mailbox
    if note is None:
        return NEVER_MEASURED
    return f"{size_line(note)} As of {span(max(0.0, view.now.timestamp() - note.at))} ago."


def _poll(view: StatusView) -> str:
    poll = view.last_poll
    if poll.at is None:
        return "None yet."
    ago = f"{span(view.seconds_since(poll.at))} ago"
    if poll.ok:
        return f"{ago}, good, {poll.new} new."
    good = view.last_good_poll_at
    return f"{ago}, failed. " + (
        f"The last good one was {span(view.seconds_since(good))} ago." if good else "None was good yet."
    )


def _pause(view: StatusView) -> str:
    pause = view.pause
    since = "" if pause.since is None else f" since {clock(pause.since)}, for {span(view.paused_seconds)}"
    counted = (
        "not counted yet"
        if pause.counted_at is None
        else f"{thousands(pause.arrived or 0)} counted {span(view.seconds_since(pause.counted_at))} ago"
    )
    return f"By {pause.by or 'a person'}{since}. Come since the last poll: {counted}."


def _next_login(view: StatusView) -> str:
    if view.login.state is LoginState.HALTED:
        return "None, until a person or a new password changes things."
    at = view.login.next_attempt_at
    if at is None or at <= view.now:
        return "Whenever one is needed."
    return f"Not before {clock(at)}, in {span((at - view.now).total_seconds())}."


def _lease(view: StatusView) -> str:
    lease = view.lease
    if lease.holder is None or lease.expires_at is None:
        return "Nobody holds it."
    who = "this replica" if lease.holder == view.replica else lease.holder
    left = (lease.expires_at - view.now).total_seconds()
    return f"Held by {who}, {span(left)} left." if left > 0 else f"Ran out {span(-left)} ago; {who} had it."
