"""Runs worker commands that are killed at a chosen point, each forked from a process that has loaded everything.

with Doomed() as doomed:
    end = doomed.run("once", "--config", "worker.toml", deadly=("imap UID MOVE", "sent", 0))
    assert end.killed
"""

import contextlib
import hashlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.rig import crossings
from tests.rig.loaded import load_everything

REPOSITORY = Path(__file__).parents[2]
_FILES = ("out", "err", "passed")
_LOADED_LATE = (
    "alembic.command",
    "alembic.config",
    "handlers.quarantine",
    "mailparser",
    "psycopg",
    "sqlalchemy.dialects.postgresql",
    "tests.rig.handlers",
)


@dataclass(frozen=True)
class End:
    """How a command ended. code: its exit code, or minus the signal that killed it. passed: its crossings."""

    code: int
    out: str
    log: str
    passed: list[tuple[str, str]]

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Doomed:
    """The process that has loaded everything. Runs one command at a time."""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="rig-doomed-"))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NHSMAIL_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.rig.doomed", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=environment | {"COLUMNS": "200"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()

    def run(self, *arguments: str, deadly: crossings.Point | None = None) -> End:
        """Run a command until it ends, or dies at the given point."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"arguments": arguments, "deadly": deadly}) + "\n")
        self._process.stdin.flush()
        code = json.loads(self._process.stdout.readline())
        out, err, passed = ((self._folder / name).read_text(errors="replace") for name in _FILES)
        return End(code, out, err, [(place, side) for place, side in json.loads(passed or "[]")])


def main(folder: Path) -> None:
    """Fork once for each line of standard input."""
    for name in _LOADED_LATE:
        importlib.import_module(name)
    load_everything()
    crossings.install()
    _hash_quickly()
    for line in sys.stdin:
        job = json.loads(line)
        for name in _FILES:
            (folder / name).write_text("")
        child = os.fork()
        if child == 0:
            _child(folder, job)
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)  # noqa: T201 -- the answer


def _hash_quickly() -> None:
    """Make the password hash cheap: its cost protects nothing here and would take each process a fifth of a second."""
    slowly = hashlib.scrypt

    def quickly(password: bytes, **options: Any) -> bytes:
        return slowly(password, **{**options, "n": 2})

    hashlib.scrypt = quickly  # type: ignore[assignment] # it is called as the worker calls it


def _child(folder: Path, job: dict[str, Any]) -> None:
    from worker.cli import main as cli

    code = 99
    try:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_TRUNC), number)
        os.close(0)
        deadly = job["deadly"]
        crossings.current = crossings.Crossings(None if deadly is None else (deadly[0], deadly[1], deadly[2]))
        code = cli.run(job["arguments"])
        (folder / "passed").write_text(json.dumps(crossings.current.passed))
    except BaseException as error:  # noqa: BLE001 -- the last place where it can be reported
        with contextlib.suppress(OSError):
            os.write(2, f"\n{type(error).__name__}: {error}\n".encode())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
