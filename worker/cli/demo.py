"""The command `demo`."""

from pathlib import Path

import click

from worker.cli.options import UnusedConfigOption


@click.command(context_settings={"allow_interspersed_args": False})
@UnusedConfigOption
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-state"),
    show_default=True,
    help="Where the demo keeps its mailbox, its state and its archive.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def demo(directory: Path, command: tuple[str, ...]) -> int:
    """Run the whole worker on an embedded mailbox with sample mail. Or run a COMMAND on what an earlier demo left."""

    from rich.console import Console

    from worker import demo as demonstration

    return demonstration.run(directory, list(command), Console())
