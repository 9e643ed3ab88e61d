"""What a drain costs over a link, next to one raw fetch over the same link; and how often it only waits."""

import re
from collections import Counter
from dataclasses import asdict
from statistics import median

from bench import mail
from bench.link import Line, Link
from bench.options import Distance, Options
from bench.process import Measured, once, raw_fetch
from bench.report import MB, Report, Spread, console
from bench.round_trips import RoundTrips
from bench.site import Site

FARTHEST, MOST_WAITS = 1.3, 14
"""The targets: how many times as long as the raw fetch, and how many round trips that nothing overlaps."""

_VARIES = re.compile(r"(?<=[A-Z] )(\d+(…(\d+|\*))?|\d+-[A-Z][a-z]{2}-\d{4})(?= |$)")
"""UIDs and dates in a command."""


def measure(site: Site, report: Report, options: Options) -> None:
    """Measure i, for each of the links."""
    for distance in options.link:
        _Measurement(site, report, distance).run(options.rounds)


class _Measurement:
    """One link, with a mailbox of one size."""

    def __init__(self, site: Site, report: Report, distance: Distance) -> None:
        self._site, self._report, self._distance = site, report, distance
        self._line = Line(distance.round_trip, distance.rate)
        self._store = f"link, {distance.messages}"
        self._count, self._size = site.store(self._store, mail.messages(distance.messages))

    def run(self, rounds: int) -> None:
        """Run the programs in alternating rounds, count round trips once, and say what came out."""
        fetches: list[float] = []
        empty: list[Measured] = []
        drains: list[Measured] = []
        self._once(None)  # warm up
        for number in range(1, rounds + 1):
            with console.status(f"{self._distance}, round {number} of {rounds}"):
                fetches.append(self._raw_fetch())
                empty.append(self._once(None))
                drains.append(self._once(self._store))
        with console.status(f"{self._distance}, counting round trips"):
            alone, overlapped = self._round_trips()
        self._say(fetches, empty, drains)
        self._say_round_trips(alone, overlapped)
        self._report.raw[f"link, {self._distance}"] = {
            "raw fetch": fetches,
            "start-up": [asdict(one) for one in empty],
            "once": [asdict(one) for one in drains],
            "round trips alone": alone,
            "round trips overlapped": overlapped,
        }

    def _raw_fetch(self) -> float:
        user = self._site.mailbox(self._store)
        with Link((user.host, user.port), self._line) as link:
            return raw_fetch(user, link.port).wall

    def _once(self, store: str | None) -> Measured:
        user = self._site.mailbox(store)
        with Link((user.host, user.port), self._line) as link:
            return once(self._site.workplace(user, port=link.port), self._count if store else 0)

    def _round_trips(self) -> tuple[list[str], list[str]]:
        user = self._site.mailbox(self._store)
        with (
            Link((user.host, user.port), self._line) as link,
            RoundTrips(self._site.authority, (link.host, link.port)) as counted,
        ):
            once(self._site.workplace(user, port=counted.port), self._count)
        return counted.alone, counted.overlapped

    def _say(self, fetches: list[float], empty: list[Measured], drains: list[Measured]) -> None:
        say = self._report.say
        ratio = Spread.ratio([one.wall for one in drains], fetches)
        say(
            f"i  {self._distance}, {self._size / MB:.0f} MB: raw fetch",
            f"{median(fetches):.2f} s = {self._size * 8 / median(fetches) / 1e6:.0f} Mbit/s",
        )
        say("   a run of `once` with nothing to do", f"{median(one.wall for one in empty):.2f} s")
        say(
            "   `once`, archive without attachments",
            f"{median(one.wall for one in drains):.2f} s = {ratio} × raw fetch; "
            f"{median(one.cpu for one in drains):.2f} s of CPU",
            f"≤ {FARTHEST} × raw fetch",
            met=ratio.middle <= FARTHEST,
        )

    def _say_round_trips(self, alone: list[str], overlapped: list[str]) -> None:
        self._report.say(
            "   round trips that nothing overlaps",
            f"{len(alone)}; {len(overlapped)} others",
            f"≤ {MOST_WAITS}",
            met=len(alone) <= MOST_WAITS,
        )
        self._report.say("   which they are", listed(alone))


def listed(commands: list[str]) -> str:
    """Commands in their order, those of one kind together: without UIDs and dates."""
    counts = Counter(_VARIES.sub("…", command) for command in commands)
    return ", ".join(f"{count} × `{kind}`" if count > 1 else f"`{kind}`" for kind, count in counts.items())
