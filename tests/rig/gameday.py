"""One fault of a game day: runs the worker as a process and collects everything that an operator would see."""

import contextlib
import html
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rig.dovecot import Mailbox
from tests.rig.ports import free_port
from tests.rig.watch import Receiver, Window, receiver
from tests.rig.worker import COMMAND, Worker, eventually

LOUD = ("error", "warning")
_SENTENCE = re.compile(r'<p class="sentence"><span[^>]*>.</span><span>(.*?)</span></p>', re.DOTALL)
_STEP = re.compile(r"<ol>\s*<li>(.*?)</li>", re.DOTALL)
_FORGET = (
    (re.compile(r"\b\d+ (s|min|h)\b"), r"N \1"),
    (re.compile(r"\b\d{1,2} [A-Z][a-z]{2} \d\d:\d\d UTC\b"), "TIME"),
    (re.compile(r"\b[\w.-]+:\d+:\w+\b"), "REPLICA"),
)


@dataclass(frozen=True)
class Seen:
    """What an operator sees. Each field is one cell of the table."""

    page: str
    log: str
    metric: str
    alert: str
    probes: str

    def cells(self) -> tuple[str, ...]:
        return self.page, self.log, self.metric, self.alert, self.probes


def timeless(text: str) -> str:
    """Replace what differs between runs: durations, times of day, names of replicas."""
    for pattern, instead in _FORGET:
        text = pattern.sub(instead, text)
    return text


@dataclass
class Process:
    """The installed command. Its log comes through a pipe, so that limits on its files don't affect it."""

    popen: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        self.lines.extend(iter(self.popen.stderr.readline, ""))  # `lines` grows as they come

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    def said(self) -> str:
        return "".join(line for line in list(self.lines) if not line.startswith("{"))

    def wait(self) -> int:
        """Wait until the process has ended and its log is read. Returns the exit code."""
        code = self.popen.wait(60)
        self._reader.join(10)
        return code

    def end(self) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(20)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait(10)
        self._reader.join(10)
        if self.popen.stderr is not None:
            self.popen.stderr.close()


@dataclass
class Day:
    """A mailbox, its worker, and a receiver of alerts. `begin` starts the worker; `mark` says that the fault begins."""

    box: Mailbox
    worker: Worker
    folder: Path
    received: Receiver
    stack: contextlib.ExitStack
    metric: str
    window: Window = field(default_factory=lambda: Window(free_port()))
    process: Process | None = None
    marked: int = 0

    def configured(self) -> None:
        self.worker.configure(
            health={"listen": f"127.0.0.1:{self.window.port}"}, alerts={"every": "0.2s"}, log={"level": "warning"}
        )

    def begin(self, *prefix: str, module: tuple[str, ...] = (), live: bool = True, command: str = "run") -> Process:
        """Start the worker.

        prefix: a command to run it under. module: a Python module, with arguments, to run instead of the command.
        """
        program = [sys.executable, "-m", *module] if module else [str(COMMAND)]
        popen = subprocess.Popen(
            [*prefix, *program, command, "--config", str(self.worker.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.worker.environment(NHSMAIL_ALERTS__JSON_WEBHOOK=self.received.url),
            cwd=self.worker.folder,
            text=True,
        )
        self.process = Process(popen)
        self.stack.callback(self.process.end)
        if live:
            eventually(lambda: self.window.code("/livez") == 200 or popen.poll() is not None, what="the port")
            assert popen.poll() is None, "".join(self.process.lines)
        return self.process

    def working(self) -> None:
        """Wait until the worker is ready, and mark the beginning of the fault."""
        eventually(lambda: self.window.code("/readyz") == 200, what="ready")
        self.mark()

    def mark(self) -> None:
        """Remember where the log ends now: earlier events don't belong to the fault."""
        assert self.process is not None
        self.marked = len(self.process.events())

    def loud(self) -> list[str]:
        """The errors and warnings logged since the mark, errors first.

        Without the page's server's, that a request waits for another: we ask it without a pause, on a busy machine.
        """
        assert self.process is not None
        found = {
            (LOUD.index(line["level"]), line["event"])
            for line in self.process.events()[self.marked :]
            if line["level"] in LOUD and line.get("library") != "waitress.queue"
        }
        return [name for _, name in sorted(found)]

    def seen(self) -> Seen:
        """What can be seen at this moment."""
        assert self.process is not None
        if self.process.popen.poll() is not None:
            return self._ended(self.process)
        page = self.window.ask("/").text
        sentence = _SENTENCE.search(page)
        assert sentence is not None
        firing: dict[str, bool] = {}
        for rule, state in self.received.alerts():
            firing[rule] = state == "firing"
        told = [f"`{rule}`" for rule, on in sorted(firing.items()) if on]
        probes = [self.window.ask(path).text.split() for path in ("/livez", "/readyz")]
        return Seen(
            page=" → ".join(part for part in (html.unescape(sentence[1]).strip(), self._step(page)) if part),
            log=", ".join(f"`{name}`" for name in self.loud()) or "nothing",
            metric=self._sample(),
            alert=", ".join(told) or "none yet",
            probes=" · ".join(", ".join(words) for words in probes),
        )

    def _step(self, page: str) -> str:
        """The first step that the page advises; empty if it advises none."""
        found = _STEP.search(page)
        words = "" if found is None else html.unescape(re.sub(r"</?code>", "`", found[1]))
        return words.replace(f" --config {self.worker.config}", "")  # which this worker was started with

    def _sample(self) -> str:
        value = self.window.metric(self.metric)
        if "_total" in self.metric:
            return f"`{self.metric}` grows" if value > 0 else f"`{self.metric}` doesn't grow"
        return f"`{self.metric} {value:g}`"

    def _ended(self, process: Process) -> Seen:
        code = process.wait()
        if code < 0:
            return Seen("no page: the process has ended", "nothing more", "none", "`NhsmailDown`", "nobody answers")
        lines = [line.strip(" -") for line in process.said().splitlines() if line.strip()]
        said = lines[-1].partition(". ")[0].rstrip(".") if lines else ""
        said = re.sub(re.escape(str(self.folder)) + r"\S*/", "…/", said)
        gone = "the process has ended"
        return Seen(f"no page: {gone}", f"exit code {code}: '{said}.'", "none", "`NhsmailDown`", "nobody answers")


@contextlib.contextmanager
def day(box: Mailbox, worker: Worker, folder: Path, metric: str) -> Iterator[Day]:
    """Set up a day with a receiver of alerts, and clean up at its end."""
    with receiver() as received, contextlib.ExitStack() as stack:
        one = Day(box, worker, folder, received, stack, metric)
        one.configured()
        yield one


def settled(one: Day, seconds: float) -> Seen:
    """Wait until nothing has changed for so many seconds. Returns what can be seen then."""
    last, since = one.seen(), time.monotonic()
    deadline = since + 40
    while time.monotonic() - since < seconds:
        assert time.monotonic() < deadline, last
        time.sleep(0.1)
        now = one.seen()
        if [timeless(cell) for cell in now.cells()] != [timeless(cell) for cell in last.cells()]:
            last, since = now, time.monotonic()
    return last
