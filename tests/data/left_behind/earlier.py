"""The worker's command at an earlier time, on a host called `worker-1`, killed at a point of its way if need be.

python -m tests.data.left_behind.earlier '{"at": 1767600000, "deadly": ["imap LOGIN", "sent", 0]}' once --config …
"""

import json
import os
import socket
import sys
from datetime import UTC, datetime

import time_machine

from tests.rig import crossings
from worker.cli import main as cli

HOST = "worker-1"
USER = "worker"


def main(job: str, arguments: list[str]) -> int:
    """Run the command."""
    told = json.loads(job)
    socket.gethostname = lambda: HOST
    os.environ["LOGNAME"] = USER
    crossings.install()
    if told["deadly"] is not None:
        place, side, number = told["deadly"]
        crossings.current = crossings.Crossings((place, side, number))
    with time_machine.travel(datetime.fromtimestamp(told["at"], UTC), tick=True):
        return cli.run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
