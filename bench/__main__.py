"""What the worker costs, next to the floor: `python -m bench`. All figures are of one run, its rounds alternating."""

import argparse
import json
import os
import platform
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import mail
from bench.finding import ask
from bench.parse import compare
from bench.process import Measured, run, worker_command
from bench.quiet import quiet_polls
from bench.site import PASSWORD, Site
from bench.wake import typical, waits
from tests.rig.dovecot import Mailbox

MB = 1_000_000
console = Console(width=120)


@dataclass(frozen=True)
class Row:
    """A line of the report: what was measured, the figure and its target."""

    name: str
    figure: str
    target: str = ""
    met: bool | None = None


@dataclass
class Report:
    """All figures, for people and for programs."""

    rows: list[Row] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def say(self, name: str, figure: str, target: str = "", *, met: bool | None = None) -> None:
        """Add a line."""
        self.rows.append(Row(name, figure, target, met))

    def print(self) -> None:
        """Print the table."""
        table = Table("", "measured", "target", "", title="What it costs")
        for row in self.rows:
            mark = "" if row.met is None else "[green]met[/]" if row.met else "[red]NOT MET[/]"
            table.add_row(row.name, row.figure, row.target, mark)
        console.print(table)


class Drains:
    """The programs being compared, run in alternating rounds, each on a fresh mailbox with the same mail."""

    def __init__(self, site: Site, count: int) -> None:
        self._site = site
        self._count = count
        self.inner: dict[str, list[float]] = {}
        self.runs: dict[str, list[Measured]] = {}
        self._kinds: dict[str, Callable[[], Measured]] = {
            "floor": self._floor,
            "start-up": lambda: self._once(None, attachments=False),
            "once": lambda: self._once("mixed", attachments=False),
            "mail-parser": lambda: self._one_thread("mail-parser"),
            "message": lambda: self._one_thread("message"),
            "once, attachments": lambda: self._once("mixed", attachments=True),
        }

    def rounds(self, number: int) -> Iterator[str]:
        """Run every program once per round; yields the name of the next one."""
        for _ in range(number):
            for name, program in self._kinds.items():
                yield name
                self.runs.setdefault(name, []).append(program())

    def wall(self, name: str) -> float:
        """Return the median time of the whole process in seconds."""
        return median(measured.wall for measured in self.runs[name])

    def ratio(self, name: str, to: str) -> tuple[float, float, float]:
        """Return least, median and greatest ratio of all rounds; to the floor: to its own time without start-up."""
        under = self.inner[to] if to == "floor" else [measured.wall for measured in self.runs[to]]
        ratios = [measured.wall / base for measured, base in zip(self.runs[name], under, strict=True)]
        return min(ratios), median(ratios), max(ratios)

    def memory(self, name: str) -> float:
        """Return the greatest memory of all rounds in MB."""
        return max(measured.memory for measured in self.runs[name]) / MB

    def _floor(self) -> Measured:
        return self._inner("floor", [sys.executable, "-m", "bench.floor"])

    def _one_thread(self, parser: str) -> Measured:
        return self._inner(parser, [sys.executable, "-m", "bench.one_thread", parser])

    def _inner(self, name: str, command: list[str]) -> Measured:
        measured = run([*command, *_target(self._site.mailbox("mixed"))])
        self.inner.setdefault(name, []).append(float(measured.output.split()[0]))
        return measured

    def _once(self, store: str | None, *, attachments: bool) -> Measured:
        place = self._site.workplace(self._site.mailbox(store), attachments=attachments)
        measured = run(worker_command(place.config, "once"))
        expected = self._count if store else 0
        if place.archived() != expected:
            raise RuntimeError(f"{place.archived()} of {expected} messages were archived")
        place.empty()
        return measured


def _target(user: Mailbox) -> list[str]:
    return [user.host, str(user.port), str(user.ca_file), user.address, PASSWORD]


