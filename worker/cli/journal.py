"""The commands `reconcile`, `journal rebuild`, `journal compact` and `journal backup`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from worker.cli.groups import CommandGroup
from worker.cli.options import ConfigOption, JsonOption, open_context, print_json, words_if_given
from worker.cli.wrapped import say
from worker.commands.exits import ExitCode
from worker.logs.counted import counted


@click.command()
@ConfigOption
@JsonOption
@click.option(
    "--acknowledge",
    is_flag=True,
    help="First acknowledge the mail in the folder of handled mail that this worker didn't put there.",
)
@click.option("--reason", callback=words_if_given, help="With --acknowledge: the reason, for the audit trail.")
def reconcile(config: Path | None, *, as_json: bool, acknowledge: bool, reason: str | None) -> int:
    """Compare every message with the journal. Exit with 1 if a message is unaccounted for, or if somebody else
    put mail into the folder of handled mail.
    """

    from worker.cli.tables import print_balance
    from worker.cli.wrapped import echo

    if acknowledge != (reason is not None):
        raise click.UsageError("--acknowledge and --reason belong together. Say what the mail is, or who put it there.")
    with open_context(config) as context:
        from worker.commands import journal as commands
        from worker.commands.size_findings import size_lines

        balance, known = commands.reconcile(context, reason)
        sizes, _ = size_lines(context, None)
    if acknowledge:
        say(f"Acknowledged: {counted(known, 'message')} that this worker didn't put there.", err=True)
    if as_json:
        print_json(balance.as_json())
    else:
        print_balance(balance)
        for line in sizes:
            echo(line)
    return ExitCode.FINDING if balance.unaccounted or balance.unexplained else ExitCode.DONE


@click.group(cls=CommandGroup)
def journal() -> None:
    """Repair, reduce and copy the journal."""


@journal.command("rebuild")
@ConfigOption
@click.option(
    "--assume-handled-before",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Treat mail in the watched folders as handled if it was received before this day (UTC).",
)
def journal_rebuild(config: Path | None, assume_handled_before: datetime | None) -> int:
    """Rebuild the journal from the mailbox. A damaged journal is kept under another name."""

    before = None if assume_handled_before is None else assume_handled_before.replace(tzinfo=UTC)
    with open_context(config) as context:
        from worker.commands import journal as commands
        from worker.commands.status_and_pause import is_paused

        rebuilt, damaged = commands.rebuild(context, before)
        paused = is_paused(context)
    if damaged is not None:
        say(f"The damaged journal was kept as {damaged}.")
    say(
        f"Entered: {rebuilt.handled:,} handled, {rebuilt.junk:,} junk, {rebuilt.failed:,} failed. "
        f"The next poll takes {counted(rebuilt.left, 'message')} in the watched folders as new."
    )
    if paused:
        say("The worker is still paused. It hands nothing over until you run `nhsmail-worker resume`.")
    return ExitCode.DONE


@journal.command("compact")
@ConfigOption
def journal_compact(config: Path | None) -> int:
    """Replace rows of mail that was settled long ago, and is no longer in any folder, with a count."""

    with open_context(config) as context:
        from worker.commands import journal as commands

        count = commands.compact(context)
    say(
        f"{counted(count, 'row')} compacted. A row is compacted when two walks (one a day, or one for each run of this "
        "command) didn't find its message."
    )
    return ExitCode.DONE


@journal.command("backup")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@ConfigOption
def journal_backup(config: Path | None, directory: Path) -> int:
    """Copy journal, audit trail and their keys into a new folder in DIR. A worker may run meanwhile.

    The copy is whole, or isn't there; a former one is never written over. It holds no password, no token, and nothing
    that would let a restored copy log in: page "Upgrade and backup" says how to go back to one.
    """
    with open_context(config, reading=True) as context:
        from worker.commands import backup

        made = backup.back_up(context, directory)
    say(f"The copy is {made.path}.")
    if not made.audited:
        say("The audit trail can't be written, so it doesn't record this copy.", err=True)
        return ExitCode.FINDING
    return ExitCode.DONE
