"""The commands `reconcile`, `journal rebuild` and `journal compact`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from worker.cli.options import ConfigOption, JsonOption, open_context, print_json
from worker.commands.exits import ExitCode


@click.command()
@ConfigOption
@JsonOption
def reconcile(config: Path | None, *, as_json: bool) -> int:
    """Hold every message against the journal; end with 1 if one is unaccounted for."""
    from worker.cli.tables import print_balance

    with open_context(config) as context:
        from worker.commands import journal as commands

        balance = commands.reconcile(context)
    if as_json:
        print_json(balance.as_json())
    else:
        print_balance(balance)
    return ExitCode.FINDING if balance.unaccounted else ExitCode.DONE


@click.group()
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
