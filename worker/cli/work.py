"""The everyday commands: `run`, `once`, `check`, `status`, `pause` and `resume`."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from worker.cli.options import ConfigOption, JsonOption, open_context, print_json
from worker.commands.exits import ExitCode
from worker.loop.signals import catch_ending


@click.command("run")
@ConfigOption
def run_command(config: Path | None) -> int:
    """Poll the mailbox until SIGTERM or SIGINT; finish what is in hand."""
    end = catch_ending()
    with open_context(config, logs=True) as context:
        from worker.commands import work as commands

        return int(commands.run(context, end))


@click.command()
@ConfigOption
@click.option("--dry-run", is_flag=True, help="Say what each message would come to, and change nothing.")
def once(config: Path | None, *, dry_run: bool) -> int:
    """Drain the mailbox and end."""
    from worker.cli.tables import print_foreseen

    with open_context(config, logs=True, quiet=sys.stderr.isatty()) as context:
        from worker.commands import work as commands

        if dry_run:
            return print_foreseen(commands.preview(context))
        with _progress() as progress:
            summary = commands.once(context, progress)
        with suppress(OSError):  # the mailbox is drained, even if nobody reads standard error any more
            click.echo(summary.text(), err=True)
        return int(summary.exit_code)


@click.command()
@ConfigOption
@click.option("--connect", is_flag=True, help="Also log in once, through the guard, and look at the folders.")
def check(config: Path | None, *, connect: bool) -> int:
    """Check the configuration, and report everything that is wrong with it."""
    with open_context(config) as context:
        from worker.commands import check as commands

        for line in commands.check(context):
            click.echo(line)
        if connect:
            if said := commands.before_connecting(context):
                click.echo(said, err=True)
            for line in commands.check_connection(context):
                click.echo(line)
    return ExitCode.DONE


@click.command()
@ConfigOption
@JsonOption
def status(config: Path | None, *, as_json: bool) -> int:
    """The state of the worker, from the journal alone."""
    from worker.cli.tables import print_status

    with open_context(config, reading=True) as context:
        from worker.commands import work as commands

        found = commands.status(context)
    if as_json:
        print_json(found)
    else:
        print_status(found)
    return ExitCode.DONE


@click.command()
@ConfigOption
def pause(config: Path | None) -> int:
    """Hand over and settle nothing until `resume`; the connection and the health stay."""
    with open_context(config) as context:
        from worker.commands import work as commands

        commands.pause(context)
    click.echo("Paused: mail stays in the mailbox untouched until `nhsmail-worker resume`.")
    return ExitCode.DONE


@click.command()
@ConfigOption
def resume(config: Path | None) -> int:
    """Let the work go on after `pause`."""
    with open_context(config) as context:
        from worker.commands import work as commands

        commands.resume(context)
    click.echo("Resumed: work goes on with the next poll.")
    return ExitCode.DONE


def _progress() -> Any:
    from worker.observe.progress import progress

    return progress(sys.stderr)
