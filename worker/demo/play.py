"""Runs the demo: the real command in a process of its own, on the embedded mailbox, and then the report."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

import worker
from worker.demo.config import DemoDirectory, NotOursError
from worker.demo.mailbox import EmbeddedMailbox
from worker.demo.outcome_report import Report
from worker.demo.samples import ACCOUNT, all_samples
from worker.logs.counted import counted
from worker.logs.typed import VARIABLE
from worker.observe.progress import progress

NEXT = (("status",), ("reconcile",), ("check", "--connect"), ("run",))
DONE, FINDING, USAGE, NOT_NOW, CONFIGURATION, STOPPED = 0, 1, 64, 75, 78, 130
GOES_ON = frozenset({DONE, FINDING, NOT_NOW})
TICK = 0.1
MAY_KNOW = 5
"""Ticks after which a signal that a terminal would have sent to the child as well is passed on to it."""
PATIENCE = 40.0
"""Seconds that the demo waits for retries. Retries still due after that are not as expected."""


def play(directory: Path, arguments: Sequence[str], console: Console) -> int:
    """Run the demo from the start, or one command on the mailbox that it left; returns the exit code."""
    demo = DemoDirectory(directory)
    if "--help" in arguments:
        return _worker(demo, arguments)  # which needs no mailbox
    if left_out := _left_out():
        error = Console(stderr=True, soft_wrap=True)
        error.print(
            "The demo has a configuration of its own, so it doesn't use what the environment says in "
            f"{', '.join(left_out)}.",
            markup=False,
            highlight=False,
        )
    try:
        if arguments and not demo.store.exists():
            said = f"No demo was played in {demo.root} yet. Begin with: {_command(demo)}"
            console.print(said, markup=False, soft_wrap=True)
            return USAGE
        demo.claim()
        with demo.store.owned() as alone:
            return _play(demo, alone, arguments, console)
    except KeyboardInterrupt:
        console.print(f"Stopped before the end. Begin again with: {_command(demo)}", markup=False, soft_wrap=True)
        return STOPPED
    except NotOursError as problem:
        console.print(str(problem), markup=False)
    except OSError as problem:
        console.print(
            f"The demo can't use {demo.root}: {problem.strerror}. No real mailbox is concerned.", markup=False
        )
    return CONFIGURATION


def _play(demo: DemoDirectory, alone: bool, arguments: Sequence[str], console: Console) -> int:
    if arguments and not alone:  # another process serves the mailbox and wrote the configuration
        return _run(demo, arguments, console, alone=False) if arguments[0] == "run" else _worker(demo, arguments)
    if not alone:
        console.print(
            f"A demo is running in {demo.root}. Wait for it, or name another folder with --dir.", markup=False
        )
        return NOT_NOW
    if arguments:
        with _mailbox(demo):
            return _run(demo, arguments, console, alone=True) if arguments[0] == "run" else _worker(demo, arguments)
    return _from_the_start(demo, console)


def _from_the_start(demo: DemoDirectory, console: Console) -> int:
    samples = tuple(all_samples())
    demo.begin(samples)
    started = time.monotonic()
    with _mailbox(demo) as mailbox:
        console.print(
            f"A mailbox of {counted(len(samples), 'sample message')} listens on {mailbox.host}:{mailbox.port}, with "
            f"TLS. The worker drains it as {ACCOUNT}.",
            markup=False,
            highlight=False,
        )
        code = _drain(demo)
        status = _status(demo)
    report = Report(samples, demo.where(), status, _archived(demo.archive))
    report.show(console)
    _show_next(demo, console, time.monotonic() - started)
    if code not in GOES_ON:
        console.print(f"The worker ended with {code}. The last lines of its log:", style="bold red", highlight=False)
        console.print(_tail(demo.log), markup=False, highlight=False, soft_wrap=True)
        return FINDING
    return DONE if report.as_expected else FINDING


def _run(demo: DemoDirectory, arguments: Sequence[str], console: Console, *, alone: bool) -> int:
    """Run `run` with its status page on a free port, so that the demo doesn't take a real worker's port.

    alone: no other process of the demo serves the mailbox.
    """
    if not alone:
        console.print(_beside(demo), markup=False, highlight=False, soft_wrap=True)
    with socket.create_server(("127.0.0.1", 0)) as asked:
        page = f"127.0.0.1:{asked.getsockname()[1]}"
    console.print(f"The status page: http://{page}/  Ctrl-C ends it.", markup=False, highlight=False, soft_wrap=True)
    return _worker(demo, arguments, more={"NHSMAIL_HEALTH__LISTEN": page})


def _beside(demo: DemoDirectory) -> str:
    """What a second `run` says, because it may hand over nothing for as long as it runs."""
    holder = _status(demo).get("lease", {}).get("holder")
    if holder is None:
        return (
            f"Another process of this demo serves the mailbox in {demo.root}. When it ends, this worker reaches none."
        )
    return (
        f"This worker stands by: {holder} works on the mailbox already and holds the lease. "
        "One worker at a time takes mail."
    )


def _show_next(demo: DemoDirectory, console: Console, seconds: float) -> None:
    said = (
        ("Took", f"{seconds:.1f} s"),
        ("Archive", str(demo.archive)),
        ("Configuration", str(demo.config)),
        ("Log", str(demo.log)),
        *((("" if number else "Try next"), _command(demo, *words)) for number, words in enumerate(NEXT)),
        ("", "(`run` says where its status page is; Ctrl-C ends it)"),
    )
    for label, text in said:  # never wrapped, so that commands can be copied
        console.print(f"{label:<14} {text}", soft_wrap=True, markup=False, highlight=False)


def _drain(demo: DemoDirectory) -> int:
    """Run `once` until no retry is due, with a progress bar on a terminal. Its log goes to a file.

    The exit code can't tell: `once` ends with 1 if it dead-lettered something, whether or not retries are due. So look
    for mail that is still in INBOX.
    """
    deadline = time.monotonic() + PATIENCE
    total = demo.waiting()
    with demo.log.open("ab") as log, progress(sys.stderr) as bar:
        bar.found(total)

        def count() -> None:
            while bar.done < total - demo.waiting():
                bar.finished()

        while True:
            code = _worker(demo, ["once"], stderr=log, meanwhile=count, stop_with_it=True)
            if code not in GOES_ON or not demo.waiting() or time.monotonic() > deadline:
                return code
            time.sleep(TICK)


def _status(demo: DemoDirectory) -> Mapping[str, Any]:
    """The output of `status --json`; empty if it failed."""
    with demo.log.open("ab") as log:
        answer = subprocess.run(  # noqa: S603 -- this program itself
            [*_program(), "status", "--json"], env=_environment(demo), stdout=subprocess.PIPE, stderr=log, check=False
        )
    if answer.returncode != DONE:
        return {}
    status: Mapping[str, Any] = json.loads(answer.stdout)
    return status


def _tail(log: Path, lines: int = 10) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _archived(archive: Path) -> int:
    return sum(1 for _ in archive.glob("*/message.json"))


@contextmanager
def _mailbox(demo: DemoDirectory) -> Iterator[EmbeddedMailbox]:
    with EmbeddedMailbox(demo.store, address=ACCOUNT, password=demo.password(), ca_file=demo.ca_file) as mailbox:
        demo.configure(mailbox.host, mailbox.port)
        yield mailbox


def _worker(
    demo: DemoDirectory,
    arguments: Sequence[str],
    *,
    stderr: Any = None,
    meanwhile: Callable[[], None] = lambda: None,
    stop_with_it: bool = False,
    more: Mapping[str, str] | None = None,
) -> int:
    """Run a command of the worker, and leave signals to it; returns its exit code.

    more: settings that override those in the configuration.
    stop_with_it: raise KeyboardInterrupt after it has ended, if a signal stopped it.
    """
    environment = {**_environment(demo), **(more or {})}
    with _signals_noted() as received:  # from before it starts, so that it gets every signal
        process = subprocess.Popen([*_program(), *arguments], env=environment, stderr=stderr)  # noqa: S603 -- itself
        passed_on = waited = 0
        while (code := _ended(process)) is None:
            meanwhile()
            if passed_on < len(received):
                number, waited = received[passed_on], waited + 1
                if number == signal.SIGTERM or waited > MAY_KNOW:
                    process.send_signal(number)
                    passed_on, waited = passed_on + 1, 0
    if received and stop_with_it:
        raise KeyboardInterrupt
    return code if code >= 0 else 128 - code


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(TICK)
    except subprocess.TimeoutExpired:
        return None


@contextmanager
def _signals_noted() -> Iterator[Sequence[int]]:
    """Leave signals to the child, so that the mailbox outlives the worker. Yields the list of signals received.

    A terminal sends Ctrl-C, and its own end, to the child as well. Whoever sends one to this process alone means the
    child too: it is passed on if the child hasn't ended a moment later.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set signal handlers
        return

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup it stays ignored
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _program() -> list[str]:
    return [sys.executable, "-P", "-m", "worker"]  # -P: don't import a folder `worker` in the current directory


def _left_out() -> list[str]:
    """The settings in the environment that the demo doesn't use, by name."""
    names = (name for name in os.environ if name.upper().startswith("NHSMAIL_") and os.environ[name])
    return sorted(name for name in names if name != VARIABLE)


def _environment(demo: DemoDirectory) -> dict[str, str]:
    """Our environment without settings, which would override the file, and may be those of a real mailbox."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("NHSMAIL_")}
    ours = str(Path(worker.__file__).parents[1])
    paths = os.pathsep.join([ours, *filter(None, [kept.get("PYTHONPATH")])])
    return kept | {"NHSMAIL_CONFIG": str(demo.config), VARIABLE: _command(demo), "PYTHONPATH": paths}


def _command(demo: DemoDirectory, *arguments: str) -> str:
    """A command line for the demo that works if it is pasted into this terminal."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        words = [sys.executable, "-m", "worker"]
    elif (found := shutil.which(called.name)) and Path(found).resolve() == called.resolve():
        words = [called.name]
    else:
        words = [sys.argv[0]]
    where = [] if demo.given == Path("demo-state") else ["--dir", str(demo.given)]
    return shlex.join([*words, "demo", *where, *arguments])
