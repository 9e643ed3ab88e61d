"""The whole command line: every command, and how errors become exit codes."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Final

import click

from worker import __version__
from worker.cli.groups import CommandGroup, LazyCommands
from worker.cli.stdout import StandardOutput, code_without_output, watched_stdout
from worker.cli.wrapped import echo
from worker.commands.exits import ExitCode, Failure
from worker.connections import ignore_key_log


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: run the command line and end the process with its exit code."""
    ignore_key_log(os.environ)
    _open_closed_streams()
    _take_any_character()
    output = watched_stdout()
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- a bug must not exit with 1, which means a finding
        code = _code_of(error, output)
    sys.exit(code)


def _code_of(error: Exception | SystemExit, output: StandardOutput | None) -> int:
    code = None if output is None else code_without_output(error, output)
    if code is not None:
        return code
    if isinstance(error, SystemExit):
        raise error
    sys.excepthook(type(error), error, error.__traceback__)
    return ExitCode.FAULT


def _open_closed_streams() -> None:
    """Open the standard streams that we were started without, as by `<&-`.

    Otherwise the next file that is opened, such as the journal, gets their number, and what a library prints.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free, so the stream's own
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode))


def _take_any_character() -> None:
    """Print `?` for a character that the terminal's encoding lacks, such as ISO 8859-1, instead of failing.

    What is typed in another encoding than the terminal's comes as surrogates, and whoever asks refuses it.
    """
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "replace"), (sys.stdin, "surrogateescape")):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors=errors)


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code (see `ExitCode`)."""
    try:
        return int(commands.main(args=arguments, prog_name="nhsmail-worker", standalone_mode=False) or 0)
    except (click.exceptions.Abort, KeyboardInterrupt):
        echo(_STOPPED, err=True)
        return ExitCode.NOT_NOW
    except click.ClickException as problem:
        problem.show()
        return ExitCode.USAGE
    except Failure as failure:
        echo(str(failure), err=True)
        return failure.code


_STOPPED = "Stopped before the end. No mail is lost. To finish, type the command again."
"""For Ctrl-C and Ctrl-D."""


_COMMANDS: Final = {
    "alerts": "alert_ways:alerts",
    "audit": "audit:audit",
    "check": "work:check",
    "completion": "completion:completion",
    "config": "configuration:config_group",
    "demo": "demo:demo",
    "failed": "review:failed",
    "find": "find:find",
    "handle": "handle:handle",
    "handler": "authors:handler",
    "init": "init:init",
    "journal": "journal:journal",
    "junk": "review:junk",
    "login": "login:login",
    "once": "work:once",
    "pause": "work:pause",
    "reconcile": "journal:reconcile",
    "resume": "work:resume",
    "route": "authors:route",
    "run": "work:run_command",
    "status": "work:status",
}
"""Where each command is: the file in this room, and the name in it."""


@click.group(cls=CommandGroup, commands=LazyCommands(_COMMANDS))
@click.version_option(__version__, prog_name="nhsmail-worker")
def commands() -> None:
    """Watches one NHSmail mailbox: clean mail goes to handlers, junk is kept apart, and the account is never locked."""
