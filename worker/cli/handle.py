"""`handle`, for people who want a message handled again that was handled before."""

from pathlib import Path

import click

from worker.cli.options import ConfigOption, as_utf8, open_context, words
from worker.cli.wrapped import say
from worker.commands.exits import ExitCode


@click.command("handle")
@ConfigOption
@click.argument("keys", nargs=-1, required=True, callback=as_utf8)
@click.option("--reason", required=True, callback=words, help="Why. Goes into the audit trail.")
@click.option("--only", metavar="HANDLER", help="Call only this handler.")
def handle(config: Path | None, keys: tuple[str, ...], reason: str, only: str | None) -> int:
    """Have messages handled again that were handled before.

    Handlers get each message with the same key and with a count, so that they can tell it from the first time.
    `archive` writes KEY.1 beside KEY. Webhooks and queues get KEY.1 as the idempotency key.
    """
    with open_context(config) as context:
        from worker.commands import handle as commands

        say(commands.handle(context, keys, reason, only))
    return ExitCode.DONE
