"""Runs a worker command, and writes down the most memory that the process ever held.

    python -m tests.rig.weighed FILE once --config worker.toml

The figure is VmHWM, the peak of the resident set, in bytes. It isn't taken from `wait4`, whose figure includes what the
parent held when it forked. With `RIG_DEADLY` in the environment, the process is killed when it reads a header that has
this text in it, as a fault in reading it would do.
"""

import os
import signal
import sys
from pathlib import Path

from worker.cli import main as cli
from worker.message.mime.headers import Headers


def peak() -> int:
    """The peak of this process's resident set so far, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def make_deadly(mark: bytes) -> None:
    """Have the process die at headers with this mark."""
    read = Headers.from_bytes

    def read_or_die(raw: bytes) -> Headers:
        if mark in raw:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(raw)

    Headers.from_bytes = staticmethod(read_or_die)  # type: ignore[method-assign] # it is called on the class


def main(file: Path, arguments: list[str]) -> int:
    """Run the command; its exit code."""
    if mark := os.environ.get("RIG_DEADLY"):
        make_deadly(mark.encode())
    try:
        return cli.run(arguments)
    finally:
        file.write_text(str(peak()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
