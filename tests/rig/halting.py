"""Runs a worker command that stops (SIGSTOP) at a chosen point, as if the machine had been suspended.

python -m tests.rig.halting '["imap UID MOVE", "sent", 0]' run --config worker.toml

`null` in place of the point: it stops nowhere. RIG_LEASE: how many seconds its lease lasts, between hosts; a holder
that was stopped keeps the others waiting for so long.
"""

import json
import os
import signal
import sys

from tests.rig import crossings

FOREVER = 86_400.0


def main(point: str, arguments: list[str]) -> int:
    """Run a command that stops at the given point."""
    from worker.cli import main as cli
    from worker.commands import work

    if lasts := float(os.environ.get("RIG_LEASE", "0")):
        _shorten_the_lease(lasts)
    if (chosen := json.loads(point)) is not None:
        # not while the heartbeat has the attempt mutex, which keeps others from logging in: a case of its own
        work.HEARTBEAT = FOREVER  # type: ignore[attr-defined] # its copy of the name
        crossings.install()
        place, side, number = chosen
        crossings.current = crossings.Crossings((place, side, number), strike=signal.SIGSTOP)
    return cli.run(arguments)


def _shorten_the_lease(lasts: float) -> None:
    """All of its times keep their proportions; each poll renews it, and they come every second."""
    from worker.journal import lease
    from worker.loop import cycle

    shorter = lasts / lease.DURATION
    lease.DURATION, lease.MARGIN, lease.HEARTBEAT = lasts, lease.MARGIN * shorter, lease.HEARTBEAT * shorter
    cycle.STANDBY *= shorter


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
