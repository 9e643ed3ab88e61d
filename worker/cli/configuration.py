"""The commands of the group `config`."""

import click

from worker.cli.groups import CommandGroup
from worker.cli.options import UnusedConfigOption, print_json
from worker.commands.exits import ExitCode


@click.group("config", cls=CommandGroup)
def config_group() -> None:
    """The configuration file: its schema for editors, and an example."""


@config_group.command("schema")
@UnusedConfigOption
def config_schema() -> int:
    """Print the JSON Schema of the configuration file, from which editors complete and check it."""
    from worker.commands.configuration import configuration_schema

    print_json(configuration_schema())
    return ExitCode.DONE


@config_group.command("example")
@UnusedConfigOption
def config_example() -> int:
    """Print a whole configuration: every setting with its meaning and its default, as comments."""
    from worker.commands.configuration import configuration_example

    click.echo(configuration_example(), nl=False)
    return ExitCode.DONE
