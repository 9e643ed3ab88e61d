"""The whole job on each server: a dry run changes nothing, every message is handed over once, all are accounted for."""

from collections.abc import Callable

import pytest

from tests.acceptance.servers.expected import check_all_settled
from tests.rig.imap_server import Account
from tests.rig.mixed_mail import mixed
from tests.rig.worker import Worker

pytestmark = pytest.mark.slow


def test_a_dry_run_and_once_twice(account: Account, make_worker: Callable[..., Worker]) -> None:
    account.deliver("INBOX", mixed(140))
    account.deliver(account.junk, mixed(10, start=141))
    before = account.contents()
    served = [message for messages in before.values() for message in messages]
    assert len(served) == 150
    worker = make_worker()

    dry = worker.command("once", "--dry-run")
    assert dry.code == 0, dry
    assert account.contents() == before
    assert worker.handed() == []

    first = worker.command("once")
    assert first.code == 0, first
    assert "150 new" in first.err
    check_all_settled(account, worker, served)

    second = worker.command("once")
    assert (second.code, "0 new" in second.err) == (0, True), second
    check_all_settled(account, worker, served)
