"""The commands of the groups `junk` and `failed`, for people who review junk and dead letters."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from worker.classify.policy import SOURCES
from worker.cli.options import ConfigOption, LimitOption, as_utf8, open_context, words
from worker.commands.exits import ExitCode
from worker.message.outcome import State


@click.group()
def junk() -> None:
    """Review the junk path: what was kept from the handlers, and why."""


@junk.command("list")
@ConfigOption
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Received on this day or later.")
@click.option("--sender", help="Part of the sender's name or address.")
@click.option("--evidence", type=click.Choice(SOURCES), help="Junk by evidence from this source.")
@click.option("--known", is_flag=True, help="Only from known senders: most likely here by mistake.")
@LimitOption
def junk_list(config: Path | None, since: datetime | None, limit: int, **filters: Any) -> int:
    """Junk, newest first, read from the mailbox at this moment; `*` marks known senders."""
    from worker.cli.tables import print_list

    earliest = float("-inf") if since is None else since.replace(tzinfo=UTC).timestamp()
    with open_context(config) as context:
        from worker.commands import review as commands

        listed = commands.review(context, State.JUNK, limit=limit, since=earliest, **filters)
    return print_list(listed, limit)


@junk.command("show")
@ConfigOption
@click.argument("key", callback=as_utf8)
def junk_show(config: Path | None, key: str) -> int:
    """One message: its headers, the evidence, a plain preview, its attachments by name and type."""
    from worker.cli.tables import print_shown

    with open_context(config) as context:
        from worker.commands import review as commands

        return print_shown(commands.show(context, key))


@junk.command("release")
@ConfigOption
@click.argument("keys", nargs=-1, required=True, callback=as_utf8)
@click.option("--reason", required=True, callback=words, help="Why it is clean. Goes into the audit trail.")
def junk_release(config: Path | None, keys: tuple[str, ...], reason: str) -> int:
    """Say that messages are clean: they are handled as such, and never junked again."""
    from worker.journal.intents import Kind

    with open_context(config) as context:
        from worker.commands import review as commands

        click.echo(commands.ask(context, Kind.RELEASE, keys, reason))
    return ExitCode.DONE


@click.group()
def failed() -> None:
    """Dead letters: what could not be handled, kept whole."""


@failed.command("list")
@ConfigOption
@LimitOption
def failed_list(config: Path | None, limit: int) -> int:
    """Dead letters, newest first, read from the mailbox at this moment."""
    from worker.cli.tables import print_list

    with open_context(config) as context:
        from worker.commands import review as commands

        return print_list(commands.review(context, State.FAILED, limit=limit), limit)


@failed.command("show")
@ConfigOption
@click.argument("key", callback=as_utf8)
def failed_show(config: Path | None, key: str) -> int:
    """One dead letter, as for `junk show`."""
    from worker.cli.tables import print_shown

    with open_context(config) as context:
        from worker.commands import review as commands

        return print_shown(commands.show(context, key))


@failed.command("retry")
@ConfigOption
@click.argument("keys", nargs=-1, required=True, callback=as_utf8)
@click.option("--reason", default="", callback=as_utf8, help="Why it should work now. Goes into the audit trail.")
def failed_retry(config: Path | None, keys: tuple[str, ...], reason: str) -> int:
    """Try dead letters again, with the same key; handlers that finished aren't called again."""
    from worker.journal.intents import Kind

    with open_context(config) as context:
        from worker.commands import review as commands

        click.echo(commands.ask(context, Kind.RETRY, keys, reason))
    return ExitCode.DONE
