"""The command `demo`."""

from pathlib import Path

import click


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--config",
    type=click.Path(dir_okay=False),
    expose_value=False,
    help="Not read. The demo makes its own configuration, `worker.toml` in its folder.",
)
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
    """Run the whole worker on an embedded mailbox with sample mail. Or run a COMMAND on what an earlier demo left.

    The mailbox has another port each time. So COMMAND uses the demo's own configuration, and no NHSMAIL_ variable.
    """

    from rich.console import Console

    from worker import demo as demonstration

    return demonstration.run(directory, list(command), Console())
