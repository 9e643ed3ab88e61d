"""`run` on each server: IDLE brings new mail at once, while a person reads and flags the same mail."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.servers.expected import check_all_settled
from tests.rig.imap_server import Account
from tests.rig.mixed_mail import mixed
from tests.rig.worker import Worker, eventually

pytestmark = pytest.mark.slow

SOON = 20.0
"""Seconds, on a busy machine. Without IDLE the next poll would be in ten minutes."""


@contextmanager
def person_reads(account: Account) -> Iterator[None]:
    """Meanwhile, somebody marks all mail in INBOX as read and flagged, and takes both away again, without a pause."""
    ended = threading.Event()

    def read() -> None:
        with account.client() as client:
            client.select_folder("INBOX")
            while not ended.wait(0.02):
                if uids := client.search():
                    client.add_flags(uids, [b"\\Seen", b"\\Flagged"], silent=True)
                    client.remove_flags(uids, [b"\\Seen", b"\\Flagged"], silent=True)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        ended.set()
        reader.join()


def test_new_mail_is_handled_soon_while_a_person_reads_it(account: Account, make_worker: Callable[..., Worker]) -> None:
    worker = make_worker(poll={"every": "10m", "reconnect": ["0.1s"]})
    messages = mixed(150)

    with worker.running():
        eventually(lambda: worker.status()["last_poll"]["ok"], what="the first poll")
        delivered = 0
        for some in (1, 50, 99):
            began = time.monotonic()
            with person_reads(account):
                account.deliver("INBOX", messages[delivered : delivered + some])
                delivered += some
                eventually(lambda: len(worker.handed()) >= delivered, SOON)  # noqa: B023 -- called at once
                eventually(lambda: worker.status()["messages"]["pending"] == 0, SOON)
            assert time.monotonic() - began < 2 * SOON

    assert len(worker.events("login.attempt")) == 1
    served = [message for found in account.contents().values() for message in found]
    assert len(served) == 150
    check_all_settled(account, worker, served)
