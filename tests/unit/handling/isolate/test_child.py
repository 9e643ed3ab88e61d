"""The child's start, in a process of its own."""

import subprocess
import sys

STOPS_THERE = """
import sys
import worker
from worker.handling.isolate import child

def entered(_user):
    print(*sorted(set(worker._HOMES.values()) - set(sys.modules)), "loaded")
    raise SystemExit

child._entered = entered
child.main(0, None)
"""


def test_a_child_loads_the_names_for_handlers_before_it_changes_its_user() -> None:
    """The other user may not be able to read where the worker is installed."""
    done = subprocess.run([sys.executable, "-c", STOPS_THERE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "loaded\n"
