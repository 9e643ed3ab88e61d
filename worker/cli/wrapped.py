"""Text for people: commands in it as they are typed here, lines as wide as their terminal.

What a program reads stays on its lines. `click.echo` prints data alone, whose words aren't ours.
"""

import shutil
import sys
import textwrap
from typing import Final

import click

from worker.logs.typed import as_typed

WIDEST: Final = 100
"""Longer lines are hard to read, however wide the terminal is."""
NARROWEST: Final = 20


def echo(text: str, *, err: bool = False) -> None:
    """Print a text on standard output or standard error, wrapped if a terminal shows it."""
    stream = sys.stderr if err else sys.stdout
    named = as_typed(text)
    click.echo(wrapped(named, width_of_terminal()) if stream.isatty() else named, err=err)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text as it is, with its commands as they are typed here. nl: end the line."""
    click.echo(as_typed(text), err=err, nl=nl)


def width_of_terminal() -> int:
    """How wide lines may be on this terminal."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))


def wrapped(text: str, width: int) -> str:
    """The text with its lines wrapped at blanks. Further lines are indented as the first.

    A command is never broken, because a broken one can't be copied: a line that is indented by four blanks stays as it
    is, and so does what stands between backticks.
    """
    return "\n".join(_wrapped_line(line, width) for line in text.split("\n"))


def _wrapped_line(line: str, width: int) -> str:
    indent = line[: len(line) - len(line.lstrip(" "))]
    if len(line) <= width or line.startswith("    "):
        return line
    wrapper = textwrap.TextWrapper(width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapper.wrap(_kept_together(line))).replace(_BLANK, " ")


_BLANK: Final = "\x00"
"""Stands for a blank that mustn't be broken at."""


def _kept_together(line: str) -> str:
    parts = line.split("`")
    if len(parts) % 2 == 0:
        return line  # not every backtick has its other one
    return "`".join(part.replace(" ", _BLANK) if number % 2 else part for number, part in enumerate(parts))
