"""A poll with nothing new: its traffic and its time, measured with the worker's own cycle and `idle = false`."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from statistics import median

from bench.site import Workplace
from tests.rig.proxy import Proxy
from worker.commands.wiring.engine import Engine
from worker.commands.wiring.shared import Parts
from worker.loop.cycle import Cycle
from worker.observe.progress import Drain
from worker.settings import load

POLLS = 20


@dataclass(frozen=True)
class Quiet:
    """The figures of one poll. up, down: bytes; milliseconds: the whole cycle, with the journal; commands: distinct."""

    round_trips: float
    up: float
    down: float
    milliseconds: float
    commands: tuple[str, ...]


def quiet_polls(through_proxy: Workplace, direct: Workplace, proxy: Proxy) -> Quiet:
    """Poll an unchanging mailbox repeatedly. Traffic is measured through the proxy, time without it."""
    with _polling(through_proxy) as cycle, proxy.measure() as used:
        for _ in range(POLLS):
            cycle()
    times = []
    with _polling(direct) as cycle:
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
def _polling(place: Workplace) -> Iterator[Cycle]:
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
