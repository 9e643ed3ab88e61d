"""Mail with the headers and the size of a message that was handled, on a real server, with the whole worker."""

from collections.abc import Callable
from typing import Any

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.worker import Worker

MakeWorker = Callable[..., Worker]


def copies() -> tuple[bytes, bytes]:
    """Two letters that differ in one character of their bodies."""
    (first,) = letters(1)
    head, blank, body = first.partition(b"\r\n\r\n")
    other = head + blank + body.replace(b"e", b"a", 1)
    assert (len(first), first != other) == (len(other), True)
    return first, other


def move(dovecot: Mailbox, source: str, target: str) -> None:
    with dovecot.client() as client:
        client.select_folder(source)
        client.move(client.search(), target)


def test_a_copy_is_handled_after_the_first_was_moved_away_and_the_first_is_not_handled_again(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    first, other = copies()
    dovecot.append_many("INBOX", [first])
    worker = make_worker(routes=[{"name": "all", "handlers": ["archive"]}])
    assert worker.once() == 0
    with dovecot.client() as client:
        client.create_folder("Filed")
    move(dovecot, "Processed", "Filed")
    dovecot.append_many("INBOX", [other])
    assert worker.once() == 0
    move(dovecot, "Filed", "INBOX")
    assert worker.once() == 0

    assert sorted(worker.archived()) == sorted([first, other])
    assert sorted(dovecot.stored("Processed")) == sorted([first, other])
    assert [len(worker.events(name)) for name in ("message.other_content", "message.moved_back")] == [1, 1]
    balance: Any = worker.reconcile()
    assert (balance["handled"], balance["unaccounted"], balance["missing"]) == (2, 0, 0)


def test_a_key_that_an_archive_has_other_content_under_is_a_dead_letter(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    """The state folder was lost, with the first message moved away: the copy gets the key that the first had."""
    first, other = copies()
    dovecot.append_many("INBOX", [first])
    worker = make_worker(routes=[{"name": "all", "handlers": ["archive"]}])
    assert worker.once() == 0
    before = worker.archived()
    with dovecot.client() as client:
        client.create_folder("Filed")
    move(dovecot, "Processed", "Filed")
    for file in worker.state.glob("journal.sqlite*"):
        file.unlink()
    dovecot.append_many("INBOX", [other])
    worker.command("login", "reset", "--reason", "the state was lost")
    assert worker.command("journal", "rebuild").code == 0
    assert worker.once() == 1

    assert worker.archived() == before
    assert worker.rows("SELECT state, reason FROM message") == [("failed", "archive:key-taken")]
    assert dovecot.stored("Failed") == [other]
