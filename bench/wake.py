"""The time from delivery to handler, with a running worker that waits in IDLE."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench import mail
from bench.notifying import NotifyingServer
from bench.options import Options
from bench.process import ROOT, environment, worker_command
from bench.report import Report, console
from bench.site import Site, Workplace
from tests.rig.dovecot import Mailbox

TIMES, PATIENCE = 10, 60.0
"""How often to measure, and how many seconds to wait for one message."""


def waits(user: Mailbox, place: Workplace, mail: list[bytes]) -> list[float]:
    """Deliver messages one at a time to a waiting worker. Returns the seconds until the handler was called for each."""
    with _running(place):
        _deliver_and_wait(user, place, mail[0])  # once it is handled, the worker has started
        return [_deliver_and_wait(user, place, raw) for raw in mail[1:]]


def waits_if_notified(server: NotifyingServer, place: Workplace, times: int) -> list[float]:
    """The same with a server that reports each message at once. The first message is a new worker's first one, too."""
    seconds = []
    with _running(place):
        for number in range(times):
            delivered = server.deliver()
            seconds.append(_stamp(place, number) - delivered)
    return seconds


@contextmanager
def _running(place: Workplace) -> Iterator[None]:
    with (place.root / "log").open("wb") as log:
        child = subprocess.Popen(worker_command(place.config, "run"), stderr=log, env=environment(), cwd=ROOT)
        try:
            yield
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(40)


def _deliver_and_wait(user: Mailbox, place: Workplace, raw: bytes) -> float:
    time.sleep(0.7)  # let the worker return to IDLE, so that the delivery alone wakes it
    before = len(_lines(place.stamps))
    with user.client() as client:
        delivered = time.time()
        client.append("INBOX", raw)
    return _stamp(place, before) - delivered


def _stamp(place: Workplace, number: int) -> float:
    """When the handler was called for the message with this number, counted from 0."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        lines = _lines(place.stamps)
        if len(lines) > number:
            return float(lines[number])
        time.sleep(0.01)
    raise RuntimeError(f"the handler was not called within {PATIENCE} s:\n{(place.root / 'log').read_text()[-2000:]}")


def _lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def typical(seconds: list[float]) -> tuple[float, float]:
    """Return median and maximum."""
    return median(seconds), max(seconds)


def measure(site: Site, report: Report, _options: Options) -> None:
    """Measure f: the time from delivery to handler."""
    generator = random.Random(7)
    user = site.mailbox()
    place = site.workplace(user, handler="stamp", idle=True)
    with console.status("from delivery to handler, with IDLE"):
        seconds = waits(user, place, [mail.plain(generator, number) for number in range(TIMES + 1)])
    middle, worst = typical(seconds)
    figure = f"{middle * 1e3:.0f} ms, at most {worst * 1e3:.0f} ms"
    report.say(f"f  from delivery to handler, with IDLE, {TIMES} times", figure, "< 2 s", met=worst < 2)
    report.raw["wake"] = seconds
    _measure_notified(site, report, [mail.plain(generator, number) for number in range(TIMES + 1)])


def _measure_notified(site: Site, report: Report, letters: list[bytes]) -> None:
    with NotifyingServer(site.authority, letters) as server:
        place = site.workplace(site.mailbox(), handler="stamp", idle=True, port=server.port)
        with console.status("from delivery to handler, on a server that notifies at once"):
            first, *seconds = waits_if_notified(server, place, len(letters))
    middle, worst = typical(seconds)
    report.say(
        "   on a server that notifies at once",
        f"{middle * 1e3:.0f} ms, at most {worst * 1e3:.0f} ms; the first after the start {first * 1e3:.0f} ms",
        "< 100 ms (median)",
        met=middle < 0.1,
    )
    report.say("   its commands from notice to body", ", ".join(server.last_commands()))
    report.raw["wake, notified"] = [first, *seconds]
