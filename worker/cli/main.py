"""The whole command line: every command, and how errors become exit codes."""

import sys
from collections.abc import Sequence

import click

from worker import __version__
from worker.cli import audit, authors, demo, journal, login, review, work
from worker.commands.exits import ExitCode, Failure


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: run the command line and end the process with its exit code."""
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except Exception:  # noqa: BLE001 -- a bug must not exit with 1, which means a finding
        sys.excepthook(*sys.exc_info())
        code = ExitCode.FAULT
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code (see `ExitCode`)."""
    try:
        return int(commands.main(args=arguments, prog_name="nhsmail-worker", standalone_mode=False) or 0)
    except click.exceptions.Abort:
        return ExitCode.FAULT
    except click.ClickException as problem:
        problem.show()
        return ExitCode.USAGE
    except Failure as failure:
        click.echo(str(failure), err=True)
        return failure.code


@click.group()
@click.version_option(__version__, prog_name="nhsmail-worker")
def commands() -> None:
    """Watches one NHSmail mailbox: junk down a path of its own, clean mail to handlers, the account never locked."""


for _command in (
    *(work.run_command, work.once, work.check, work.status, work.pause, work.resume),
    *(review.junk, review.failed),
    *(journal.reconcile, journal.journal),
    *(login.login, audit.audit, authors.route, authors.handler, demo.demo),
):
    commands.add_command(_command)
