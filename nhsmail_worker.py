"""The command `nhsmail-worker`.

The first thing that it does is close the process to others, before the worker is imported and any secret is read.

It is a module of its own because no other package has its name. The worker's package is called `worker`, and so may
another one be that comes first on Python's path: then this module can still say so.
"""

import ctypes
import gc
import os
import resource
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

_PR_SET_DUMPABLE = 4

_CONFIGURATION = 78
"""The exit code for a faulty configuration. `worker.commands.exits` has it too, but may be out of reach here."""
_NOT_NOW = 75
"""The exit code for a command that a person stopped."""
_STOPPED = "Stopped before anything was done."


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a shell's background job ignores it
    if is_heard:
        signal.signal(signal.SIGINT, _stop)
    if (refused := close_to_others()) is not None:
        sys.stderr.write(f"{_still_open(refused)}\n")
    other = hiding()
    if other is not None:
        sys.stderr.write(f"{_said(other)}\n")
        sys.exit(_CONFIGURATION)
    # What is imported here lives as long as the process, so the garbage collector never needs to scan it.
    gc.disable()
    from worker.cli.main import main as run

    gc.freeze()
    gc.enable()
    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _stop(_number: int, _frame: FrameType | None) -> None:
    """End at once at Ctrl-C while the worker is imported, which takes up to a second.

    An exception could be turned into another one by whatever is imported, and would be shown with its stack.
    """
    with suppress(OSError):
        os.write(2, f"\n{_STOPPED}\n".encode())
    os._exit(_NOT_NOW)


def close_to_others() -> str | None:
    """Keep this process's memory and environment from other processes of the same user, and from core dumps.

    From now on only root (CAP_SYS_PTRACE) can read its /proc/PID/environ and mem, or attach to it. No core is written
    when it crashes, not even to a program that `core_pattern` names. Both pass on to a fork; an exec keeps only the
    limit of zero for core files, so each program of ours has to call this again. Files in /proc/self that only their
    owner may write are root's from now on.

    Returns:
        Why the system refused it; None if it didn't.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return None  # a developer's machine, where no /proc shows anything
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        return os.strerror(ctypes.get_errno())
    return None


def hiding() -> Path | None:
    """The other package or module `worker` that hides the worker's own; None if there is none."""
    found = find_spec("worker")
    places = [] if found is None else [found.origin, *(found.submodule_search_locations or ())]
    place = next((Path(place).resolve() for place in places if place is not None), None)
    if place is None or _ours() in (place, place.parent) or (place.parent / "cli" / "main.py").is_file():
        return None
    return place


def _ours() -> Path:
    return Path(__file__).resolve().parent / "worker"


def _still_open(refused: str) -> str:
    return (
        "Other processes of this user can read this one's memory, and any secret in it: the system refused to close "
        f"it (prctl PR_SET_DUMPABLE: {refused}). The worker goes on without. Let its system-call filter allow prctl."
    )


def _said(other: Path) -> str:
    return (
        f"Two packages here are named 'worker': this program's own, {_ours() / '__init__.py'}, and {other}, which "
        "comes first on Python's path and hides it. Nothing was started: no login was attempted, and all mail is where "
        "it was. Rename the other one (say, to 'my_worker'), also where it is imported and in [handler.NAME] use; or "
        "take its folder off PYTHONPATH."
    )
