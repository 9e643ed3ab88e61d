"""The commands of the group `alerts`."""

from pathlib import Path

import click

from worker.cli.groups import CommandGroup
from worker.cli.options import ConfigOption, JsonOption, open_context, print_json
from worker.cli.wrapped import say
from worker.commands.exits import ExitCode


@click.group(cls=CommandGroup)
def alerts() -> None:
    """Alerts: how the worker tells people about trouble."""


@alerts.command("test")
@ConfigOption
@JsonOption
def alerts_test(config: Path | None, *, as_json: bool) -> int:
    """Send one trial alert in each way that is set up, and show the answers."""

    with open_context(config) as context:
        from worker.commands import alert_ways as commands

        tested = commands.alerts_test(context)
    if as_json:
        print_json([one.as_json() for one in tested])
    else:
        for one in tested:
            say(f"{one.channel}: {'accepted' if one.accepted else 'not sent'}")
            is_theirs = one.accepted or one.status is not None  # otherwise the words are our own
            said = f"It said: {one.said}" if one.said and is_theirs else one.said
            for line in (one.happened, said, one.means, one.do):
                if line:
                    say(f"  {line}")
    return ExitCode.DONE if all(one.accepted for one in tested) else ExitCode.FINDING
