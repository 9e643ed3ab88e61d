"""The demo: runs the whole worker on an embedded IMAP server with sample mail, and reports what became of it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

MISSING_EXTRA = 78
NEEDED = {"pymap", "proxyprotocol", "pysasl", "trustme"}


def run(directory: Path, arguments: Sequence[str], console: Console) -> int:
    """Run the command `demo` and return its exit code.

    directory: where the demo keeps its files. arguments: empty to run the demo from the start, or a worker command
    with its options to run on the mailbox that an earlier demo left.
    """
    try:
        from worker.demo.play import play  # imported here, because its libraries come with an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in NEEDED:
            raise
        console.print(
            f"The demo needs {error.name}, which isn't installed. No mailbox was touched."
            " Install it from the worker's sources: scripts/install --all FOLDER",
            markup=False,
        )
        return MISSING_EXTRA
    return play(directory, arguments, console)
