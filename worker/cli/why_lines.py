"""Prints why a message is where it is, before anything of the message."""

from typing import Any

from worker.cli.wrapped import echo


def print_why(why: Any) -> None:
    """Print the reason, what is known besides, and what to do next. Every text is ours."""
    echo("\n".join(why_lines(why)))


def why_lines(why: Any) -> list[str]:
    """The lines. A command has a line of its own, so that it can be copied."""
    width = max((len(name) for name, _ in why.facts), default=0) + 2
    lines = [why.fact, "", *(f"  {f'{name}:':<{width}}{text}" for name, text in why.facts)]
    if why.do or why.command:
        lines += ["", "What to do:", *(f"  {step}" for step in why.do)]
    if why.command:
        lines.append(f"    {why.command}")
    return [*lines, ""]
