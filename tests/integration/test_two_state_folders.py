"""Two workers with a state folder each, on one account: what each of them knows, and how it notices the other."""

from collections.abc import Callable

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]

AT_ONCE = {"lockout": {"waits": ["1ms"], "jitter": 0.0}}


@pytest.fixture
def two(make_worker: MakeWorker) -> tuple[Worker, Worker]:
    return make_worker(settings=AT_ONCE), make_worker(settings=AT_ONCE)


@pytest.mark.slow
def test_each_spends_a_budget_of_its_own(dovecot: Mailbox, two: tuple[Worker, Worker]) -> None:
    for worker in two:
        (worker.folder / "password").write_text("Broken-Lantern-48")
        assert [worker.once() for _ in range(6)][-1] == 77
    assert [worker.status()["login"]["failures"] for worker in two] == [5, 5]  # as many as one password may have
    assert dovecot.attempts == 10, "more than the budget of one"


def test_the_other_is_found_by_its_mail_and_a_person_may_acknowledge_it(
    dovecot: Mailbox, two: tuple[Worker, Worker]
) -> None:
    ours, other = two
    dovecot.append_many("INBOX", letters(2))
    assert ours.once() == 0
    assert ours.command("reconcile").code == 0

    dovecot.append_many("INBOX", letters(3, start=3))
    assert other.once() == 0
    stored = len(dovecot.stored("Processed"))
    found = ours.command("reconcile")
    assert found.code == 1
    said = " ".join(found.out.split())
    assert "3 messages have come to the folder of handled mail, and this worker didn't move them there." in said
    assert "Another worker with another state folder may be using this" in said
    assert ours.once() == 0
    assert ours.status()["unexplained"] == 3
    assert other.command("reconcile").code == 0, "what lay there before it began isn't held against anybody"

    assert ours.command("reconcile", "--acknowledge").code == 64
    assert ours.command("reconcile", "--acknowledge", "--reason", " ").code == 64
    assert ours.command("reconcile", "--reason", "why").code == 64
    known = ours.command("reconcile", "--acknowledge", "--reason", "a test of the new host, stopped by now")
    assert (known.code, "3 messages" in known.err) == (0, True)
    assert ours.command("reconcile").code == 0
    assert ours.status()["unexplained"] == 0
    audit = ours.command("audit", "show").out
    assert "mail.acknowledged" in audit
    assert "a test of the new host, stopped by now" in audit
    assert len(dovecot.stored("Processed")) == stored == 5, "nobody's mail was touched"


@pytest.mark.slow
def test_a_running_worker_tells_of_it_by_itself(dovecot: Mailbox, two: tuple[Worker, Worker]) -> None:
    ours, other = two
    assert ours.once() == 0
    dovecot.append_many("INBOX", letters(2))
    assert other.once() == 0
    with ours.running():
        eventually(lambda: ours.status()["unexplained"] == 2)


@pytest.mark.slow
def test_a_rebuilt_journal_accuses_nobody(dovecot: Mailbox, two: tuple[Worker, Worker]) -> None:
    """Its mail from before the damage has rows again."""
    ours, _ = two
    dovecot.append_many("INBOX", letters(3))
    assert ours.once() == 0
    for path in ours.state.glob("journal.sqlite*"):
        path.unlink()
    assert ours.command("journal", "rebuild").code == 0
    assert ours.command("reconcile").code == 0
    assert ours.once() == 0
    assert ours.command("reconcile").code == 0


@pytest.mark.slow
def test_what_was_taken_from_a_worker_is_known_once_its_journal_was_rebuilt(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    """Its row says `gone`, and `journal rebuild` leaves it so."""
    routes = [{"name": "all", "handlers": ["never"]}]
    never = {"use": "command", "command": ["false"]}
    ours = make_worker(routes=routes, settings={**AT_ONCE, "handler.never": never})
    dovecot.append_many("INBOX", letters(1))
    assert ours.once() == 75  # it will be tried again
    client = dovecot.client()
    client.select_folder("INBOX")
    client.move(client.search(), "Processed")
    client.logout()
    for _ in range(3):
        ours.once()
    assert ours.status()["messages"]["gone"] == 1
    assert ours.command("reconcile").code == 1
    assert ours.status()["unexplained"] == 1
    assert ours.command("journal", "rebuild").code == 0
    assert ours.command("reconcile").code == 0
    assert ours.status()["unexplained"] == 0
