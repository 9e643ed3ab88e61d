"""The worker is killed, or the server goes away, in mid-run: nothing is lost, and little is done twice."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.servers.expected import check_all_settled
from tests.rig.forks import Forks
from tests.rig.imap_server import Account
from tests.rig.mixed_mail import mixed
from tests.rig.worker import Worker, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE = 100.0
"""Seconds. A worker that was killed while it read new mail reads the headers one at a time, which may take some."""
UNHURRIED = {"poll": {"every": "1s", "reconnect": ["0.1s"], "batch_count": 20}, "work": {"threads": 2}}


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks")) as forks:
        yield forks


def served_by(account: Account) -> list[bytes]:
    account.deliver("INBOX", mixed(150))
    served = account.contents()["INBOX"]
    assert len(served) == 150
    return served


def test_the_worker_is_killed_twice_and_started_again(
    account: Account, make_worker: Callable[..., Worker], forks: Forks
) -> None:
    served = served_by(account)
    worker = make_worker(**UNHURRIED)

    for handed in (30, 90):
        pid = forks.start("run", "--config", str(worker.config))
        eventually(lambda: len(worker.handed()) >= handed, PATIENCE)  # noqa: B023 -- called at once
        os.kill(pid, signal.SIGKILL)
        assert forks.wait(pid) == -signal.SIGKILL
    last = worker.command("once")

    assert last.code == 0, last
    check_all_settled(account, worker, served, at_most=3)


def test_the_server_goes_away_twice_and_comes_back(account: Account, make_worker: Callable[..., Worker]) -> None:
    served = served_by(account)
    worker = make_worker(**UNHURRIED)

    with worker.running() as running:
        for handed, abruptly in ((30, True), (90, False)):
            eventually(lambda: len(worker.handed()) >= handed, PATIENCE)  # noqa: B023 -- called at once
            before = len(worker.events("connection.lost"))
            account.server.stop(abruptly=abruptly)
            eventually(lambda: len(worker.events("connection.lost")) > before, PATIENCE)  # noqa: B023 -- called at once
            account.server.start()
        eventually(
            lambda: worker.status()["messages"]["handled"] + worker.status()["messages"]["junk"] == 150, PATIENCE
        )
        assert running.alive

    check_all_settled(account, worker, served)
    lost = {line["error"]["class"] for line in worker.events("connection.lost")}
    assert "TlsRefused" not in lost  # nothing is wrong with the certificate
    assert account.logins("fail") == 0
