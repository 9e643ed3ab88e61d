"""A drain of `archive`, quiet and beside a neighbour that writes at full speed to the same file system."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench import mail
from bench.options import Options
from bench.process import ROOT, environment, once, run, worker_command
from bench.report import MB, Report, Spread, console
from bench.site import Site

BLOCK = 1_000_000
SPACE = 1_000 * BLOCK
"""Bytes that the neighbour's file has at most: it is written from its start again and again."""
SYNCED_EVERY = 250 * BLOCK
"""Bytes after which the neighbour waits for the disk, as a database does at a checkpoint."""
IN_MEMORY = Path("/dev/shm")  # noqa: S108 -- in a folder of our own, made by mkdtemp
"""Where the mail server's files are, so that its own waits for the disk aren't taken for ours."""


@dataclass(frozen=True)
class Beside:
    """The seconds of one round's drains, and what the neighbour wrote meanwhile (bytes a second)."""

    quiet: float
    busy: float
    written: float


def has_room(folder: Path) -> bool:
    """Whether the neighbour's file fits there, and as much again."""
    return shutil.disk_usage(folder).free > 2 * SPACE


def rounds(site: Site, place: Path, number: int, *, attachments: bool) -> Iterator[Beside]:
    """Drain the mailbox `mixed` in alternating rounds. place: the folder for the archives and the neighbour's file."""
    for turn in range(number):
        if turn % 2 == 0:
            quiet = _drain(site, place, attachments=attachments)
        with _neighbour(place) as speed:
            busy = _drain(site, place, attachments=attachments)
        if turn % 2 == 1:
            quiet = _drain(site, place, attachments=attachments)
        yield Beside(quiet, busy, float(speed.read_text()))


def _drain(site: Site, place: Path, *, attachments: bool) -> float:
    mailbox = site.mailbox("mixed")
    work = site.workplace(mailbox, attachments=attachments, under=place)
    measured = run(worker_command(work.config, "once"))
    work.empty()
    os.sync()  # what this round leaves to be written is not the next one's
    return measured.wall


@contextmanager
def _neighbour(place: Path) -> Iterator[Path]:
    """A neighbour that is at work. Yields the file that says how fast it was, once this has ended."""
    output = place / "neighbour.speed"
    with output.open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "bench.neighbour", str(place / "neighbour")],
            stdout=said,
            env=environment(),
            cwd=ROOT,
        )
        try:
            time.sleep(2)  # until there is a backlog of writes
            yield output
        finally:
            child.terminate()
            child.wait(60)
            (place / "neighbour").unlink(missing_ok=True)


@contextmanager
def on_the_disk() -> Iterator[Path]:
    """A folder on the disk for the drains. Removed at the end."""
    place = Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_DIR")))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def measure(_site: Site, report: Report, options: Options) -> None:
    """Measure l: a drain beside a neighbour that writes at full speed to the same file system."""
    with Site(IN_MEMORY) as site, on_the_disk() as place:
        if not has_room(place):
            report.say("l  beside a neighbour that writes at full speed", "not measured: too little space")
            return
        site.store("mixed", mail.messages(options.messages))
        once(site.workplace(site.mailbox()))  # warm up
        for attachments in (False, True):
            with console.status(f"beside a neighbour, attachments={attachments}"):
                found = list(rounds(site, place, options.rounds, attachments=attachments))
            ratio = Spread.ratio([one.busy for one in found], [one.quiet for one in found])
            report.say(
                f"l  {options.messages:,} messages beside a neighbour{', with attachments' if attachments else ''}",
                f"{ratio} × quiet ({median(one.quiet for one in found):.2f} s); "
                f"it wrote {median(one.written for one in found) / MB:.0f} MB/s",
                "≤ 2 × quiet",
                met=ratio.middle <= 2,
            )
            report.raw[f"neighbour, attachments={attachments}"] = [asdict(one) for one in found]


def write(file: Path) -> None:
    """Be the neighbour: write until a signal comes or the bench has ended, then print the bytes a second."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    os.nice(10)  # the disk is to be contended, not the processor
    parent, began, written = os.getppid(), time.monotonic(), 0
    block = os.urandom(BLOCK)
    with file.open("wb", buffering=0) as out:
        while not ended and os.getppid() == parent:
            os.pwrite(out.fileno(), block, written % SPACE)
            written += BLOCK
            if written % SYNCED_EVERY == 0:
                os.fdatasync(out.fileno())
    file.unlink()
    sys.stdout.write(f"{written / (time.monotonic() - began):.0f}\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
