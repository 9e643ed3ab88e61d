"""A poll with nothing new: its traffic and its time, measured with the worker's own cycle and `idle = false`."""

import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from statistics import median

from bench import mail
from bench.options import Options
from bench.process import run, worker_command
from bench.report import Report, console, trips
from bench.site import Site, Workplace
from tests.rig.proxy import Proxy
from worker.commands.wiring.engine import Engine
from worker.commands.wiring.shared import Parts
from worker.loop.cycle import Cycle
from worker.observe.progress import Drain
from worker.settings import load

POLLS, SIZES = 20, (100, 20_000)
"""How often to poll, and how many messages the mailboxes have."""
FAR = 0.02
"""Seconds of delay while round trips are counted: so the first answer doesn't come before all is sent."""


@dataclass(frozen=True)
class Quiet:
    """The figures of one poll. up, down: bytes; milliseconds: the whole cycle, with the journal; commands: distinct."""

    round_trips: float
    up: float
    down: float
    milliseconds: float
    commands: tuple[str, ...]


def quiet_polls(through_proxy: Workplace, direct: Workplace, proxy: Proxy) -> Quiet:
    """Poll an unchanging mailbox repeatedly. Traffic is measured through the proxy, time without it.

    direct: has the state of a worker that has handled everything. It is moved: of two copies, one would not log in.
    """
    (direct.root / "state").rename(through_proxy.root / "state")
    proxy.latency = FAR
    with polling(through_proxy) as cycle, proxy.measure() as used:
        for _ in range(POLLS):
            cycle()
    (through_proxy.root / "state").rename(direct.root / "state")
    times = []
    with polling(direct) as cycle:
        for _ in range(POLLS):
            started = time.perf_counter()
            cycle()
            times.append(time.perf_counter() - started)
    return Quiet(
        used.round_trips / POLLS,
        used.bytes_up / POLLS,
        used.bytes_down / POLLS,
        median(times) * 1e3,
        tuple(sorted(set(used.commands))),
    )


@contextmanager
def polling(place: Workplace) -> Iterator[Cycle]:
    """Yield the cycle of a worker that has already polled everything."""
    with closing(Parts(load(place.config, {}))) as parts:  # as `run` does, but without its schedule
        parts.journal.open(parts.settings.account.address)
        engine = Engine(parts, Drain(), parts.observing("bench"))
        cycle = engine.cycle
        try:
            for _ in range(2):
                if cycle() is not None or cycle.trouble:
                    raise RuntimeError(f"the poll went wrong: {cycle.trouble}")
            yield cycle
        finally:
            engine.hold.end(1.0)
            engine.pool.close()


def measure(site: Site, report: Report, _options: Options) -> None:
    """Measure d on mailboxes of different sizes."""
    found = {}
    for size in SIZES:
        generator = random.Random(size)
        site.store(f"quiet {size}", (mail.plain(generator, number, 300) for number in range(size)))
        user = site.mailbox(f"quiet {size}")
        with site.proxy() as proxy, console.status(f"a poll with nothing new, {size:,} messages"):
            direct = site.workplace(user, handler="stamp", handled="keep")
            filled = run(worker_command(direct.config, "once"))
            counted = site.workplace(user, handler="stamp", handled="keep", port=proxy.port)
            found[size] = quiet_polls(counted, direct, proxy)
        report.raw[f"quiet, {size}"] = asdict(found[size]) | {"filled": filled.wall}
    for size, poll in found.items():
        total = poll.up + poll.down
        report.say(
            f"d  a poll with nothing new, {size:,} messages",
            f"{trips(poll.round_trips)}, {total:.0f} bytes, {poll.milliseconds:.1f} ms",
            "1, however many folders are watched; < 1,000 bytes, no SEARCH",
            met=poll.round_trips <= 1 and total < 1_000 and not any("SEARCH" in c for c in poll.commands),
        )
        report.say("", ", ".join(poll.commands))
