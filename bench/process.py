"""Runs programs as a user does, and measures them from the start of the process to its end."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bench.site import Workplace, target
from tests.rig.dovecot import Mailbox

ROOT = Path(__file__).parent.parent
_LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Measured:
    """The figures of a finished program. wall and cpu: seconds; memory: peak resident bytes."""

    wall: float
    cpu: float
    memory: int
    output: str


def environment() -> dict[str, str]:
    """Return the environment for a child: it can import this source tree, and none of our settings reach it.

    Byte code is cached outside the tree, even if caching is turned off here, because an installed program has it.
    """
    left_out = ("NHSMAIL_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(_byte_code())}


@cache
def _byte_code() -> Path:
    folder = tempfile.mkdtemp(prefix="bench-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def worker_command(config: Path, *arguments: str) -> list[str]:
    """Return the command line of the worker. `BENCH_PYTHON` names the Python that has what people install."""
    return [os.environ.get("BENCH_PYTHON", sys.executable), "-m", "worker", *arguments, "--config", str(config)]


def once(place: Workplace, count: int = 0) -> Measured:
    """Run the worker's `once` there, and check that it archived so many messages. Raises RuntimeError.

    The first run in an empty mailbox warms up: it compiles byte code and caches libraries.
    """
    measured = run(worker_command(place.config, "once"))
    place.expect(count)
    return measured


def raw_fetch(user: Mailbox, port: int | None = None) -> Measured:
    """Run `bench.floor` on a mailbox. wall: from connecting on, without the start of Python."""
    measured = run([sys.executable, "-m", "bench.floor", *target(user, port)])
    return replace(measured, wall=float(measured.output.split()[0]))


def run(command: Sequence[str], *, accept: Sequence[int] = (0,)) -> Measured:
    """Run a program to its end. Its output goes to files, as a log does.

    Raises RuntimeError with the end of its output if its exit code isn't accepted.
    """
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        tempfile.NamedTemporaryFile() as figures,
    ):
        launched = [sys.executable, "-I", "-S", str(_LAUNCH), figures.name, *command]
        ended = subprocess.run(launched, check=False, stdout=output, stderr=errors, env=environment(), cwd=ROOT)
        output.seek(0)
        errors.seek(0)
        if ended.returncode not in accept:
            said = (output.read() + errors.read()).decode(errors="replace")[-2_000:]
            raise RuntimeError(f"{' '.join(command[1:4])} … ended with {ended.returncode}:\n{said}")
        return Measured(**json.load(figures), output=output.read().decode())
