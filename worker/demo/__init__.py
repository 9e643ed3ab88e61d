"""The whole worker on a mailbox of its own: an embedded IMAP server, sample mail, and what became of it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

MISSING_EXTRA = 78
NEEDED = {"pymap", "proxyprotocol", "pysasl", "trustme"}


def run(directory: Path, arguments: Sequence[str], console: Console) -> int:
    """The command `demo`; returns its exit code.

    directory: where the demo keeps all that is its own. arguments: none, to run the demo from the start; or a command
    of the worker with its options, to run it on the mailbox that the demo left behind.
    """
    try:
        from worker.demo.play import play  # here, since its libraries come with an extra of the package
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in NEEDED:
            raise
        console.print(
            f"The demo needs {error.name}, which isn't installed. No mailbox was touched."
            " Install the extra: pip install 'nhsmail-worker[demo]'",
            markup=False,
        )
        return MISSING_EXTRA
    return play(directory, arguments, console)
