"""The whole command line: every command, and how errors become exit codes."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

from worker import __version__
from worker.cli import (
    alert_ways,
    audit,
    authors,
    completion,
    configuration,
    demo,
    find,
    handle,
    handler_catalogue,
    init,
    journal,
    login,
    review,
    work,
)
from worker.cli.groups import CommandGroup
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


@click.group(cls=CommandGroup)
@click.version_option(__version__, prog_name="nhsmail-worker")
def commands() -> None:
    """Watches one NHSmail mailbox: clean mail goes to handlers, junk is kept apart, and the account is never locked."""


for _command in (
    *(init.init, work.run_command, work.once, work.check, work.status, work.pause, work.resume),
    *(review.junk, review.failed, find.find, handle.handle),
    *(journal.reconcile, journal.journal, configuration.config_group),
    *(login.login, alert_ways.alerts, audit.audit, authors.route, authors.handler, demo.demo, completion.completion),
):
    commands.add_command(_command)
for _command in (handler_catalogue.handler_list, handler_catalogue.handler_show):
    authors.handler.add_command(_command)
