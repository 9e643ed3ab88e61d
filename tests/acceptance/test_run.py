"""`run` and its signals: quick when idle, orderly when busy, also as process 1."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.forks import Forks
from tests.rig.letters import letters
from tests.rig.proxy import Proxy
from tests.rig.worker import COMMAND, Worker, eventually

MakeWorker = Callable[..., Worker]
SIGNALS = [signal.SIGTERM, signal.SIGINT]
STOPPING = '"worker.stopping"'
AT_ONCE = 15
"""Seconds, on a busy machine: less than the waits that would otherwise come (grace period, next poll, next login)."""


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks")) as forks:
        yield forks


def idling(proxy: Proxy) -> bool:
    return proxy.commands[-1:] == ["IDLE"]


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Whether a process hasn't been interrupted by the signal yet: on a busy machine that takes a while."""
    status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["ShdPnd"], 16) & 1 << (number - 1))


@pytest.mark.parametrize("number", [SIGNALS[0], pytest.param(SIGNALS[1], marks=pytest.mark.slow)])
def test_idle_it_stops_at_once(proxy: Proxy, make_worker: MakeWorker, number: signal.Signals) -> None:
    process = make_worker(proxy).process("run")
    eventually(lambda: idling(proxy))

    process.send_signal(number)

    assert process.wait(AT_ONCE) == 0
    eventually(lambda: proxy.commands[-1] == "LOGOUT" or proxy.open_connections == 0)  # nobody waits for its arrival


@pytest.mark.parametrize("number", [SIGNALS[0], pytest.param(SIGNALS[1], marks=pytest.mark.slow)])
@pytest.mark.parametrize("command", ["run", "once"])
def test_busy_it_finishes_what_is_in_hand_and_leaves_the_rest(
    dovecot: Mailbox, make_worker: MakeWorker, forks: Forks, number: signal.Signals, command: str
) -> None:
    dovecot.append_many("INBOX", letters(20))
    worker = make_worker(settings={"work": {"threads": 2, "grace": "20s"}})
    worker.hold.touch()
    pid = forks.start(command, "--config", str(worker.config))
    eventually(lambda: worker.begun() == 2)

    said = forks.log.count(STOPPING)
    os.kill(pid, number)
    eventually(lambda: forks.log.count(STOPPING) > said if command == "run" else not is_pending(pid, number))
    time.sleep(0.3 if command == "run" else 1)  # `once` says nothing of it, and handles it in its own time
    worker.hold.unlink()

    assert forks.wait(pid) == (0 if command == "run" else 75)
    assert len(worker.handed()) == 2
    assert (len(dovecot.stored("Processed")), len(dovecot.stored("INBOX"))) == (2, 18)
    assert worker.rows(
        "select count(*) from message where in_hand is not null or (state = 'pending' and tries > 0)"
    ) == [(0,)]
    assert worker.once() == 0
    assert sorted(call.number for call in worker.handed()) == list(range(1, 21))
    assert worker.reconcile()["handled"] == 20


@pytest.mark.parametrize("command", ["run", "once"])
def test_what_takes_longer_than_the_grace_period_stays_in_the_mailbox(
    dovecot: Mailbox, make_worker: MakeWorker, forks: Forks, command: str
) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker(settings={"work": {"threads": 2, "grace": "500ms"}})
    worker.hold.touch()
    pid = forks.start(command, "--config", str(worker.config))
    eventually(lambda: worker.begun() == 2)

    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)

    assert forks.wait(pid) == (0 if command == "run" else 75)
    assert 0.5 <= time.monotonic() - began < AT_ONCE
    assert len(dovecot.stored("INBOX")) == 3
    worker.hold.unlink()
    assert worker.once() == 0
    assert sorted(call.number for call in worker.handed()) == [1, 2, 3]
    assert worker.reconcile()["handled"] == 3


def test_while_the_login_waits_it_stops_at_once(dovecot: Mailbox, make_worker: MakeWorker, forks: Forks) -> None:
    worker = make_worker()
    (worker.folder / "password").write_text("Broken-Lantern-47")
    pid = forks.start("run", "--config", str(worker.config))
    eventually(lambda: dovecot.history == ["fail"])
    time.sleep(0.3)

    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)

    assert forks.wait(pid) == 0
    assert time.monotonic() - began < AT_ONCE


def test_started_again_and_again_it_spends_no_second_attempt(
    dovecot: Mailbox, make_worker: MakeWorker, forks: Forks
) -> None:
    worker = make_worker()
    (worker.folder / "password").write_text("Broken-Lantern-47")

    for _ in range(5):
        pid = forks.start("run", "--config", str(worker.config))
        eventually(lambda: dovecot.history == ["fail"])
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        forks.wait(pid)

    assert dovecot.history == ["fail"]


# -- as process 1, as in a container without an init


def as_process_one(worker: Worker, command: str) -> "tuple[subprocess.Popen[bytes], int]":
    """Start a command in a process namespace of its own, and give its id as seen from here."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "unshare is missing: it is part of util-linux"
    rootless = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    with (worker.folder / "process.log").open("ab") as log:
        process = subprocess.Popen(
            [unshare, *rootless, "--fork", "--pid", "--mount-proc", COMMAND, command, "--config", str(worker.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=worker.environment(),
            cwd=worker.folder,
        )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    eventually(lambda: children.read_text().split())
    return process, int(children.read_text().split()[0])


@pytest.mark.slow
def test_as_process_one_it_stops_at_once_when_idle(proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy)
    process, inner = as_process_one(worker, "run")
    eventually(lambda: idling(proxy))
    assert Path(f"/proc/{inner}/status").read_text().split("NSpid:")[1].split("\n")[0].split()[-1] == "1"

    os.kill(inner, signal.SIGTERM)

    assert process.wait(AT_ONCE) == 0, worker.process_log


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "once"])
def test_as_process_one_it_finishes_what_is_in_hand(dovecot: Mailbox, make_worker: MakeWorker, command: str) -> None:
    dovecot.append_many("INBOX", letters(6))
    worker = make_worker(settings={"work": {"threads": 1}})
    worker.hold.touch()
    process, inner = as_process_one(worker, command)
    eventually(lambda: worker.begun() == 1)

    os.kill(inner, signal.SIGTERM if command == "run" else signal.SIGINT)
    eventually(lambda: STOPPING in worker.process_log if command == "run" else not is_pending(inner, signal.SIGINT))
    time.sleep(0.3 if command == "run" else 1)
    worker.hold.unlink()

    assert process.wait(20) == (0 if command == "run" else 75), worker.process_log
    assert len(worker.handed()) == 1
    assert len(dovecot.stored("INBOX")) == 5


@pytest.mark.slow
def test_a_program_that_a_handler_starts_can_be_told_to_end(
    dovecot: Mailbox, make_worker: MakeWorker, tmp_path: Path
) -> None:
    """Blocked and ignored signals are inherited: a program with them would outlive its time limit's SIGTERM."""
    dovecot.append_many("INBOX", letters(1))
    said = tmp_path / "said"
    program = ["sh", "-c", "cat >/dev/null; exec grep ^Sig /proc/self/status"]
    worker = make_worker(
        routes=[{"name": "all", "handlers": ["mask"]}],
        settings={"handler.mask": {"use": "command", "command": program, "output": str(said)}},
    )
    process = worker.process("run")
    eventually(lambda: len(dovecot.stored("Processed")) == 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    masks = dict(line.split(":\t") for line in said.read_text().splitlines())
    ending = sum(1 << (number - 1) for number in SIGNALS)
    assert int(masks["SigBlk"], 16) & ending == int(masks["SigIgn"], 16) & ending == 0
