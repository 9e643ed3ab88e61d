"""The command `init`: the first configuration."""

import os
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import click

from worker.cli.options import DEFAULT_CONFIG
from worker.cli.terminal import Terminal, interruptible
from worker.cli.wrapped import say
from worker.commands.exits import ExitCode
from worker.commands.init.flows import FLOWS

OPTIONS = {
    "address": "The mailbox's full address.",
    "auth": "How the worker signs in.",
    "tenant": "The tenant's id.",
    "client_id": "The application's id.",
    "certificate_file": "The file with the application's certificate and its key.",
    "client_secret_file": "The file with the application's secret.",
    "secret_expires": "The day on which that secret ends.",
    "authority": "The sign-in service, if it isn't Microsoft's usual one.",
    "sign_in": "For a shared mailbox: the account that signs in.",
    "password_file": "The file with the account's password.",
    "password_policy": "The password policy that the account follows (default: application-account).",
    "password_changed": "The day on which the password was last changed.",
    "host": "The mail server (default: Exchange Online's).",
    "port": "Its port (default: 993).",
    "ca_file": "The file with a private authority to trust.",
    "state_dir": "The folder for the worker's state (default: /var/lib/nhsmail-worker).",
    "archive": "The folder that messages are archived in: a path or a URL (default: archive, in the state's folder).",
    "since": "Which mail is handed over: now (mail that arrives from today on), a date, or all.",
}
"""The answers that can be given as options, by the options' names."""


def _answers(command: click.decorators.FC) -> click.decorators.FC:
    for name, text in reversed(OPTIONS.items()):
        kind = click.Choice([flow.name for flow in FLOWS]) if name == "auth" else None
        command = click.option(f"--{name.replace('_', '-')}", name, type=kind, help=text)(command)
    return command


@click.command()
@click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="NHSMAIL_CONFIG",
    help="The file to write (default: worker.toml, or what NHSMAIL_CONFIG names).",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option(
    "--look/--no-look",
    default=None,
    help=("Log in once and count the old mail. If this isn't set, the command asks you on a terminal."),
)
@_answers
def init(config: Path | None, *, force: bool, look: bool | None, **answers: str | None) -> int:
    """Write a configuration. Asks for what isn't given, checks it, and says what to type next.

    The file is written only once all of it is right. The command never asks for secrets, only for their files.
    """
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    from worker.commands.init.configure import Target
    from worker.commands.init.configure import init as configure
    from worker.commands.init.questions import EVERY

    places = {question.option[2:].replace("-", "_"): question.place for question in EVERY}
    given = {places[name]: text for name, text in answers.items() if text is not None}
    path = config or Path(DEFAULT_CONFIG)
    target = Target(path, os.environ, force)
    with interruptible() if asks else nullcontext():
        written = configure(target, given, datetime.now(UTC), Terminal(), asks=asks, looks=look)
    say("\n".join(["", *written.lines, f"Written: {path}. Next, in this order:", ""]))
    for line in written.following:
        say(f"    {line}")
    return ExitCode.FINDING if written.finding else ExitCode.DONE
