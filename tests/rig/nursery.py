"""Workers that start within milliseconds and can be killed: real processes, forked from one that imported everything.

with Nursery(worker.config) as nursery:
    child = nursery.start("run", "--config", str(worker.config), log=worker.folder / "child.log")
    child.wait(0.3)
    child.kill()
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.rig.worker import Worker

REPOSITORY = Path(__file__).parents[2]

# Dead children stay zombies until the test asks for them, so that no PID is reused too early.
_PARENT = """
import json, os, signal, sys
import worker.cli.main
exec(sys.argv[1])
from tests.rig.loaded import load_everything
load_everything()
worker.cli.main.run(["status", "--config", sys.argv[2]])  # imports what is only imported on the way
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    if "reap" in order:
        _, status = os.waitpid(order["reap"], 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    number = os.fork()
    if number:
        print(number, flush=True)
        continue
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing, log = os.open(os.devnull, os.O_RDWR), os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    worker.cli.main.main(order["arguments"])
"""


class Nursery:
    """Starts children. config: any valid one. prelude: Python code to run first, to shorten the worker's waits."""

    def __init__(self, config: Path, prelude: str = "") -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NHSMAIL_")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PARENT, prelude, str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**kept, "PYTHONPATH": str(REPOSITORY)},
            text=True,
        )
        self._children: list[Child] = []
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) and line.strip() != "ready":  # what `status` prints
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.kill()
        self._process.communicate(timeout=30)

    def start(self, *arguments: str, log: Path) -> "Child":
        """Run a command in a process of its own."""
        child = Child(self, int(self.order(arguments=arguments, log=str(log))))
        self._children.append(child)
        return child

    def order(self, **order: Any) -> str:
        """Send an order to the parent. Returns its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@dataclass
class Child:
    """One process. code: its exit code once it has been reaped; negative if a signal killed it."""

    nursery: Nursery
    number: int
    code: int | None = field(default=None)

    def strike(self) -> None:
        """Kill the process at once. Any thread may call this."""
        if self.code is None:
            os.kill(self.number, signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end. Returns whether it did in time."""
        deadline = time.monotonic() + seconds
        while not self._ended():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        return True

    def kill(self) -> int:
        """Kill the process if it still runs, and reap it. Returns its exit code."""
        if self.code is None:
            self.strike()
            self.code = int(self.nursery.order(reap=self.number))
        return self.code

    def end(self) -> int:
        """Let the process end in order, and reap it. Returns its exit code."""
        os.kill(self.number, signal.SIGTERM)
        assert self.wait(60), "it doesn't end"
        return self.kill()

    def _ended(self) -> bool:
        # the state is the field after the name in brackets; Z means ended and not yet reaped
        return (
            self.code is not None or Path(f"/proc/{self.number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        )


def all_at_once(work: Callable[[Worker, int], None], workers: Sequence[Worker]) -> None:
    """Do the work for each worker and its number, each in a thread of its own. What one raises fails the test."""
    problems: list[BaseException] = []

    def one(worker: Worker, number: int) -> None:
        try:
            work(worker, number)
        except BaseException as error:  # noqa: BLE001 -- told by the thread that waits
            problems.append(error)

    threads = [threading.Thread(target=one, args=(worker, number)) for number, worker in enumerate(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
