"""Runs worker commands in real processes that start at once, since they are forked from one that imported everything.

with Forks(folder) as forks:
    pid = forks.start("once", "--config", "worker.toml")
    os.kill(pid, signal.SIGKILL)
    assert forks.wait(pid) == -signal.SIGKILL
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import time_machine

from tests.rig.loaded import load_everything

REPOSITORY = Path(__file__).parents[2]


class Forks:
    """Starts commands. Leaving the `with` block kills those that still run."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "forks.log"
        self._alive: set[int] = set()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NHSMAIL_")}
        with self._log.open("ab") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.rig.forks"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=REPOSITORY,
                env=kept,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in list(self._alive):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.wait(pid)
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(10)
        self._parent.stdout.close()

    @property
    def log(self) -> str:
        """What all commands wrote to standard error."""
        return self._log.read_text()

    def start(self, *arguments: str, ahead: float = 0.0) -> int:
        """Start a command, whose clock is so many seconds ahead. Returns its PID."""
        pid = self._ask(["start", str(ahead), *arguments])
        self._alive.add(pid)
        return pid

    def wait(self, pid: int) -> int:
        """Wait until a command ends. Returns its exit code, or minus the signal that killed it."""
        code = self._ask(["wait", str(pid)])
        self._alive.discard(pid)
        return code

    def _ask(self, question: list[str]) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(question) + "\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())


def _serve() -> None:
    """The parent process: it has one thread, has imported everything, and has opened nothing."""
    from worker.cli import main as cli

    load_everything()
    for line in sys.stdin:
        word, *arguments = json.loads(line)
        if word == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(int(arguments[0]), 0)[1]), flush=True)  # noqa: T201
            continue
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(2, 1)
            with _clock(float(arguments[0])):
                code = cli.run(arguments[1:])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(pid, flush=True)  # noqa: T201


def _clock(ahead: float) -> contextlib.AbstractContextManager[object]:
    if not ahead:
        return contextlib.nullcontext()
    return time_machine.travel(datetime.now(UTC) + timedelta(seconds=ahead), tick=True)


if __name__ == "__main__":
    _serve()
