"""Prints the state for a person: the page's first sentence and what to do, then a line for each thing."""

import re
import sys
import textwrap
from collections.abc import Iterator, Sequence

from worker.cli.wrapped import say
from worker.logs.typed import as_typed
from worker.observe.humanise import thousands
from worker.observe.phrases import headline
from worker.observe.state_lines import (
    endings,
    handler_line,
    last_poll_line,
    login_line,
    next_end_line,
    next_login_line,
    next_poll_line,
    pause_line,
    waiting_line,
)
from worker.observe.view import StatusView
from worker.observe.work_view import OutcomesView

_GAP = 2
_NARROWEST = 20
"""Columns that a value keeps beside its label, however narrow the terminal is."""


def print_status(view: StatusView, waiting: Sequence[str] = ()) -> None:
    """Print it as wide as the terminal is; where it isn't a terminal, each thing stands on one line.

    waiting: a line for each reason for which messages wait for another try.
    """
    say("\n".join(status_lines(view, _width_of_terminal() if sys.stdout.isatty() else None, waiting)))


def _width_of_terminal() -> int:
    from rich.console import Console  # here, because only a terminal needs it

    return Console().width


def status_lines(view: StatusView, width: int | None, waiting: Sequence[str] = ()) -> list[str]:
    """The screen's lines. width: in columns; None: nothing is wrapped."""
    head = headline(view)
    lines = _wrapped("", head.text, width)
    if head.advice:
        lines.append("What to do:")
        for number, step in enumerate(head.advice, 1):
            lines += _wrapped(f"  {number}. ", step, width)
    lines.append("")
    rows = [(f"{name}:" if name else "", as_typed(text)) for name, text in _rows(view, waiting)]
    widest = max(len(name) for name, _ in rows) + _GAP
    for name, text in rows:
        lines += _wrapped(f"{name:<{widest}}", text, width)
    return lines


def _wrapped(label: str, text: str, width: int | None) -> list[str]:
    """The label and the text beside it. A command stays on one line, so that it can be copied."""
    if width is None:
        return [f"{label}{text}".rstrip()]
    whole = re.sub(r"`[^`]*`", lambda found: found[0].replace(" ", "\0"), text)
    parts = textwrap.wrap(whole, max(width - len(label), _NARROWEST), break_on_hyphens=False, break_long_words=False)
    indent = " " * len(label)
    return [f"{indent if number else label}{part}".replace("\0", " ") for number, part in enumerate(parts or [""])]


def _rows(view: StatusView, waiting: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "account", view.account
    yield "worker", "none is running" if view.lease.holder is None else f"running as {view.lease.holder}"
    yield "waiting", waiting_line(view)
    for number, line in enumerate(waiting):
        yield "" if number else "tried again", line
    if view.paused:
        yield "paused", pause_line(view)
    yield "last poll", last_poll_line(view)
    yield "next poll", next_poll_line(view)
    yield "runs out next", next_end_line(view)
    yield from ((title.lower(), line) for title, line in endings(view))
    for circuit in view.circuits:
        if circuit.open:
            yield f"handler {circuit.handler}", handler_line(circuit, view)
    yield "last 24 hours", _outcomes(view.hours)
    yield "last 30 days", _outcomes(view.days)
    yield "all messages", _all(view)
    yield "login", login_line(view)
    yield "next login", next_login_line(view)


def _outcomes(spans: tuple[OutcomesView, ...]) -> str:
    handled, junk, failed = (sum(getattr(one, kind) for one in spans) for kind in ("handled", "junk", "failed"))
    return f"{thousands(handled)} handled, {thousands(junk)} junk, {thousands(failed)} failed"


def _all(view: StatusView) -> str:
    messages = view.messages
    counts = (
        (messages.handled, "handled"),
        (messages.junk, "junk"),
        (messages.failed, "failed"),
        (messages.gone, "taken by others"),
        (messages.released, "released"),
    )
    return ", ".join(f"{thousands(number)} {name}" for number, name in counts)
