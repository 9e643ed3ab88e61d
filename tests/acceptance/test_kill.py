"""Killed at any moment, then started again: every message handled, none lost, each in the archive once."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.forks import Forks
from tests.rig.letters import letter, letters, spam
from tests.rig.proxy import Call, Proxy, When
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]

POINTS: list[tuple[str, When]] = [
    ("^LOGIN", "answered"),
    ("^CREATE", "sent"),
    ("^UID SEARCH", "answered"),
    ("^UID FETCH .*HEADER", "answered"),
    (r"^UID FETCH .*BODY\.PEEK\[\]", "before"),
    (r"^UID FETCH .*BODY\.PEEK\[\]", "literal"),
    (r"^UID FETCH .*BODY\.PEEK\[\]", "answered"),
    ("^UID MOVE", "before"),
    ("^UID MOVE", "sent"),
    ("^UID MOVE", "answered"),
]
SETTINGS = {
    "poll": {"batch_count": 10, "idle": False},
    "limits": {"deaths": 1000},  # chance may kill it often with the same message alone in hand
    "lockout": {"waits": ["1ms"], "threshold": 50, "per_credential": 40},  # and before the login's answer
    "junk": {"handlers": ["archive"]},
}
ROUTES = [{"name": "all", "handlers": ["ledger", "archive"]}]


@pytest.fixture
def dovecot(elsewhere: Mailbox) -> Mailbox:
    """These tests lose more logins in a row than the guard allows for an account of NHSmail."""
    return elsewhere


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks")) as forks:
        yield forks


def once(forks: Forks, worker: Worker) -> int:
    return forks.start("once", "--config", str(worker.config))


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it was quicker
        os.kill(pid, signal.SIGKILL)


def check_all_in_the_archive_once(mailbox: Mailbox, worker: Worker, sent: list[bytes]) -> None:
    assert sorted(worker.archived()) == sorted(sent)
    assert mailbox.stored("INBOX") == []
    account = worker.reconcile()
    assert (account["seen"], account["pending"], account["failed"], account["gone"]) == (len(sent), 0, 0, 0)
    assert (account["unaccounted"], account["missing"]) == (0, 0)
    assert account["handled"] + account["junk"] == len(sent)
    places = mailbox.stored("Processed") + mailbox.stored("Junk Email")
    assert sorted(places) == sorted(sent)


def kill_at_random(mailbox: Mailbox, proxy: Proxy, worker: Worker, forks: Forks, seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    sent: list[bytes] = []
    for _ in range(rounds):
        some = [spam(n) if n % 5 == 0 else letter(n) for n in range(len(sent) + 1, len(sent) + 13)]
        mailbox.append_many("INBOX", some)
        sent += some
        pid = once(forks, worker)
        if chance.random() < 0.5:
            pattern, when = chance.choice(POINTS)
            proxy.on(pattern, Call(partial(kill, pid)), when=when, skip=chance.randint(0, 2))
            wait_for_its_end(pid, 3)
        else:
            time.sleep(chance.uniform(0.1, 0.9))
        kill(pid)
        assert forks.wait(pid) in {0, -signal.SIGKILL}
        proxy.clear()

    assert forks.wait(once(forks, worker)) == 0
    check_all_in_the_archive_once(mailbox, worker, sent)


def wait_for_its_end(pid: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    with suppress(FileNotFoundError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            if time.monotonic() > until:
                return
            time.sleep(0.01)


@pytest.mark.slow
def test_killed_at_random_moments(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, forks: Forks) -> None:
    kill_at_random(dovecot, proxy, make_worker(proxy, routes=ROUTES, settings=SETTINGS), forks, seed=1, rounds=8)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 5))
@pytest.mark.parametrize("without", [(), ("MOVE",)], ids=["MOVE", "COPY"])
def test_killed_at_random_moments_for_long(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, forks: Forks, seed: int, without: tuple[str, ...]
) -> None:
    proxy.without(*without)
    kill_at_random(dovecot, proxy, make_worker(proxy, routes=ROUTES, settings=SETTINGS), forks, seed, rounds=30)


@pytest.mark.parametrize(
    ("pattern", "when"),
    [("^UID STORE", "before"), ("^UID STORE", "answered"), ("^UID EXPUNGE", "before"), ("^UID EXPUNGE", "answered")],
)
def test_killed_between_copy_and_expunge_leaves_no_second_copy(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, forks: Forks, pattern: str, when: When
) -> None:
    sent = letters(6)
    dovecot.append_many("INBOX", sent)
    proxy.without("MOVE")
    worker = make_worker(proxy, routes=ROUTES, settings=SETTINGS)

    pids: list[int] = []
    rule = proxy.on(pattern, Call(lambda: kill(pids[0])), when=when)
    pids.append(once(forks, worker))
    assert forks.wait(pids[0]) == -signal.SIGKILL
    assert rule.hits == 1

    assert forks.wait(once(forks, worker)) == 0
    check_all_in_the_archive_once(dovecot, worker, sent)
    assert len(worker.handed()) == 6


def test_killed_with_mail_in_hand_it_is_tried_again_one_at_a_time(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, forks: Forks
) -> None:
    sent = letters(5)
    dovecot.append_many("INBOX", sent)
    worker = make_worker(proxy, routes=ROUTES, settings=SETTINGS)
    worker.hold.touch()
    pid = once(forks, worker)
    eventually(lambda: worker.begun() == 4)
    kill(pid)
    forks.wait(pid)
    worker.hold.unlink()

    with proxy.measure() as used:
        assert forks.wait(once(forks, worker)) == 0

    fetched = [command for command in used.commands if "BODY.PEEK[]" in command]
    assert len(fetched) == 5
    check_all_in_the_archive_once(dovecot, worker, sent)
