"""The commands `reconcile`, `journal rebuild`, `journal compact` and `journal backup`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from worker.cli.groups import CommandGroup
from worker.cli.options import ConfigOption, JsonOption, open_context, print_json, words_if_given
from worker.commands.exits import ExitCode


@click.command()
@ConfigOption
@JsonOption
@click.option(
    "--acknowledge",
    is_flag=True,
    help="First take the mail in the folder of handled mail that this worker didn't put there as known.",
)
@click.option("--reason", callback=words_if_given, help="With --acknowledge: why, for the audit trail.")
def reconcile(config: Path | None, *, as_json: bool, acknowledge: bool, reason: str | None) -> int:
    """Hold every message against the journal; end with 1 if one is unaccounted for, or was put among the handled."""
    from worker.cli.tables import print_balance

    if acknowledge != (reason is not None):
        raise click.UsageError("--acknowledge and --reason go together: say what the mail is, or who put it there.")
    with open_context(config) as context:
        from worker.commands import journal as commands
        from worker.commands.size_findings import size_lines

        balance, known = commands.reconcile(context, reason)
        sizes, _ = size_lines(context, None)
    if acknowledge:
        click.echo(f"{known} message(s) that this worker didn't put there are known from now on.", err=True)
    if as_json:
        print_json(balance.as_json())
    else:
        print_balance(balance)
        for line in sizes:
            click.echo(line)
    return ExitCode.FINDING if balance.unaccounted or balance.unexplained else ExitCode.DONE


@click.group(cls=CommandGroup)
def journal() -> None:
    """The journal's upkeep: after damage, and over the years."""


@journal.command("rebuild")
@ConfigOption
@click.option(
    "--assume-handled-before",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Take mail in the watched folders that was received before this day (UTC) as handled.",
)
def journal_rebuild(config: Path | None, assume_handled_before: datetime | None) -> int:
    """Make the journal anew from what the mailbox shows; a damaged one is kept under another name."""
    before = None if assume_handled_before is None else assume_handled_before.replace(tzinfo=UTC)
    with open_context(config) as context:
        from worker.commands import journal as commands
        from worker.commands.work import is_paused

        rebuilt, damaged = commands.rebuild(context, before)
        paused = is_paused(context)
    if damaged is not None:
        click.echo(f"The damaged journal was kept as {damaged}.")
    click.echo(
        f"Entered {rebuilt.handled} handled, {rebuilt.junk} junk and {rebuilt.failed} failed messages. "
        f"{rebuilt.left} in the watched folders are taken up as new by the next poll."
    )
    if paused:
        click.echo("The worker is still paused: nothing is handed over until `nhsmail-worker resume`.")
    return ExitCode.DONE


@journal.command("compact")
@ConfigOption
def journal_compact(config: Path | None) -> int:
    """Reduce rows of mail that was settled long ago, and is in no folder any more, to their number."""
    with open_context(config) as context:
        from worker.commands import journal as commands

        count = commands.compact(context)
    click.echo(f"{count} row(s) compacted. A row goes when two walks missed its message: a day's, or this command's.")
    return ExitCode.DONE


@journal.command("backup")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@ConfigOption
def journal_backup(config: Path | None, directory: Path) -> int:
    """Copy journal, audit trail and their keys into a new folder in DIR, beside a running worker.

    The copy is whole, or isn't there; a former one is never written over. It holds no password, no token, and nothing
    that would let a restored copy log in: page "Upgrade and backup" says how to go back to one.
    """
    with open_context(config, reading=True) as context:
        from worker.commands import backup

        made = backup.back_up(context, directory)
    click.echo(f"The copy is {made.path}.")
    if not made.audited:
        click.echo("The audit trail can't be written, so it doesn't show that this copy was made.", err=True)
        return ExitCode.FINDING
    return ExitCode.DONE
