"""`check` on each server: with and without a connection it finds nothing wrong, and it changes nothing."""

from collections.abc import Callable

import pytest

from tests.rig.imap_server import Account
from tests.rig.letters import letter, spam
from tests.rig.worker import Worker, eventually

pytestmark = pytest.mark.slow


def test_check_and_what_it_promises(account: Account, make_worker: Callable[..., Worker]) -> None:
    before = account.contents()
    worker = make_worker()
    logins = account.logins("ok")

    offline = worker.command("check")
    assert offline.code == 0, offline
    assert account.logins("ok") == logins

    connected = worker.command("check", "--connect")
    assert connected.code == 0, connected
    assert f"Junk is '{account.junk}'" in connected.out
    for folder in ("Processed", "Failed"):
        assert account.name(folder) in connected.out  # by the name that it will have
    eventually(lambda: account.logins("ok") == logins + 1)
    assert account.contents() == before

    account.deliver("INBOX", [letter(1), spam(2)])
    assert worker.once() == 0
    assert len(account.contents()[account.name("Processed")]) == 1


def test_names_of_folders_written_out_in_full(account: Account, make_worker: Callable[..., Worker]) -> None:
    """A person may have copied the names from a mail program, which shows those of the server."""
    account.deliver("INBOX", [letter(1), spam(2)])
    settle = {"handled": account.name("Done"), "failed": account.name("Not done")}
    worker = make_worker(junk={"handlers": ["ledger"], "folder": account.junk}, settle=settle)

    connected = worker.command("check", "--connect")
    assert connected.code == 0, connected
    assert worker.once() == 0

    contents = account.contents()
    assert {name: len(messages) for name, messages in contents.items() if messages} == {
        account.name("Done"): 1,
        account.junk: 1,
    }