def drains(site: Site, report: Report, rounds: int, count: int) -> None:
    """Measure a, b and c, and e, the memory of b and c."""
    number, size = site.store("mixed", mail.messages(count))
    report.say("mail", f"{number:,} messages, {size / MB:.0f} MB; {rounds} rounds, medians (least–greatest)")
    found = Drains(site, number)
    run(worker_command(site.workplace(site.mailbox()).config, "once"))  # warm up: compile byte code, cache libraries
    with console.status("drains") as status:
        for name in found.rounds(rounds):
            status.update(f"drains: {name}")
    floor = median(found.inner["floor"])
    report.say("a  the floor: one FETCH, thrown away", f"{floor:.2f} s")
    report.say("   a run of `once` with nothing to do: start-up, login", f"{found.wall('start-up'):.2f} s")
    _compare(report, found, "b  `once`, archive without attachments", "once", "floor", 2.0, "a (aim: 1.3)")
    beyond = found.wall("once") - found.wall("start-up")
    report.say("   b without start-up and login", f"{beyond:.2f} s = {beyond / floor:.2f} × a")
    report.say("   one thread: fetch, then mail-parser", f"{found.wall('mail-parser'):.2f} s")
    report.say("   one thread: fetch, then the worker's Message", f"{found.wall('message'):.2f} s")
    _compare(
        report, found, "c  `once`, archive with attachments", "once, attachments", "mail-parser", 1.0, "one thread"
    )
    least, middle, most = found.ratio("once, attachments", "message")
    report.say("   the same against the worker's Message", f"{middle:.2f} ({least:.2f}–{most:.2f})")
    for letter, name in (("b", "once"), ("c", "once, attachments")):
        memory = found.memory(name)
        report.say(f"e  memory of {letter}", f"{memory:.0f} MB", "< 200 MB", met=memory < 200)
    report.raw["drains"] = {name: [asdict(one) for one in runs] for name, runs in found.runs.items()}
    report.raw["inside"] = found.inner


def _compare(report: Report, found: Drains, label: str, name: str, to: str, bound: float, what: str) -> None:
    least, middle, most = found.ratio(name, to)
    cpu = median(measured.cpu for measured in found.runs[name])
    figure = (
        f"{found.wall(name):.2f} s = {middle:.2f} ({least:.2f}–{most:.2f}) × {what.split(' (')[0]}; {cpu:.2f} s of CPU"
    )
    report.say(label, figure, f"≤ {bound:g} × {what}", met=middle <= bound)


def large_message(site: Site, report: Report) -> None:
    """Measure e for one message of 35 MB."""
    _, size = site.store("large", [mail.attachment(random.Random(35), 0, 25_540_000)])
    for attachments in (False, True):
        place = site.workplace(site.mailbox("large"), attachments=attachments)
        measured = run(worker_command(place.config, "once"))
        if place.archived() != 1:
            raise RuntimeError("the large message was not archived")
        place.empty()
        label = f"e  memory of one message of {size / MB:.0f} MB{', its attachment written' if attachments else ''}"
        memory = measured.memory / MB
        report.say(label, f"{memory:.0f} MB; {measured.wall:.2f} s", "< 450 MB", met=memory < 450)
        report.raw[f"large, attachments={attachments}"] = asdict(measured)


def quiet(site: Site, report: Report, sizes: tuple[int, ...]) -> None:
    """Measure d on mailboxes of different sizes."""
    found = {}
    for size in sizes:
        generator = random.Random(size)
        site.store(f"quiet {size}", (mail.plain(generator, number, 300) for number in range(size)))
        user = site.mailbox(f"quiet {size}")
        with site.proxy() as proxy, console.status(f"a poll with nothing new, {size:,} messages"):
            direct = site.workplace(user, handler="stamp", handled="keep")
            filled = run(worker_command(direct.config, "once"))
            counted = site.workplace(user, handler="stamp", handled="keep", port=proxy.port)
            (direct.root / "state").rename(counted.root / "state")
            found[size] = quiet_polls(counted, direct, proxy)
        report.raw[f"quiet, {size}"] = asdict(found[size]) | {"filled": filled.wall}
    watched = 2  # INBOX and the junk folder
    for size, poll in found.items():
        total = poll.up + poll.down
        report.say(
            f"d  a poll with nothing new, {size:,} messages",
            f"{poll.round_trips:g} round trips, {total:.0f} bytes, {poll.milliseconds:.1f} ms",
            f"{watched} (one a folder), < 1,000 bytes, no SEARCH",
            met=poll.round_trips <= watched and total < 1_000 and not any("SEARCH" in c for c in poll.commands),
        )
        report.say("", ", ".join(poll.commands))


