"""What the worker's processes may take together, against limits of every kind."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.commands.memory import MAIN_PROCESS, demand_of, memory_finding, memory_limit
from worker.handling.isolate.child import MARGIN
from worker.settings import HandlerSettings, Settings

GIB = 1 << 30
SHIPPED = 3 * GIB


def settings(threads: int = 4, **handlers: dict[str, Any]) -> Settings:
    return Settings.model_validate(
        {
            "account": {"address": "pathology.results@nhs.net", "password": "Bright-Harbour-92"},
            "work": {"threads": threads},
            "route": [{"name": "all", "handlers": ["archive"]}],
            "handler": handlers,
        }
    )


def groups(root: Path, lines: str, **files: str) -> Path:
    """A file system with these control groups. files: by path below /sys/fs/cgroup, with `__` for the slash."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(lines)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("lines", "files", "limit"),
    [
        ("0::/\n", {"memory_DOT_max": "1073741824"}, GIB),
        ("0::/\n", {"memory_DOT_max": "max"}, None),
        ("0::/\n", {}, None),
        ("0::/system.slice/w.service\n", {"system.slice__w.service__memory_DOT_max": "1000000000"}, 1_000_000_000),
        (
            "0::/a/b\n",
            {"a__b__memory_DOT_max": "max", "a__memory_DOT_max": "2000000000", "memory_DOT_max": "max"},
            2_000_000_000,
        ),
        ("0::/a/b\n", {"a__b__memory_DOT_max": "3000000000", "a__memory_DOT_max": "2000000000"}, 2_000_000_000),
        ("0::/../pod/x\n", {"memory_DOT_max": "1073741824"}, GIB),  # a path from outside the container
        ("5:memory:/docker/abc\n", {"memory__memory_DOT_limit_in_bytes": "1073741824"}, GIB),
        ("5:cpu,memory:/x\n0::/\n", {"memory__x__memory_DOT_limit_in_bytes": "1073741824"}, GIB),
        ("5:memory:/\n", {"memory__memory_DOT_limit_in_bytes": "9223372036854771712"}, None),
        ("5:cpu:/\n", {"memory__memory_DOT_limit_in_bytes": "1073741824"}, None),
        ("garbage\n", {"memory_DOT_max": "garbage"}, None),
    ],
)
def test_the_limit_is_found_where_there_is_one(
    tmp_path: Path, lines: str, files: dict[str, str], limit: int | None
) -> None:
    assert memory_limit(groups(tmp_path, lines, **files)) == limit


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) is None


def test_what_is_shipped_fits_together() -> None:
    """The limits of the examples hold the worker, one isolated handler as it comes, and a /tmp of 256 MB in memory."""
    deploy = Path(__file__).parents[3]
    assert "mem_limit: 3g" in (deploy / "compose.yaml").read_text()
    assert "limits: {memory: 3Gi}" in (deploy / "deploy/kubernetes/worker.yaml").read_text()
    assert "MemoryMax=3G" in (deploy / "deploy/systemd/nhsmail-worker.service").read_text()
    assert demand_of(settings(pdf={"isolate": True})).total + (256 << 20) <= SHIPPED
    assert memory_finding(settings(pdf={"isolate": True}), SHIPPED) is None
    assert memory_finding(settings(), GIB) is None


def test_too_much_is_named_with_what_to_do() -> None:
    found = memory_finding(settings(pdf={"isolate": True, "memory": "2GB"}, archive={}), GIB)
    assert found == (
        "Memory: in total the worker's processes may take 9,312 MB (512 MB for the worker itself, 4 × 2,200 MB for "
        "the isolated handler 'pdf'), and this container's limit is 1,074 MB. The system may then kill one of them "
        "in the middle of a message. Raise the container's limit, or lower `memory` or `concurrency` of the "
        "isolated handlers."
    )
    assert memory_finding(settings(), 256 << 20) is not None


@given(
    threads=st.integers(1, 16),
    tables=st.lists(
        st.tuples(st.booleans(), st.integers(1, 4_000_000_000), st.none() | st.integers(1, 32)), max_size=5
    ),
    limit=st.none() | st.integers(1, 1 << 36),
)
def test_each_process_counts_once_and_only_isolated_ones(
    threads: int, tables: list[tuple[bool, int, int | None]], limit: int | None
) -> None:
    handlers = {
        f"h{number}": {"isolate": isolate, "memory": f"{memory}B", "concurrency": concurrency}
        for number, (isolate, memory, concurrency) in enumerate(tables)
    }
    given_ = settings(threads, **handlers)
    needed = MAIN_PROCESS
    for isolate, memory, concurrency in tables:
        for process in range(threads):
            if isolate and (concurrency is None or process < concurrency):
                needed += memory + MARGIN
    assert demand_of(given_).total == needed
    assert (memory_finding(given_, limit) is not None) == (limit is not None and needed > limit)


def test_the_default_memory_is_that_of_the_examples() -> None:
    assert HandlerSettings().memory == 400_000_000
