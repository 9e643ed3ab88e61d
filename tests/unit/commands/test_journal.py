"""`journal rebuild` beside a running worker: it refuses, and leaves everything as it is."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.commands import journal as commands
from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.journal.lease import Lease
from worker.journal.store import FILE, Journal

ADDRESS = "pathology.results@nhs.net"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def context(tmp_path: Path, state: Path) -> Iterator[Context]:
    config = tmp_path / "worker.toml"
    config.write_text(
        f"""
[account]
address = "{ADDRESS}"
host = "127.0.0.1"
port = 9

[state]
dir = "{state}"
ephemeral = true

[[route]]
name = "all"
handlers = ["archive"]

[handler.archive]
url = "file://{tmp_path}/archive"
"""
    )
    with Context.from_files(config, {"NHSMAIL_ACCOUNT__PASSWORD": "Bright-Harbour-92"}) as context:
        yield context


@pytest.fixture
def running(state: Path) -> Iterator[Journal]:
    """The journal of a worker that has just begun."""
    journal = Journal(state, None, time.time)
    journal.open(ADDRESS)
    lease = Lease(journal.database, state, "worker", clock=time.time, monotonic=time.monotonic)
    assert lease.acquire()
    yield journal
    lease.release()
    journal.close()


def refused(context: Context) -> None:
    with pytest.raises(Failure) as failure:
        commands.rebuild(context, None)
    assert failure.value.code is ExitCode.NOT_NOW


def test_a_worker_that_has_just_begun_is_not_paused(context: Context, running: Journal) -> None:
    refused(context)
    assert running.facts.paused() is None


def test_a_damaged_journal_stays_in_its_place_while_a_worker_has_it_open(
    context: Context, running: Journal, state: Path
) -> None:
    running.close()
    for left in state.glob(f"{FILE}-*"):
        left.unlink()
    damaged = random.Random(15).randbytes(20_000)
    (state / FILE).write_bytes(damaged)
    refused(context)
    assert (state / FILE).read_bytes() == damaged
    assert [path.name for path in state.glob(f"{FILE}*")] == [FILE]
