"""The commands of the group `login`."""

from pathlib import Path

import click

from worker.cli.options import ConfigOption, JsonOption, open_context, print_json, words
from worker.commands.exits import ExitCode


@click.group()
def login() -> None:
    """The login guard: how it stands, the reset after an unlock, the OAuth sign-in."""


@login.command("status")
@ConfigOption
@JsonOption
def login_status(config: Path | None, *, as_json: bool) -> int:
    """How the login stands, and what to do about it."""
    with open_context(config, reading=True) as context:
        from worker.commands import login as commands

        found, advice = commands.login_status(context)
    if as_json:
        print_json(found)
    else:
        from worker.cli.tables import login_line

        click.echo(login_line(found))
        if found["state"] != "ready":
            click.echo(advice)
    return ExitCode.DONE


@login.command("reset")
@ConfigOption
@click.option(
    "--reason",
    required=True,
    callback=words,
    help="Why: who unlocked the account, and when. Goes into the audit trail.",
)
@click.option("--again", is_flag=True, help="Reset although the last reset has had no success since.")
def login_reset(config: Path | None, reason: str, *, again: bool) -> int:
    """Forget all failed attempts, once the Local Administrator has unlocked the account."""
    with open_context(config) as context:
        from worker.commands import login as commands

        commands.login_reset(context, reason, again=again)
    click.echo("Reset: the worker may use its attempts anew, and makes the next one at its next look.")
    return ExitCode.DONE


@login.command("authorise")
@ConfigOption
def login_authorise(config: Path | None) -> int:
    """Sign in with a browser, once, for auth = "oauth2-device"."""
    with open_context(config) as context:
        from worker.commands import login as commands

        commands.login_authorise(context, click.echo)
    click.echo("Signed in. The worker uses it at its next look.")
    return ExitCode.DONE
