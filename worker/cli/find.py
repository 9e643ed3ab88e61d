"""The command `find`: what became of a message."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from worker.cli.options import ConfigOption, JsonOption, as_utf8, open_context, print_json
from worker.cli.when import When
from worker.commands.exits import ExitCode

SHOWN, LOOK = 20, 500


def _one_line(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """A text to look for: without what doesn't print, which no header has, and with single spaces."""
    text = as_utf8(context, parameter, value or "")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


@click.command()
@ConfigOption
@click.argument("text", required=False, callback=_one_line)
@click.option("--from", "sender", metavar="TEXT", callback=_one_line, help="Part of the sender's name or address.")
@click.option("--subject", metavar="TEXT", callback=_one_line, help="Part of the subject.")
@click.option("--message-id", metavar="ID", callback=_one_line, help="The header Message-ID, or part of it.")
@click.option("--key", metavar="KEY", callback=_one_line, help="The message's key, or the beginning of it.")
@click.option("--since", metavar="WHEN", type=When(time.time), help="Received then or later: 2026-11-28, 10:05, 2d.")
@click.option(
    "--until", metavar="WHEN", type=When(time.time), help="Received then or earlier. A day counts to its end."
)
@click.option("--all-folders", is_flag=True, help="Also search the folders that the worker doesn't use.")
@click.option(
    "--look",
    type=click.IntRange(0, 1_000_000),
    default=LOOK,
    show_default=True,
    help="Read the headers of this many of the newest messages in each folder, whatever the server's search says.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000),
    default=SHOWN,
    show_default=True,
    help="Show at most this many.",
)
@JsonOption
def find(
    config: Path | None,
    since: tuple[float, float] | None,
    until: tuple[float, float] | None,
    *,
    as_json: bool,
    **options: Any,
) -> int:
    """What became of a message: where it is, and what the worker did with it.

    TEXT is part of the sender or of the subject. A message must match all that is given. Upper and lower case
    are the same. Sender and subject are read from the mailbox at this moment. Exit code 1: nothing was found.
    """
    from worker.commands.find.criteria import ALWAYS, Criteria, Window
    from worker.commands.find.folder_search import Bounds

    window = Window(-ALWAYS if since is None else since[0], ALWAYS if until is None else until[1])
    criteria = Criteria(
        either=options["text"],
        sender=options["sender"],
        subject=options["subject"],
        message_id=options["message_id"],
        key=options["key"].lower(),
        window=window,
    )
    if not criteria.names:
        raise click.UsageError("Say what to look for, such as `--from lab@nhs.net` or `--since 10:00 --until 10:10`.")
    if window.since >= window.until:
        raise click.UsageError("`--since` is later than `--until`, so no message can be meant.")
    with open_context(config) as context:
        from worker.commands.find.finding import find as find_messages

        bounds = Bounds(options["limit"], options["look"])
        findings = find_messages(context, criteria, bounds, all_folders=options["all_folders"])
    if as_json:
        print_json(findings.as_json())
    elif sys.stdout.isatty():
        _print(findings, criteria)
    else:
        _print_lines(findings, criteria)
    return ExitCode.DONE if findings.found else ExitCode.FINDING


def _print(findings: Any, criteria: Any) -> None:
    """For a person at a terminal. Names stand at the margin; what the sender wrote never begins there."""
    from rich.table import Table
    from rich.text import Text

    from worker.cli.tables import standard_output
    from worker.commands.find import found_words

    console = standard_output()
    for found in findings.found:
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in found_words.facts(found):
            table.add_row(f"{name}:" if name else "", Text(text))
        console.print(table)
        if (command := found_words.next_command(found)) is not None:
            console.print(Text("Next:"))
            console.print(Text(f"  {command}"), soft_wrap=True)  # never broken, so that it can be copied
        console.print()
    console.print(Text(found_words.lead(findings, criteria)))
    looked = list(found_words.looked_at(findings))
    if looked:
        console.print(Text("\nSearched:"))
    for line in looked:
        console.print(_set_in(line))
    for line in found_words.not_looked_at(findings):
        console.print(Text(f"\n{line}"))


def _set_in(line: str) -> Any:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(line), (0, 0, 0, 2))


def _print_lines(findings: Any, criteria: Any) -> None:
    """For programs: a line for each message, with a tab between two cells. What was searched goes to standard error."""
    from worker.commands.find import found_words
    from worker.commands.find.found_messages import time_of

    for found in findings.found:
        record, history = found.record, found.history
        handlers = () if history is None else history.handlers
        cells = (
            time_of(found.received_at),
            found.key,
            None if record is None else record.state.value,
            found.presence.value,
            found.folder,
            found.sender,
            found.subject,
            ",".join(found.routes or ()),
            ",".join(one.handler for one in handlers if one.done_at is not None),
            None if record is None else record.reason,
        )
        click.echo("\t".join(cell or "" for cell in cells))
    for line in (
        found_words.lead(findings, criteria),
        *found_words.looked_at(findings),
        *found_words.not_looked_at(findings),
    ):
        click.echo(line, err=True)
