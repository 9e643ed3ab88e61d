"""The commands of the group `login`."""

from pathlib import Path

import click

from worker.cli.groups import CommandGroup
from worker.cli.options import ConfigOption, JsonOption, open_context, print_json, words
from worker.cli.terminal import Terminal
from worker.cli.wrapped import echo, say
from worker.commands.exits import ExitCode
from worker.logs.typed import as_typed


@click.group(cls=CommandGroup)
def login() -> None:
    """The login: its state, the reset after an unlock, signing in with OAuth."""


@login.command("status")
@ConfigOption
@JsonOption
def login_status(config: Path | None, *, as_json: bool) -> int:
    """Show the state of the login, and what to do about it."""

    with open_context(config, reading=True) as context:
        from worker.commands import login as commands

        found, advice = commands.login_status(context)
    if as_json:
        print_json(found)
    else:
        from worker.cli.tables import login_line

        echo(login_line(found))
        if found["state"] != "ready":
            echo(f"\n{as_typed(advice)}")
    return ExitCode.DONE


@login.command("reset")
@ConfigOption
@click.option(
    "--reason",
    required=True,
    callback=words,
    help="Who unlocked the account, and when. Goes into the audit trail.",
)
@click.option("--again", is_flag=True, help="Reset again, although no login has succeeded since the last reset.")
def login_reset(config: Path | None, reason: str, *, again: bool) -> int:
    """Set the count of failed attempts to 0, after the Local Administrator has unlocked the account."""

    with open_context(config) as context:
        from worker.commands import login as commands

        say(commands.login_reset(context, reason, again=again))
    return ExitCode.DONE


@login.command("authorise")
@ConfigOption
@click.option(
    "--paste", is_flag=True, help=("The browser is on another machine: paste the address that it shows at the end.")
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="The port of http://localhost to which the browser returns, if the registration names one.",
)
def login_authorise(config: Path | None, *, paste: bool, port: int | None) -> int:
    """Sign in once with a browser, for auth = "oauth2-browser" or "oauth2-device"."""

    with open_context(config, logs=True, quiet=True) as context:
        from worker.commands import login as commands

        commands.login_authorise(context, Terminal(), paste=paste, port=port or 0)
    say("Signed in. The worker uses the sign-in at its next poll.")
    return ExitCode.DONE


@login.command("doctor")
@ConfigOption
@JsonOption
def login_doctor(config: Path | None, *, as_json: bool) -> int:
    """Test the sign-in step by step: what works, what doesn't, and who can fix it. Makes one attempt at most."""

    with open_context(config) as context:
        from worker.commands.doctor.examine import examine

        report = examine(context)
    if as_json:
        print_json(report.as_json())
    else:
        from worker.cli.doctor import print_report

        print_report(report)
    return report.code