def find(site: Site, report: Report, count: int) -> None:
    """Measure h: what became of a message, asked of a large mailbox."""
    with console.status(f"find, {count:,} messages"):
        answers = list(ask(site, count))
    for answer in answers:
        report.say(
            f"h  find {answer.what}, {count:,} messages",
            f"{answer.measured.wall:.2f} s; {answer.searches} SEARCH a folder; {answer.found} found",
            "< 2 s, at most one SEARCH a folder",
            met=answer.measured.wall < 2 and answer.searches <= 1,
        )
    report.raw[f"find, {count}"] = [asdict(answer) for answer in answers]


def parsing(report: Report, rounds: int) -> None:
    """Measure g: parsing."""
    for size, bound in ((600_000, 5), (5_000_000, 5), (25_540_000, 5)):
        raw = mail.attachment(random.Random(size), 0, size)
        with console.status(f"taking a message of {len(raw) / MB:.1f} MB apart"):
            found = compare(raw, rounds)
        own = found["ours"]
        for name in ("standard library", "mail-parser"):
            ratios = [theirs / mine for theirs, mine in zip(found[name], own, strict=True)]
            report.say(
                f"g  attachments of {len(raw) / MB:.1f} MB, next to {name}",
                f"{median(own) * 1e3:.1f} ms to {median(found[name]) * 1e3:.1f} ms: {median(ratios):.1f} × as fast "
                f"({min(ratios):.1f}–{max(ratios):.1f})",
                f"≥ {bound} ×",
                met=median(ratios) >= bound,
            )
        report.raw[f"parsing, {size}"] = found


def wake(site: Site, report: Report, times: int) -> None:
    """Measure f: the time from delivery to handler."""
    generator = random.Random(7)
    user = site.mailbox()
    place = site.workplace(user, handler="stamp", idle=True)
    with console.status("from delivery to handler, with IDLE"):
        seconds = waits(user, place, [mail.plain(generator, number) for number in range(times + 1)])
    middle, worst = typical(seconds)
    figure = f"{middle * 1e3:.0f} ms, at most {worst * 1e3:.0f} ms"
    report.say(f"f  from delivery to handler, with IDLE, {times} times", figure, "< 2 s", met=worst < 2)
    report.raw["wake"] = seconds


def main() -> int:
    """Measure and report. Always returns 0, because on a busy machine a missed target means little."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5, help="rounds of drains (default: 5)")
    arguments.add_argument("--messages", type=int, default=mail.COUNT, help="messages in the mailbox (default: 2,000)")
    arguments.add_argument(
        "--only", choices=["drains", "memory", "quiet", "wake", "find", "parsing"], help="this part alone"
    )
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write every single figure there, too")
    given = arguments.parse_args()
    report = Report()
    report.raw["machine"] = {"cpus": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version()}
    parts: dict[str, Callable[[Site], None]] = {
        "drains": lambda site: drains(site, report, given.rounds, given.messages),
        "memory": lambda site: large_message(site, report),
        "quiet": lambda site: quiet(site, report, (100, 20_000)),
        "wake": lambda site: wake(site, report, 10),
        "find": lambda site: find(site, report, 50_000),
        "parsing": lambda _: parsing(report, given.rounds),
    }
    with Site() as site:
        for name, part in parts.items():
            if given.only in (None, name):
                part(site)
    report.print()
    if given.json is not None:
        given.json.write_text(json.dumps(report.raw, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
