"""Prints tables and texts for people on standard output. Imported only where needed, because rich is slow to load."""

import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from worker.cli.balance_words import balance_lines
from worker.cli.cells import fitting
from worker.cli.wrapped import echo
from worker.commands.exits import ExitCode
from worker.logs.counted import counted


def login_line(login: dict[str, Any]) -> str:
    used = (
        f"{login['failures']} of {counted(login['threshold'], 'attempt')} failed, {login['remaining']} left for the "
        "worker"
    )
    later = f"; next attempt {login['next_attempt_at']}" if login["next_attempt_at"] else ""
    reason = f" ({login['reason']})" if login["reason"] else ""
    return f"{login['state']}{reason}: {used}{later}"


def print_balance(balance: Any) -> None:
    table = Table("state")
    table.add_column("messages", justify="right")
    for name, count in balance.as_json().items():
        if isinstance(count, int):
            table.add_row(name, str(count))
    standard_output().print(table)
    echo("\n".join(balance_lines(balance)))


def print_shown(shown: Any) -> int:
    """Indent whatever the sender wrote, so that it can't pass for our own words, which start at the margin."""
    lines = [f"{shown.key} in '{shown.folder}'"]
    if shown.evidence:
        lines += ["", "Evidence:"]
    for piece in shown.evidence:
        counts = "counts" if piece.counts else "doesn't count"
        lines += _set_in(f"{piece.source} {piece.value} ({piece.header or 'no header'}): {counts}, {piece.reason}")
    lines += ["", "Headers:"]
    for name, value in shown.headers:
        lines += _set_in(f"{name}: {value}")
    if shown.attachments:
        lines += ["", "Attachments:"]
        for name, kind, size in shown.attachments:
            lines += _set_in(f"{name} ({kind}, {counted(size, 'byte')})")
    if shown.text:
        lines += ["", "Text:"]
        for line in shown.text.split("\n"):
            lines += _set_in(line, "  | ", "  | ")
    click.echo("\n".join(lines))
    if shown.note:
        echo(f"\n{shown.note}")
    return ExitCode.DONE


def _set_in(text: str, first: str = "  ", further: str = "    ") -> list[str]:
    """Split a text into indented lines that fit the terminal, which would wrap a longer line to the margin."""
    lines: list[str] = []
    indent = first
    while (end := fitting(text, _terminal_width() - len(indent))) < len(text):
        cut = text.rfind(" ", 1, end + 1)
        if cut < 0:
            cut = end
        lines.append(indent + text[:cut])
        text, indent = text[cut:].lstrip(" "), further
    return [*lines, indent + text]


def print_explanation(found: Any) -> None:
    """Print which route takes a message, rule by rule: the names of conditions, and no content."""
    lines = [f"Path: {found.path.value}"]
    for piece in found.evidence:
        counts = "counts" if piece.counts else "doesn't count"
        lines.append(f"  {piece.source} {piece.value} ({piece.header or 'no header'}): {counts}, {piece.reason}")
    lines += ["", "Rules, in order:", *(f"  {rule.route}: {_rule_line(rule)}" for rule in found.rules), ""]
    lines.append(_fate_line(found))
    if found.unreadable and found.handlers:
        lines.append(
            f"It can't be parsed ({found.unreadable}). If a handler asks for its text or its attachments, it becomes a "
            "dead letter."
        )
    click.echo("\n".join(lines))


def _rule_line(rule: Any) -> str:
    words = {True: "yes", False: "no", None: "can't be told"}
    if rule.takes:
        answer = "takes it"
    elif rule.matched:
        answer = "would match"
    else:
        answer = "doesn't match" if rule.matched is False else "can't be told, as the message can't be read"
    conditions = ", ".join(f"{name} {words[holds]}" for name, holds in rule.conditions) or "no condition"
    return f"{answer} ({conditions})"


def _fate_line(found: Any) -> str:
    if found.handlers:
        names = " and ".join(f"'{name}'" for name in found.routes)
        goes = f"It goes to {', '.join(found.handlers)}, by {'routes' if len(found.routes) > 1 else 'route'} {names}."
        in_order = "\nEach handler gets it once the one before has returned." if len(found.handlers) > 1 else ""
        return goes + in_order
    if found.reason == "oversize":
        return (
            "It would be a dead letter (oversize): it is larger than [limits] message, so the worker never fetches it."
        )
    if found.fate.value == "later":
        return f"The worker would look again later ({found.reason}): the file is a placeholder, not the message."
    return (
        f"It would be a dead letter ({found.reason}): a rule needs a part of it that can't be read. No later rule gets "
        "it. If the reason names a limit, that is a setting of [limits]."
    )


_PIPE_WIDTH = 160


def _terminal_width() -> int:
    """The width of the terminal, also when the output reaches it through a pager."""
    terminal = next((stream for stream in (sys.stdout, sys.stderr) if stream.isatty()), None)
    return _PIPE_WIDTH if terminal is None else Console(file=terminal).width


def standard_output() -> Console:
    """Standard output. If it isn't a terminal, lines are wide enough for a program to read them unwrapped."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
