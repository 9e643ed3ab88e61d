"""What the processes of one worker may take together, against the limit of the container that they run in."""

import ctypes
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from worker.settings import Settings

MAIN_PROCESS = 512_000_000
"""Bytes that the main process takes at most, whatever lies in the mailbox; as docs/containers.md states it."""
_NO_LIMIT = 1 << 60
"""Larger limits mean that there is none: version 1 says so with the largest number of pages."""
_V2 = "memory.max"
_V1 = "memory.limit_in_bytes"


_M_MMAP_THRESHOLD = -3
_LARGE = 1_000_000


def give_back_large_blocks() -> None:
    """Have the C library return each large block to the system as soon as it is freed.

    By default glibc raises the size above which it does so with each larger block that is freed; from then on it keeps
    blocks of up to 32 MB, for every thread. That made the peak a third higher. Other C libraries don't.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


@dataclass(frozen=True, slots=True)
class Demand:
    """The memory that a worker may need at most, in bytes. isolated: of each isolated handler, its processes and the
    memory of each.
    """

    isolated: dict[str, tuple[int, int]]

    @property
    def total(self) -> int:
        """The sum."""
        return MAIN_PROCESS + sum(count * each for count, each in self.isolated.values())


def demand_of(settings: Settings) -> Demand:
    """The memory that a worker with these settings may need."""
    from worker.handling.isolate.child import MARGIN  # here, because only `check` asks

    threads = settings.work.threads
    return Demand(
        {
            name: (table.processes(threads), table.memory + MARGIN)
            for name, table in settings.handlers.items()
            if table.isolate
        }
    )


def memory_limit(root: Path = Path("/")) -> int | None:
    """The lowest memory limit of the control groups that this process is in, in bytes; None: none is to be seen.

    root: where `proc` and `sys` are.
    """
    limits = [limit for path in _files(root) if (limit := _read(path)) is not None]
    return min(limits, default=None)


def memory_finding(settings: Settings, limit: int | None) -> str | None:
    """What to tell the user if the limit is too low; None if it isn't, or none is known."""
    demand = demand_of(settings)
    if limit is None or demand.total <= limit:
        return None
    parts = [f"{_mb(MAIN_PROCESS)} for the worker itself"]
    parts += [
        f"{count} × {_mb(each)} for the isolated handler '{name}'" for name, (count, each) in demand.isolated.items()
    ]
    advice = "Raise the container's limit"
    if demand.isolated:
        advice += ", or lower `memory` or `concurrency` of the isolated handlers"
    return (
        f"Memory: in total the worker's processes may take {_mb(demand.total)} ({', '.join(parts)}), and this "
        f"container's limit is {_mb(limit)}. The system may then kill one of them in the middle of a message. "
        f"{advice}."
    )


def _files(root: Path) -> list[Path]:
    """The files that may hold a limit: of our own control group, and of those above it.

    In a container that sees only its own groups, the path that the kernel names isn't there, and the top is ours.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    mounted = root / "sys/fs/cgroup"
    found: list[Path] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            found += _upwards(mounted, path, _V2)
        elif "memory" in controllers.split(","):
            found += _upwards(mounted / "memory", path, _V1)
    return found


def _upwards(mounted: Path, path: str, name: str) -> list[Path]:
    steps = [step for step in path.split("/") if step not in ("", ".", "..")]
    return [mounted.joinpath(*steps[:depth], name) for depth in range(len(steps), -1, -1)]


def _read(path: Path) -> int | None:
    try:
        limit = int(path.read_text())
    except (OSError, ValueError):  # version 2 writes `max` for none
        return None
    return limit if 0 < limit < _NO_LIMIT else None


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.0f} MB"
