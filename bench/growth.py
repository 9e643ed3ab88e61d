"""What becomes of the costs as mailbox and journal grow.

A mailbox of so many messages is drained, and the first tenth of the drain compared with the last. Then journals with
few and with many settled rows stand side by side, each with an empty mailbox, and polls of the two alternate.
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from statistics import median

from sqlalchemy import text

from bench import mail
from bench.options import Options
from bench.process import Measured, run, worker_command
from bench.quiet import POLLS, polling
from bench.report import Report, console, trips
from bench.site import Site, Workplace
from tests.rig.dovecot import Mailbox
from tests.rig.grown_journal import fill
from tests.rig.postgres import Postgres
from tests.rig.proxy import Proxy
from worker.commands.wiring.shared import Parts
from worker.journal.database import Database
from worker.loop.cycle import Cycle
from worker.settings import load

FEW = 10_000
"""Messages. A tenth of fewer is handled in a batch or two, so its rate says nothing."""
OLD = 0.1
"""The share of the settled rows that `journal compact` finds old enough."""


@dataclass(frozen=True)
class Poll:
    """A poll, or the median of some. up, down: bytes; milliseconds: of the whole cycle; cpu: of its thread, in ms.

    round_trips: of several polls the fewest. On loopback an answer may come before the commands that are sent together
    are all sent, which then looks like one more.
    """

    round_trips: float
    up: float
    down: float
    milliseconds: float
    cpu: float


@dataclass(frozen=True)
class Drained:
    """A drain. first, last: messages a second in its first and last tenth. per_message: bytes of the journal."""

    messages: int
    measured: Measured
    first: float
    last: float
    idle: Poll
    new: Poll
    commands: dict[str, Measured]
    per_message: float


@dataclass(frozen=True)
class Grown:
    """A worker whose journal has so many settled rows. start: `once` with nothing to do. commands: the others."""

    rows: int
    idle: Poll
    new: Poll
    start: Measured
    commands: dict[str, Measured]
    per_message: float


def drained(site: Site, count: int, *, handled: str) -> Drained:
    """Drain a mailbox of so many small messages, and then look at what a poll and each command cost."""
    name = f"growth {count}"
    if not site.has(name):
        generator = random.Random(count)
        site.store(name, (mail.plain(generator, number, 300) for number in range(count)))
    user = site.mailbox(name)
    with site.proxy() as proxy:
        place = site.workplace(user, handler="stamp", handled=handled, port=proxy.port)
        direct = site.workplace(user, handler="stamp", handled=handled)
        measured = run(worker_command(direct.config, "once"))
        times = sorted(float(line) for line in direct.stamps.read_text().split())
        if len(times) != count:
            raise RuntimeError(f"{len(times)} of {count} messages were handled")
        (direct.root / "state").rename(place.root / "state")
        (idle,), (new,) = _alternating([user], [place], [proxy])
        commands = _commands(place)
        return Drained(
            count, measured, _rate(times[: count // 10]), _rate(times[-(count // 10) :]), idle, new, commands,
            _bytes(place) / count,
        )  # fmt: skip


def side_by_side(site: Site, rows: Sequence[int], server: Postgres | None) -> Iterator[Grown]:
    """Compare workers whose journals have so many settled rows. server: for the journals; None: SQLite."""
    with ExitStack() as open_until_then:
        users, places, proxies = [], [], []
        for count in rows:
            users.append(user := site.mailbox())
            proxies.append(proxy := open_until_then.enter_context(site.proxy()))
            url = None if server is None else server.fresh_url()
            days = count * 30 * (1 - OLD) / 86_400
            places.append(place := site.workplace(user, handler="stamp", port=proxy.port, journal=url, keep=f"{days}d"))
            with _journal(place) as database:
                fill(database, count, time.time())
        starts = [run(worker_command(place.config, "once")) for place in places]
        idle, new = _alternating(users, places, proxies)
        for number, (count, place) in enumerate(zip(rows, places, strict=True)):
            size = _bytes(place) / count
            yield Grown(count, idle[number], new[number], starts[number], _commands(place), size)


def _alternating(
    users: Sequence[Mailbox], places: Sequence[Workplace], proxies: Sequence[Proxy]
) -> tuple[list[Poll], list[Poll]]:
    """Poll by turns, so that the load of the machine is the same for all: with nothing new, and with one message."""
    with ExitStack() as stack:
        cycles = [stack.enter_context(polling(place)) for place in places]
        idle: list[list[Poll]] = [[] for _ in places]
        new: list[list[Poll]] = [[] for _ in places]
        for _ in range(POLLS):
            for number, cycle in enumerate(cycles):
                idle[number].append(_poll(cycle, proxies[number]))
            for number, cycle in enumerate(cycles):
                _deliver(users[number])
                new[number].append(_poll(cycle, proxies[number]))
                cycle()  # our own move was a change of the folder
    return [_typical(polls) for polls in idle], [_typical(polls) for polls in new]


def _poll(cycle: Cycle, proxy: Proxy) -> Poll:
    with proxy.measure() as used:
        began, cpu = time.perf_counter(), time.thread_time()
        cycle()
        seconds, cpu = time.perf_counter() - began, time.thread_time() - cpu
    if cycle.trouble:
        raise RuntimeError(f"the poll went wrong: {cycle.trouble}")
    return Poll(used.round_trips, used.bytes_up, used.bytes_down, seconds * 1e3, cpu * 1e3)


def _typical(polls: Sequence[Poll]) -> Poll:
    return Poll(
        min(poll.round_trips for poll in polls),
        median(poll.up for poll in polls),
        median(poll.down for poll in polls),
        median(poll.milliseconds for poll in polls),
        median(poll.cpu for poll in polls),
    )


def _deliver(user: Mailbox) -> None:
    generator = random.Random(time.monotonic_ns())
    with user.client() as client:
        client.append("INBOX", mail.plain(generator, generator.randrange(10**9), 300))


def _commands(place: Workplace) -> dict[str, Measured]:
    """Run each command that looks at the whole journal; `compact` twice, as a row goes only after two walks."""
    asked = {
        "status": ("status", "--json"),
        "reconcile": ("reconcile", "--json"),
        "compact": ("journal", "compact"),
        "compact again": ("journal", "compact"),
    }
    return {name: run(worker_command(place.config, *words), accept=(0, 1)) for name, words in asked.items()}


def _rate(times: Sequence[float]) -> float:
    return len(times) / max(times[-1] - times[0], 1e-6)


def _bytes(place: Workplace) -> float:
    with _journal(place) as database:
        return _size(database)


def _size(database: Database) -> float:
    if not database.is_sqlite:
        with database.read() as connection:
            return float(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    with database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return float(pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())


@contextmanager
def _journal(place: Workplace) -> Iterator[Database]:
    with closing(Parts(load(place.config, {}))) as parts:
        parts.open_journal()
        yield parts.journal.database


def measure(site: Site, report: Report, options: Options) -> None:
    """Measure k: what becomes of all this as mailbox and journal grow."""
    with console.status("growth"):
        _measure(site, options.sizes, options.rows, report)


def _measure(site: Site, sizes: Sequence[int], rows: Sequence[int], report: Report) -> None:
    for handled in ("Processed", "keep"):
        found = [drained(site, count, handled=handled) for count in sizes]
        report.raw[f"growth, handled = {handled}"] = [asdict(one) for one in found]
        for one in found:
            _say_drain(report, one, found[0], handled)
    with Postgres() as server:
        for name, where in (("SQLite", None), ("PostgreSQL", server)):
            grown = list(side_by_side(site, rows, where))
            report.raw[f"growth, {name}"] = [asdict(one) for one in grown]
            for journal in grown:
                _say_journal(report, journal, grown[0], name)


def _say_drain(report: Report, one: Drained, least: Drained, handled: str) -> None:
    name = f"k  {one.messages:,} messages" + (", handled mail stays" if handled == "keep" else "")
    share, has_target = one.last / one.first, one.messages >= FEW
    used = one.measured
    report.say(
        name,
        f"{one.messages / used.wall:.0f} messages/s; first tenth {one.first:.0f}/s, last {one.last:.0f}/s = "
        f"{share:.2f}; "
        f"{used.cpu / one.messages * 1e3:.2f} ms of CPU each; {used.memory / 1e6:.0f} MB; "
        f"{one.per_message:.0f} bytes of journal each",
        "last ≥ 0.9 × first" if has_target else "",
        met=share >= 0.9 if has_target else None,
    )
    same = (one.idle.round_trips, one.idle.up + one.idle.down) == (
        least.idle.round_trips,
        least.idle.up + least.idle.down,
    )
    report.say("   a poll with nothing new", _shown(one.idle), "round trips and bytes of the smallest", met=same)
    report.say("   a poll with one new message", _shown(one.new))
    report.say("   commands", _shown_commands(one.commands))


def _say_journal(report: Report, one: Grown, least: Grown, name: str) -> None:
    label = f"k  {one.rows:,} settled rows, {name}"
    report.say(
        label, f"{one.per_message:.0f} bytes each; start {one.start.wall:.2f} s, {one.start.memory / 1e6:.0f} MB"
    )
    report.say("   a poll with nothing new", _shown(one.idle))
    ratio = one.new.milliseconds / least.new.milliseconds
    figure = f"{_shown(one.new)} = {ratio:.2f} × that of {least.rows:,} rows"
    report.say("   a poll with one new message", figure, "≤ 1.5 ×", met=ratio <= 1.5)
    report.say("   commands", _shown_commands(one.commands))


def _shown(poll: Poll) -> str:
    return (
        f"{trips(poll.round_trips)}, {poll.up + poll.down:.0f} bytes, {poll.milliseconds:.1f} ms "
        f"({poll.cpu:.1f} ms of CPU)"
    )


def _shown_commands(commands: dict[str, Measured]) -> str:
    return "; ".join(f"{name} {one.wall:.2f} s, {one.memory / 1e6:.0f} MB" for name, one in commands.items())
