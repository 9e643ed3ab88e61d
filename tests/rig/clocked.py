"""The worker's command with a clock that jumps: `python -m tests.rig.clocked FILE run --config …`.

When FILE appears, the clock jumps by the number of seconds that it holds; a negative number sets it back.
"""

import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import time_machine

from worker.cli import main as cli


def _watch(file: Path, shift: Callable[[float], None]) -> None:
    while not (file.exists() and (seconds := file.read_text())):  # it is there before anything is in it
        time.sleep(0.05)
    shift(float(seconds))


def main() -> int:
    """Run the command given after the file's name."""
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        threading.Thread(target=_watch, args=(Path(sys.argv[1]), clock.shift), daemon=True).start()
        return cli.run(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
