"""The worker under test: its folder, its configuration, and its commands, which run in this process or in their own.

    worker = make_worker(dovecot)
    assert worker.once() == 0
    with worker.running():
        ...
    assert worker.reconcile()["unaccounted"] == 0

A new process takes a second to start. In this process the same command line runs within milliseconds; `run` then gets a
thread of its own, which is told to end as signals would tell a process.
"""

import contextlib
import io
import json
import logging
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import structlog

import worker.commands.context
from worker.cli import main as cli
from worker.cli import work
from worker.logs.log import configure
from worker.loop.signals import Ending

REPOSITORY = Path(__file__).parents[2]
COMMAND = Path(sys.executable).parent / "nhsmail-worker"
LEDGER = "tests.rig.handlers:Ledger"
WAIT = 45.0
"""Seconds, on a busy machine: less than the minute after which the usual next poll would find what was slept over."""

Settings = Mapping[str, Mapping[str, Any]]


class Server(Protocol):
    """The server that a worker connects to."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def ca_file(self) -> Path: ...


class Login(Protocol):
    """The account that a worker logs in to."""

    @property
    def address(self) -> str: ...
    @property
    def password(self) -> str: ...


@dataclass(frozen=True)
class Answer:
    """The result of a command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Handed:
    """One call of the ledger handler."""

    key: str
    number: int
    path: str
    sha256: str
    done: bool = True


@dataclass
class Worker:
    """One worker for one mailbox. `settings` holds the tables of the configuration file."""

    folder: Path
    settings: dict[str, dict[str, Any]]
    routes: list[dict[str, Any]] = field(default_factory=list)

    # -- its files

    @property
    def config(self) -> Path:
        return self.folder / "worker.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def hold(self) -> Path:
        """While this file exists, the ledger handler doesn't return."""
        return self.folder / "hold"

    def configure(self, **tables: Mapping[str, Any]) -> None:
        """Change the configuration file. A value of None removes a key."""
        for table, values in tables.items():
            kept = {**self.settings.get(table, {}), **values}
            self.settings[table] = {key: value for key, value in kept.items() if value is not None}
        self.write()

    def write(self) -> None:
        lines = [
            f"[{table}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
            for table, values in self.settings.items()
        ]
        lines += [
            "[[route]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in route.items())
            for route in self.routes
        ]
        self.config.write_text("\n".join(lines))

    # -- its commands, in this process

    def command(self, *arguments: str) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = cli.run([*arguments, "--config", str(self.config)])
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in kept.items():
                    signal.signal(number, handler)
        return Answer(code, out.getvalue(), err.getvalue())

    def once(self) -> int:
        return self.command("once").code

    def status(self) -> Any:
        return json.loads(self._said("status", "--json"))

    def reconcile(self) -> Any:
        answer = self.command("reconcile", "--json")
        assert answer.code == (1 if json.loads(answer.out)["unaccounted"] else 0), answer
        return json.loads(answer.out)

    @contextlib.contextmanager
    def running(self) -> Iterator["Running"]:
        """Execute `run` in a thread, and stop it at the end of the block as SIGTERM would."""
        running = Running(self)
        running.start()
        try:
            yield running
        finally:
            self.hold.unlink(missing_ok=True)
            running.stop()

    # -- its commands, in a process of their own

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NHSMAIL_")}
        return {**kept, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", **more}

    def process(
        self, *arguments: str, program: Sequence[str] = (str(COMMAND),), **environment: str
    ) -> "subprocess.Popen[str]":
        """Start the installed command, or another program with the same arguments. `process_log` is its log."""
        with (self.folder / "process.log").open("a") as log:
            return subprocess.Popen(
                [*program, *arguments, "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self.environment(**environment),
                cwd=self.folder,
                text=True,
            )

    def installed(self, *arguments: str, **environment: str) -> Answer:
        """Run the installed command until it ends."""
        answer = subprocess.run(
            [COMMAND, *arguments, "--config", str(self.config)],
            capture_output=True,
            env=self.environment(**environment),
            cwd=self.folder,
            text=True,
            check=False,
            timeout=100,
        )
        return Answer(answer.returncode, answer.stdout, answer.stderr)

    @property
    def process_log(self) -> str:
        path = self.folder / "process.log"
        return path.read_text() if path.exists() else ""

    # -- what it did

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """The events logged in this process; with `name`, only those of that name."""
        path = self.folder.parent / "events.log"
        text = path.read_text() if path.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if name is None or line["event"] == name]

    def handed(self) -> list[Handed]:
        """Every call of the ledger handler that returned, in the order in which they did."""
        text = self.ledger.read_text() if self.ledger.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [Handed(**line) for line in lines if line["done"]]

    def begun(self) -> int:
        """How many calls of the ledger handler have begun."""
        return 0 if not self.ledger.exists() else self.ledger.read_text().count('"done":false')

    def archived(self) -> list[bytes]:
        """The messages in the archive that it has marked as complete."""
        return [mark.with_name("message.eml").read_bytes() for mark in self.archive.glob("*/message.json")]

    def rows(self, query: str) -> list[Any]:
        """Query the journal."""
        with contextlib.closing(sqlite3.connect(self.state / "journal.sqlite")) as connection:
            return connection.execute(query).fetchall()

    # -- inside

    def _said(self, *arguments: str) -> str:
        answer = self.command(*arguments)
        assert answer.code == 0, answer
        return answer.out


_ends = threading.local()


def _end_of_this_thread() -> Ending:
    """Replaces signals, which reach the whole process, so that each `run` in a thread can be ended by itself."""
    end: Ending = getattr(_ends, "of_this_thread", queue.SimpleQueue().get)
    return end


class Running:
    """One `run` in a thread of this process."""

    def __init__(self, owner: Worker) -> None:
        self._owner = owner
        self._end: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="worker-run", daemon=True)
        self.answer: Answer | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end, as SIGTERM would, and wait until it has."""
        self._end.put(signal.SIGTERM)
        self._thread.join(WAIT)
        assert not self._thread.is_alive(), "it didn't stop"
        assert self.answer is not None, "it crashed"
        assert self.answer.code == 0, self.answer

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        _ends.of_this_thread = self._end.get
        err = io.StringIO()
        code = cli.run(["run", "--config", str(self._owner.config)])
        self.answer = Answer(code, "", err.getvalue())


def eventually(happened: Callable[[], object], seconds: float = WAIT, what: object = "it") -> None:
    """Wait until something is true. Fails if that takes too long."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.01)


