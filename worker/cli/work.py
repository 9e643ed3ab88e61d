"""The everyday commands: `run`, `once`, `check`, `status`, `pause` and `resume`."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.list_options import (
    ComesToOption,
    ForHandlerOption,
    FromOption,
    SinceOption,
    SubjectOption,
    TakenByOption,
    forms,
)
from worker.cli.options import ConfigOption, JsonOption, open_context, print_json, starting_up
from worker.cli.terminal import agreed, interruptible, somebody_sits_there
from worker.cli.wrapped import say
from worker.commands.exits import ExitCode
from worker.loop.signals import catch_ending

if TYPE_CHECKING:
    from worker.commands.context import Context
    from worker.observe.progress import Drain
    from worker.pipeline.old_mail import Backlog


@click.command("run")
@ConfigOption
def run_command(config: Path | None) -> int:
    """Poll the mailbox until SIGTERM or SIGINT, then finish the messages that are being handled."""

    end = catch_ending()
    with open_context(config, logs=True) as context:
        with starting_up():
            from worker.commands import work as commands

        return int(commands.run(context, end))


@click.command()
@ConfigOption
@click.option("--dry-run", is_flag=True, help="Show what would happen to each message. Changes nothing.")
@click.option("--yes", is_flag=True, help="On the first run, hand over more than 1,000 old messages without asking.")
@SinceOption
@FromOption
@SubjectOption
@ComesToOption
@ForHandlerOption
@TakenByOption
@forms
def once(config: Path | None, *, dry_run: bool, yes: bool, as_json: bool, as_csv: bool, **filters: Any) -> int:
    """Empty the mailbox once, and end.

    With --dry-run it lists what each message would come to. Into a pipe it prints a line for each message, with tabs
    between time, key, sender, subject, outcome, path, routes and handlers.
    """
    chosen = {name: value for name, value in filters.items() if value is not None}
    if (chosen or as_json or as_csv) and not dry_run:
        raise click.UsageError("Options that choose messages, --json and --csv need --dry-run. Nothing was done.")
    with open_context(config, logs=True, quiet=sys.stderr.isatty()) as context:
        with starting_up():
            from worker.commands import work as commands

        if dry_run:
            return _foresee(context, chosen, as_json=as_json, as_csv=as_csv)
        with _progress() as progress:
            summary = commands.once(context, progress, _Asked(progress, yes=yes))
        with suppress(OSError):  # the mailbox is drained, even if nobody reads standard error any more
            say(summary.text(), err=True)
        return int(summary.exit_code)


@click.command()
@ConfigOption
@click.option("--connect", is_flag=True, help="Also log in once, through the guard, and open the folders.")
def check(config: Path | None, *, connect: bool) -> int:
    """Check the configuration, and report every fault in it."""

    with open_context(config) as context:
        with starting_up():
            from worker.cli.wrapped import echo
            from worker.commands import check as commands
            from worker.commands.alert_findings import submission_findings

        checked = commands.check(context)
        for line in checked.lines:
            echo(line)
        if connect:
            greeted, relay_is_unfit = commands.check_relay(context)
            more, submission_is_unfit = submission_findings(context)
            for line in (*greeted, *more):
                echo(line)
            if said := commands.before_connecting(context):
                echo(said, err=True)
            connected = commands.check_connection(context)
            for line in connected.lines:
                echo(line)
    has_finding = checked.finding or (connect and (connected.finding or relay_is_unfit or submission_is_unfit))
    return ExitCode.FINDING if has_finding else ExitCode.DONE


@click.command()
@ConfigOption
@JsonOption
def status(config: Path | None, *, as_json: bool) -> int:
    """The state of the worker, from the journal alone."""

    with open_context(config, reading=True) as context:
        with starting_up():
            from worker.commands import status_and_pause as commands

        found, waiting = commands.status(context), commands.waiting(context)
        handlers = {name for route in context.settings.routes for name in route.handlers}
    from worker.cli.waiting_lines import waiting_json, waiting_lines

    if as_json:
        from worker.observe.phrases import headline_json
        from worker.observe.view import status_json

        again = waiting_json(waiting, found.now)
        print_json({**status_json(found), "headline": headline_json(found), "waiting_again": again})
    else:
        from worker.cli.status_screen import print_status

        print_status(found, list(waiting_lines(waiting, handlers, found.now)))
    return ExitCode.DONE


@click.command()
@ConfigOption
@click.option(
    "--reason", default="", help=("The reason. The status page and `status` show it, and the audit trail keeps it.")
)
def pause(config: Path | None, *, reason: str) -> int:
    """Stop handling and moving mail until `resume`. The connection stays open."""

    with open_context(config) as context:
        from worker.commands import status_and_pause as commands

        commands.pause(context, reason)
    say("Paused. Mail stays untouched in the mailbox until you run `nhsmail-worker resume`.")
    return ExitCode.DONE


@click.command()
@ConfigOption
def resume(config: Path | None) -> int:
    """End a pause."""

    with open_context(config) as context:
        from worker.commands import status_and_pause as commands

        commands.resume(context)
    say("Resumed. Work continues with the next poll.")
    return ExitCode.DONE


def _foresee(context: "Context", chosen: dict[str, Any], *, as_json: bool, as_csv: bool) -> int:
    from worker.cli.list_printing import form_of
    from worker.cli.list_rows import print_expected
    from worker.commands import lists

    form = form_of(as_json=as_json, as_csv=as_csv)
    print_expected(*lists.expected(context, lists.Choice(**chosen)), form)
    return ExitCode.DONE


class _Asked:
    """The person who started `once`, who is told of old mail, and asked whether it is to be handed over.

    Where nobody sits there, the work goes on: a scheduled run must not wait for an answer.
    """

    def __init__(self, progress: "Drain", *, yes: bool) -> None:
        self._progress = progress
        self._yes = yes

    @property
    def decides(self) -> bool:
        return self._yes or somebody_sits_there()

    def hears(self, found: "Backlog") -> None:
        if found.count and sys.stderr.isatty():
            with self._progress.still(), suppress(OSError):
                say(f"The first run. {found.text()}", err=True)

    def agrees(self, found: "Backlog") -> bool:
        if self._yes:
            return True
        with self._progress.still(), interruptible():
            try:
                return agreed(f"[poll] since isn't set. Hand over all {found.count:,} of them?")
            except KeyboardInterrupt:
                return False


def _progress() -> Any:
    from worker.observe.progress import progress

    return progress(sys.stderr)
