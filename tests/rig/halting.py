"""A command of the worker that stops (SIGSTOP) at a point of its way, as a machine that is put to sleep does.

python -m tests.rig.halting '["imap UID MOVE", "sent", 0]' run --config worker.toml
"""

import json
import signal
import sys

from tests.rig import crossings


def main(point: str, arguments: list[str]) -> int:
    """Run a command with the points around the product's code."""
    from worker.cli import main as cli

    crossings.install()
    place, side, number = json.loads(point)
    crossings.current = crossings.Crossings((place, side, number), strike=signal.SIGSTOP)
    return cli.run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