def worker_for(
    folder: Path, server: Server, mailbox: Login, routes: list[dict[str, Any]], settings: Settings
) -> Worker:
    """A worker for a mailbox, connected to its server or to a proxy in front of that."""
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(mailbox.password)
    own = Worker(folder, {}, routes)
    defaults: dict[str, dict[str, Any]] = {
        "account": {
            "address": mailbox.address,
            "host": server.host,
            "port": server.port,
            "password_file": str(password),
            "ca_file": str(server.ca_file),
            "connect_timeout": "5s",
            "read_timeout": "20s",
        },
        "state": {"dir": str(own.state), "ephemeral": True},
        "poll": {"every": "60s", "reconnect": ["0.1s"]},
        "health": {"listen": ""},
        "log": {"format": "json"},
        "handler.archive": {"use": "archive", "url": own.archive.as_uri()},
        "handler.ledger": {"use": LEDGER, "file": str(own.ledger), "hold": str(own.hold)},
    }
    for table in [*defaults, *(name for name in settings if name not in defaults)]:
        own.settings[table] = {**defaults.get(table, {}), **settings.get(table, {})}
    own.write()
    return own


def keep_logs_apart(patch: pytest.MonkeyPatch, folder: Path) -> contextlib.AbstractContextManager[None]:
    """Within the block, commands in this process log to a file and don't touch Python's or pytest's hooks."""

    @contextlib.contextmanager
    def block() -> Iterator[None]:
        root = logging.getLogger()
        kept, level, raises = list(root.handlers), root.level, logging.raiseExceptions
        with (folder / "events.log").open("a") as stream:

            def configured(**_options: object) -> None:
                configure(format="json", level="debug", stream=stream, hooks=False)

            patch.setattr(worker.commands.context, "configure_logging", configured)
            patch.setattr(work, "catch_ending", _end_of_this_thread)
            yield
            structlog.reset_defaults()
            root.handlers[:] = kept
            root.setLevel(level)
            logging.raiseExceptions = raises

    return block()


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def balance(*, handled: int, junk: int) -> dict[str, Any]:
    """What `reconcile --json` says where every message was handled or is junk, and nothing is left open."""
    return {
        "seen": handled + junk,
        "handled": handled,
        "junk": junk,
        "failed": 0,
        "gone": 0,
        "pending": 0,
        "unaccounted": 0,
        "unaccounted_keys": [],
        "missing": 0,
        "unexplained": 0,
    }
