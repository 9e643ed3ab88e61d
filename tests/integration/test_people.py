"""People read, flag, move and delete mail while the worker is at it: nothing lost, nothing handed over twice."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, letters
from tests.rig.proxy import Call, Proxy
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]


@contextmanager
def the_worker_may_be_quicker() -> Iterator[None]:
    try:
        yield
    except IMAPClientError as error:
        if "EXPUNGEISSUED" not in str(error):
            raise


def touch(person: IMAPClient, how: str, uids: list[int]) -> None:
    match how:
        case "read":
            person.fetch(uids, ["BODY[]"])
        case "flag":
            person.add_flags(uids, [rb"\Flagged", rb"\Answered"])
        case "unread":
            person.remove_flags(uids, [rb"\Seen"])
        case "move":
            person.move(uids[:1], "Mine")
        case "delete":
            person.copy(uids[:1], "Mine")  # only so that the test can tell which it was
            person.delete_messages(uids[:1])
            person.uid_expunge(uids[:1])


@contextmanager
def busy_person(mailbox: Mailbox, seed: int, hold: Path | None = None) -> Iterator[set[int]]:
    """Somebody at work in INBOX for as long as the block lasts; gives the numbers of what they took away.

    hold: a file that they remove once they have taken something.
    """
    chance, ended = random.Random(seed), threading.Event()
    taken: set[int] = set()
    faults: list[Exception] = []

    def work() -> None:
        with mailbox.client() as person:
            person.create_folder("Mine")
            while not ended.wait(0.01):
                person.select_folder("INBOX")
                uids = person.search()
                if not uids:
                    continue
                some = chance.sample(uids, min(len(uids), 3))
                with the_worker_may_be_quicker():
                    touch(person, chance.choice(["read", "flag", "unread", "move", "delete"]), some)
                if hold is not None and mailbox.stored("Mine"):
                    hold.unlink(missing_ok=True)

    def guarded() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test is to see it
            faults.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        ended.set()
        thread.join(20)
    assert not faults, faults
    taken.update(numbers_in(mailbox, "Mine"))


def numbers_in(mailbox: Mailbox, folder: str) -> list[int]:
    return [int(raw.partition(b"X-Number: ")[2].split()[0]) for raw in mailbox.stored(folder)]


def check_nothing_lost(mailbox: Mailbox, worker: Worker, taken: set[int], count: int) -> None:
    """Each was handed over once, or was taken away before; what was taken while it was in hand may be both."""
    calls = Counter(call.number for call in worker.handed())
    handed, processed = set(calls), numbers_in(mailbox, "Processed")
    assert set(calls.values()) <= {1}
    assert len(set(processed)) == len(processed)
    assert handed | taken == set(range(1, count + 1))
    assert handed - taken <= set(processed) <= handed
    account = worker.reconcile()
    assert account["unaccounted"] == 0
    assert account["handled"] == len(handed)
    assert account["seen"] == account["handled"] + account["gone"]
    assert account["gone"] <= len(taken - handed)
    assert account["missing"] == len(handed - set(processed))


@pytest.mark.parametrize("seed", [1, 2])
def test_once_beside_a_busy_person(dovecot: Mailbox, make_worker: MakeWorker, seed: int) -> None:
    dovecot.append_many("INBOX", letters(60))
    slow = {"handler.ledger": {"use": "tests.rig.handlers:Ledger", "seconds": 0.05}, "poll": {"batch_count": 7}}
    worker = make_worker(settings=slow)
    worker.hold.touch()  # on a busy machine all might be handled before the person has taken anything

    with busy_person(dovecot, seed, worker.hold) as taken:
        answer = worker.command("once")
    assert answer.code == 0, answer
    assert worker.once() == 0

    check_nothing_lost(dovecot, worker, taken, 60)
    assert worker.handed()
    assert taken


def test_run_beside_a_busy_person(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    slow = {"handler.ledger": {"use": "tests.rig.handlers:Ledger", "seconds": 0.02}, "poll": {"every": "200ms"}}
    worker = make_worker(settings=slow)

    with worker.running():
        with busy_person(dovecot, 3) as taken, dovecot.client() as sender:
            for number in range(1, 61):
                sender.append("INBOX", letter(number))
                time.sleep(0.01)
        eventually(lambda: dovecot.stored("INBOX") == [])
        eventually(lambda: worker.status()["messages"]["pending"] == 0)

    check_nothing_lost(dovecot, worker, taken, 60)


def test_what_is_deleted_after_it_was_seen_and_before_it_was_fetched_is_gone(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    def take_away() -> None:
        with dovecot.client() as person:
            person.select_folder("INBOX")
            uids = person.search()
            person.delete_messages(uids[:2])
            person.uid_expunge(uids[:2])

    dovecot.append_many("INBOX", letters(5))
    proxy.on(r"^UID FETCH \S+ \(?BODY\.PEEK\[\]", Call(take_away))
    worker = make_worker(proxy)

    assert worker.once() == 0

    assert sorted(call.number for call in worker.handed()) == [3, 4, 5]
    account = worker.reconcile()
    assert (account["handled"], account["gone"], account["unaccounted"]) == (3, 2, 0)
    assert worker.events("message.gone")


def test_what_is_put_back_after_it_was_gone_is_handed_over(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(
        routes=[{"name": "all", "handlers": ["failing", "ledger"], "waits": ["200ms"]}],
        settings={"handler.failing": {"use": "tests.rig.handlers:Failing"}},
    )
    assert worker.once() == 75

    with dovecot.client() as person:
        person.create_folder("Mine")
        person.select_folder("INBOX")
        person.move(person.search(), "Mine")
        assert worker.once() == 0
        assert worker.status()["messages"]["gone"] == 1
        person.select_folder("Mine")
        person.move(person.search(), "INBOX")
    worker.configure(**{"handler.failing": {"times": 0}})
    with worker.running():
        eventually(worker.handed)

    assert [call.number for call in worker.handed()] == [1]
    assert worker.reconcile()["handled"] == 1


def test_handled_mail_that_people_put_back_is_settled_again_and_not_handed_over(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(4))
    worker = make_worker()
    assert worker.once() == 0

    with dovecot.client() as person:
        person.select_folder("Processed")
        person.move(person.search()[:2], "INBOX")
    assert worker.once() == 0

    assert len(worker.handed()) == 4
    assert (len(dovecot.stored("INBOX")), len(dovecot.stored("Processed"))) == (0, 4)
    assert worker.reconcile()["handled"] == 4


def test_a_person_s_copy_is_a_message_of_its_own(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker()
    with dovecot.client() as person:
        person.select_folder("INBOX")
        person.copy(person.search()[:1], "INBOX")

    assert worker.once() == 0

    keys = sorted(call.key for call in worker.handed())
    assert len(keys) == 3
    assert [key[-2:] for key in keys if "-" in key] == ["-2"]
    assert worker.reconcile()["handled"] == 3


def test_junk_that_a_person_moves_to_inbox_becomes_clean_mail_and_the_other_way_round(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many(JUNK, letters(1))
    dovecot.append_many("INBOX", letters(1, start=2))
    worker = make_worker()
    assert worker.once() == 0

    with dovecot.client() as person:
        person.select_folder(JUNK)
        person.move(person.search(), "INBOX")
        person.select_folder("Processed")
        person.move(person.search(), JUNK)
    assert worker.once() == 0

    assert [call.number for call in worker.handed()] == [2, 1]
    assert numbers_in(dovecot, "Processed") == [1]
    assert numbers_in(dovecot, JUNK) == [2]
    account = worker.reconcile()
    assert (account["seen"], account["handled"], account["unaccounted"], account["missing"]) == (2, 2, 0, 0)


def test_mail_that_people_marked_deleted_is_still_there(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("Processed", letters(2, start=10))
    with dovecot.client() as person:
        person.select_folder("Processed")
        person.add_flags(person.search(), [rb"\Deleted"])
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker()

    assert worker.once() == 0

    assert sorted(numbers_in(dovecot, "Processed")) == [1, 2, 3, 10, 11]
