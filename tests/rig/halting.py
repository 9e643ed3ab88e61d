"""Runs a worker command that stops (SIGSTOP) at a chosen point, as if the machine had been suspended.

python -m tests.rig.halting '["imap UID MOVE", "sent", 0]' run --config worker.toml
"""

import json
import signal
import sys

from tests.rig import crossings


def main(point: str, arguments: list[str]) -> int:
    """Run a command that stops at the given point."""
    from worker.cli import main as cli

    crossings.install()
    place, side, number = json.loads(point)
    crossings.current = crossings.Crossings((place, side, number), strike=signal.SIGSTOP)
    return cli.run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
