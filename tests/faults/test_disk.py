"""A full disk: nothing is done that couldn't be recorded, and it goes on by itself when there is space again."""

import contextlib
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.worker import COMMAND, Worker, eventually

MakeWorker = Callable[..., Worker]
ROUTES = [{"name": "all", "handlers": ["archive", "ledger"], "waits": ["100ms"]}]


@contextlib.contextmanager
def running(worker: Worker) -> Iterator["subprocess.Popen[str]"]:
    process = worker.process("run")
    try:
        yield process
    finally:
        limit(process, None)
        process.terminate()
        code = process.wait(30)
    assert code == 0, worker.process_log[-2000:]


def limit(process: "subprocess.Popen[str]", size: int | None) -> None:
    """Let no file of the process grow beyond this size: what it writes there fails, as on a full disk."""
    hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def rows(worker: Worker) -> int:
    return int(worker.rows("SELECT count(*) FROM message")[0][0])


@pytest.mark.slow
def test_on_a_full_disk_nothing_is_handed_over_or_moved(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker(routes=ROUTES, settings={"poll": {"every": "0.5s"}})
    with running(worker) as process:
        eventually(lambda: len(dovecot.stored("Processed")) == 2)
        limit(process, 0)
        time.sleep(1)  # what was under way when the disk became full
        logins, begun, known = len(dovecot.history), worker.begun(), rows(worker)
        dovecot.append_many("INBOX", letters(3, start=10))
        time.sleep(4)
        assert (len(dovecot.history), worker.begun(), rows(worker)) == (logins, begun, known)
        assert len(dovecot.stored("INBOX")) == 3
        assert process.poll() is None
        limit(process, None)
        eventually(lambda: len(dovecot.stored("Processed")) == 5)
    assert Counter(worker.archived()) == Counter([*letters(2), *letters(3, start=10)])
    assert worker.reconcile()["handled"] == 5


@pytest.mark.slow
def test_what_was_in_hand_when_the_disk_became_full_stays_where_it_is(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(4))
    worker = make_worker(routes=ROUTES, settings={"poll": {"every": "0.5s"}, "work": {"threads": 4}})
    worker.hold.touch()
    with running(worker) as process:
        eventually(lambda: worker.begun() == 4)
        limit(process, 0)
        worker.hold.unlink()
        time.sleep(4)
        assert dovecot.stored("Processed") == []
        assert len(dovecot.stored("INBOX")) == 4
        limit(process, None)
        eventually(lambda: len(dovecot.stored("Processed")) == 4)
    assert Counter(worker.archived()) == Counter(letters(4))
    assert worker.reconcile()["handled"] == 4


@pytest.mark.parametrize("size", [0, 4096])
def test_with_a_full_disk_at_the_start_no_login_is_made(dovecot: Mailbox, make_worker: MakeWorker, size: int) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(routes=ROUTES)
    command: list[str | Path] = ["prlimit", f"--fsize={size}:", COMMAND, "once", "--config", str(worker.config)]
    ended = subprocess.run(command, capture_output=True, env=worker.environment(), check=False, timeout=60)
    assert ended.returncode == 78, ended
    assert dovecot.history == []
    assert worker.once() == 0
    assert len(worker.archived()) == 1
