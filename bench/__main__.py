"""What the worker costs, next to the floor: `python -m bench`. All figures are of one run, its rounds alternating."""

import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from bench import drains, finding, growth, memory, neighbour, over_link, page, parse, peers, quiet, wake
from bench.options import Options
from bench.options import parse as parse_options
from bench.report import Report
from bench.site import Site

PARTS: dict[str, Callable[[Site, Report, Options], None]] = {
    "drains": drains.measure,
    "link": over_link.measure,
    "peers": peers.measure,
    "memory": memory.measure,
    "neighbour": neighbour.measure,
    "quiet": quiet.measure,
    "wake": wake.measure,
    "growth": growth.measure,
    "find": finding.measure,
    "parsing": parse.measure,
}
"""The parts of the bench, in the order of the table."""


def main() -> int:
    """Measure and report. Always returns 0, because on a busy machine a missed target means little."""
    options = parse_options(sys.argv[1:], PARTS, __doc__)
    report = Report()
    report.raw["machine"] = {"cpus": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version()}
    with Site() as site:
        try:
            for name, measure in PARTS.items():
                if options.wants(name):
                    report.begin(name, _circumstances(options))
                    measure(site, report, options)
        finally:  # what was measured so far is worth having
            _publish(report, options)
    return 0


def _publish(report: Report, options: Options) -> None:
    report.print()
    if options.page is not None:
        page.write(options.page, report.rows, list(PARTS))
    if options.json is not None:
        options.json.write_text(json.dumps(report.raw, indent=1))


def _circumstances(options: Options) -> str:
    load, cores = os.getloadavg()[0], os.cpu_count()
    today = datetime.now(UTC).date()
    return f"{today}; rounds: {options.rounds}; cores: {cores}; load when it began: {load:.1f}"


if __name__ == "__main__":
    sys.exit(main())
