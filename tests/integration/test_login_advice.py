"""What a person does about a login that waits is said once, by whichever command tells of it."""

from collections.abc import Callable

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
ADVICE = "No mail of"
WRONG = "Wrong-Password-Of-Somebody-1"


@pytest.fixture
def worker(dovecot: Mailbox, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker whose first login was rejected."""
    made = make_worker()
    made.configure(account={"password_file": None})
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", WRONG)
    assert made.once() == 75
    assert dovecot.attempts == 1
    return made


@pytest.mark.parametrize("command", ["once", "junk list", "login status"])
def test_a_command_says_it_once(dovecot: Mailbox, worker: Worker, command: str) -> None:
    answer = worker.installed(*command.split(), NHSMAIL_ACCOUNT__PASSWORD=WRONG)
    assert (answer.out + answer.err).count(ADVICE) == 1
    assert dovecot.attempts == 1


def test_a_worker_that_runs_says_it_once(worker: Worker) -> None:
    with worker.running():
        eventually(lambda: worker.events("worker.not_ready"))
    told = [line for name in ("login.cooling", "worker.not_ready") for line in worker.events(name)]
    assert [ADVICE in line.get("advice", "") for line in told] == [False, True, False]  # `once` prints it
    assert "`nhsmail-worker login status`" in told[-1]["advice"]
