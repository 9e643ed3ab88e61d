"""Writes the man page, and the shells' scripts beside it, from the commands: `python -m worker.cli.man_page share`."""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

from worker import __version__
from worker.cli.completion import PROGRAM, SHELLS, completion_script
from worker.cli.main import commands
from worker.commands.exits import EXIT_CODES

MAN_PAGE: Final = "man/man1/nhsmail-worker.1"
"""Where the page lies below a `share` folder."""

_FILES: Final = (
    ("worker.toml", "The configuration. `nhsmail-worker config example` prints a whole one."),
    ("/var/lib/nhsmail-worker", "The state: the journal with the count of login attempts, the audit trail, tokens."),
)
_ENVIRONMENT: Final = (
    ("NHSMAIL_CONFIG", "The configuration file, for commands without `--config`."),
    ("NHSMAIL_TABLE__KEY", "The setting KEY of TABLE. It beats the file."),
)


def man_page() -> str:
    """Return the page, in the macros of man(7)."""
    return "\n".join(_lines()) + "\n"


def files() -> dict[str, str]:
    """Return each file that goes below a `share` folder, by its place there."""
    return {MAN_PAGE: man_page(), **{place: completion_script(shell) for shell, place in SHELLS.items()}}


def _lines() -> Iterator[str]:
    about = _paragraphs(commands.help)
    yield f'.TH NHSMAIL-WORKER 1 "" "{PROGRAM} {__version__}" "nhsmail-worker"'
    yield ".nh"  # names of settings and variables are not to be hyphenated
    yield from (".SH NAME", rf"{_escaped(PROGRAM)} \- watches one NHSmail mailbox and hands its mail to handlers")
    yield from (".SH SYNOPSIS", f".B {_escaped(PROGRAM)}", r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGS\fR]...")
    yield from (".SH DESCRIPTION", *about)
    yield from (".SH OPTIONS", *_options(click.Context(commands, info_name=PROGRAM)))
    yield ".SH COMMANDS"
    for context in _commands(click.Context(commands, info_name=PROGRAM)):
        yield from _command(context)
    yield ".SH EXIT STATUS"
    yield from _terms((str(int(code)), meaning) for code, meaning in EXIT_CODES.items())
    yield from (".SH ENVIRONMENT", *_terms(_ENVIRONMENT), ".SH FILES", *_terms(_FILES))


def _commands(context: click.Context) -> Iterator[click.Context]:
    """Every command that does something, in the order of their names."""
    group = context.command
    if not isinstance(group, click.Group):
        yield context
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield from _commands(click.Context(command, info_name=name, parent=context))


def _command(context: click.Context) -> Iterator[str]:
    yield f".SS {_escaped(context.command_path)}"
    words = " ".join(context.command.collect_usage_pieces(context))
    yield from (f".B {_escaped(context.command_path)}", f".I {_escaped(words)}", ".PP")
    yield from _paragraphs(context.command.help)
    yield from _options(context)


def _options(context: click.Context) -> Iterator[str]:
    """What each option means. `--help` is said once, for all."""
    is_root = context.parent is None
    shown = [one for one in context.command.get_params(context) if is_root or "--help" not in one.opts]
    yield from _terms(record for one in shown if (record := one.get_help_record(context)) is not None and record[1])


def _terms(terms: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in terms:
        yield from (".TP", f".B {_escaped(term)}", *_text(meaning))


def _paragraphs(text: str | None) -> Iterator[str]:
    for number, paragraph in enumerate(inspect.cleandoc(text or "").split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith(_AS_IT_IS):
            yield from (".nf", *map(_escaped_line, paragraph.removeprefix(_AS_IT_IS).splitlines()), ".fi")
        else:
            yield from _text(paragraph)


_AS_IT_IS: Final = "\b\n"
"""click's mark of a paragraph whose lines stay as they are."""


def _text(text: str) -> list[str]:
    """The lines of a text in roff. What stands between backquotes is bold."""
    bold = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", _escaped(text))
    lines = textwrap.wrap(bold, 79, break_on_hyphens=False, break_long_words=False)
    return [f"\\&{line}" if line.startswith((".", "'")) else line for line in lines]


def _escaped(text: str) -> str:
    return _escaped_line(" ".join(text.split()))


def _escaped_line(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-")


def main(folder: Path) -> None:
    """Write all files below a folder."""
    for place, text in files().items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
