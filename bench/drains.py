"""What draining a mailbox costs: `once` next to a raw fetch and to one thread, in alternating rounds."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from statistics import median

from bench import mail
from bench.options import Options
from bench.process import Measured, once, raw_fetch, run
from bench.report import MB, Report, Spread, console
from bench.site import Site, target


class Drains:
    """The programs being compared, run in alternating rounds, each on a fresh mailbox with the same mail."""

    def __init__(self, site: Site, count: int) -> None:
        self._site = site
        self._count = count
        self.inner: dict[str, list[float]] = {}
        self.runs: dict[str, list[Measured]] = {}
        self._kinds: dict[str, Callable[[], Measured]] = {
            "raw fetch": self._raw_fetch,
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

    def ratio(self, name: str, to: str) -> Spread:
        """Return the ratios of all rounds."""
        return Spread.ratio(*([measured.wall for measured in self.runs[one]] for one in (name, to)))

    def memory(self, name: str) -> float:
        """Return the greatest memory of all rounds in MB."""
        return max(measured.memory for measured in self.runs[name]) / MB

    def _raw_fetch(self) -> Measured:
        measured = raw_fetch(self._site.mailbox("mixed"))
        self.inner.setdefault("raw fetch", []).append(measured.wall)
        return measured

    def _one_thread(self, parser: str) -> Measured:
        measured = run([sys.executable, "-m", "bench.one_thread", parser, *target(self._site.mailbox("mixed"))])
        self.inner.setdefault(parser, []).append(float(measured.output.split()[0]))
        return measured

    def _once(self, store: str | None, *, attachments: bool) -> Measured:
        place = self._site.workplace(self._site.mailbox(store), attachments=attachments)
        return once(place, self._count if store else 0)


def measure(site: Site, report: Report, options: Options) -> None:
    """Measure a, b and c, and e, the memory of b and c."""
    number, size = site.store("mixed", mail.messages(options.messages))
    report.say("mail", f"{number:,} messages, {size / MB:.0f} MB; medians (least–greatest)")
    found = Drains(site, number)
    once(site.workplace(site.mailbox()))  # warm up
    with console.status("drains") as status:
        for name in found.rounds(options.rounds):
            status.update(f"drains: {name}")
    floor = median(found.inner["raw fetch"])
    report.say("a  raw fetch: one FETCH, thrown away", f"{floor:.2f} s")
    report.say("   a run of `once` with nothing to do: start-up, login", f"{found.wall('start-up'):.2f} s")
    _compare(report, found, "b  `once`, archive without attachments", "once", "raw fetch", 4.0, "a")
    beyond = found.wall("once") - found.wall("start-up")
    report.say("   b without start-up and login", f"{beyond:.2f} s = {beyond / floor:.2f} × a")
    report.say("   one thread: fetch, then mail-parser", f"{found.wall('mail-parser'):.2f} s")
    report.say("   one thread: fetch, then the worker's Message", f"{found.wall('message'):.2f} s")
    _compare(
        report, found, "c  `once`, archive with attachments", "once, attachments", "mail-parser", 1.0, "one thread"
    )
    _compare(report, found, "   the same, next to a", "once, attachments", "raw fetch", 6.0, "a")
    report.say(
        "   the same, next to one thread with the worker's Message", str(found.ratio("once, attachments", "message"))
    )
    for letter, name, most in (("b", "once", 135), ("c", "once, attachments", 155)):
        memory = found.memory(name)
        report.say(f"e  memory of {letter}", f"{memory:.0f} MB", f"≤ {most} MB", met=memory <= most)
    report.raw["drains"] = {name: [asdict(one) for one in runs] for name, runs in found.runs.items()}
    report.raw["inside"] = found.inner


def _compare(report: Report, found: Drains, label: str, name: str, to: str, bound: float, what: str) -> None:
    ratio = found.ratio(name, to)
    cpu = median(measured.cpu for measured in found.runs[name])
    figure = f"{found.wall(name):.2f} s = {ratio} × {what}; {cpu:.2f} s of CPU"
    report.say(label, figure, f"≤ {bound:g} × {what}", met=ratio.middle <= bound)
