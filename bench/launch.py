"""Runs a program and measures it: `python -I -S launch.py FILE PROGRAM …` writes the figures to FILE, as JSON.

A process of its own, and a small one. The system counts as a program's memory what the process that started it had.
"""

import json
import os
import subprocess
import sys
import time


def main() -> int:
    """Return the program's exit code."""
    file, *command = sys.argv[1:]
    started = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    figures = {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss * 1024}
    with open(file, "w") as target:  # noqa: PTH123 -- pathlib would make this process a larger one
        json.dump(figures, target)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main())
