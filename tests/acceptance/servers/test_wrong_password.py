"""A wrong password on each server: the guard counts as many attempts as the server, and stops in time."""

from collections.abc import Callable

import pytest

from tests.rig.imap_server import Account
from tests.rig.letters import letters
from tests.rig.worker import Worker, eventually

pytestmark = pytest.mark.slow

WRONG = "Grey-Harbour-17"
ALLOWED = 2
"""Attempts with one password. A refusal takes Courier five seconds."""


def test_the_guard_and_the_server_count_the_same(account: Account, make_worker: Callable[..., Worker]) -> None:
    account.deliver("INBOX", letters(3))
    worker = make_worker(lockout={"waits": ["1ms"], "jitter": 0.0, "per_credential": ALLOWED})
    (worker.folder / "password").write_text(WRONG)
    logins = account.logins("ok")

    for attempt in range(1, ALLOWED + 1):
        assert worker.once() in {75, 77}
        eventually(lambda: account.logins("fail") == attempt)  # noqa: B023 -- called at once
        assert worker.status()["login"]["failures"] == attempt

    halted = worker.command("once")
    assert halted.code == 77, halted
    assert worker.status()["login"]["state"] == "halted"
    assert (account.logins("fail"), account.logins("ok")) == (ALLOWED, logins)

    (worker.folder / "password").write_text(account.password)
    right = worker.command("once")
    assert right.code == 0, right
    assert worker.status()["login"]["failures"] == 0
    assert len(worker.handed()) == 3
    eventually(lambda: account.logins("ok") == logins + 1)
    assert account.logins("fail") == ALLOWED
