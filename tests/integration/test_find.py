"""`find` against a real Dovecot: what became of a message, by whatever a person knows of it."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.rig.dovecot import JUNK, Dovecot, Mailbox, Seed
from tests.rig.exchange.imitation import Exchange
from tests.rig.exchange.rules import Rules
from tests.rig.letters import letters
from tests.rig.proxy import Answer, Proxy
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
DOCTOR = "Dr Yılmaz <y.yilmaz@gp.example.org>"
ADDRESS = "y.yilmaz@gp.example.org"
EXCHANGE, PASSWORD = "pathology.results@nhs.net", "Bright-Harbour-92"
AT = datetime(2026, 1, 5, 10, 5, 30, tzinfo=UTC)
ROUTES = (
    {"name": "failing", "match": {"subject": "*urgent*"}, "handlers": ["failing"]},
    {"name": "all", "handlers": ["ledger"]},
)
SETTINGS = {"handler.failing": {"use": "tests.rig.handlers:Failing", "how": "reject"}}


def mail(number: int, subject: str = "Blood results", sender: str = DOCTOR) -> bytes:
    return (
        f"Received: from a.example by b.example; Mon, 5 Jan 2026 10:00:00 +0000\r\nFrom: {sender}\r\n"
        f"Subject: {subject}\r\nMessage-ID: <{number}@gp.example.org>\r\nX-Number: {number}\r\n\r\nbody\r\n"
    ).encode()


def asked(worker: Worker, *criteria: str) -> Any:
    answer = worker.command("find", *criteria, "--json")
    assert answer.code in (0, 1), answer
    found = json.loads(answer.out)
    assert answer.code == (0 if found["found"] else 1)
    return found


def subjects(worker: Worker, *criteria: str) -> list[str]:
    return sorted(one["subject"] for one in asked(worker, *criteria)["found"])


def throw_away(mailbox: Mailbox, raw: bytes) -> None:
    with mailbox.client() as person:
        person.create_folder("Deleted Items")
        person.append("Deleted Items", raw)


def test_each_fate_is_told(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [mail(1), mail(2, "urgent: blood"), mail(3, "taken away"), *letters(20, start=100)])
    dovecot.append_many(JUNK, [mail(4, "You won")])
    worker = make_worker(routes=ROUTES, settings=SETTINGS)
    assert worker.once() == 1
    dovecot.append_many("INBOX", [Seed(mail(5, "Späte Befunde"), received_at=AT)])
    throw_away(dovecot, mail(6, "thrown away"))
    with dovecot.client() as person:
        person.select_folder("Processed")
        (uid,) = person.search(["SUBJECT", "taken away"])
        person.delete_messages([uid])
        person.uid_expunge([uid])

    found = asked(worker, "--from", ADDRESS, "--all-folders")

    by_subject = {one["subject"]: one for one in found["found"]}
    assert {subject: (one["presence"], one["folder"]) for subject, one in by_subject.items()} == {
        "Blood results": ("in-place", "Processed"),
        "urgent: blood": ("in-place", "Failed"),
        "You won": ("in-place", JUNK),
        "Späte Befunde": ("not-taken-up", "INBOX"),
        "thrown away": ("unwatched", "Deleted Items"),
        None: ("not-in-place", "Processed"),
    }
    handled, failed = by_subject["Blood results"]["journal"], by_subject["urgent: blood"]["journal"]
    assert (handled["state"], handled["routes"], handled["path"]) == ("handled", ["all"], "clean")
    assert [(one["handler"], one["failed_tries"]) for one in handled["handlers"]] == [("ledger", 0)]
    assert handled["handlers"][0]["done_at"] <= handled["outcome_at"]
    assert (failed["state"], failed["routes"], failed["reason"]) == ("failed", ["failing"], "failing:Reject:never")
    assert by_subject["urgent: blood"]["next_command"] == f"failed show {by_subject['urgent: blood']['key']}"
    assert by_subject["You won"]["journal"]["evidence"][0]["source"] == "placement"
    assert by_subject[None]["journal"]["state"] == "handled"  # the sender's hash names it: nothing else could
    assert (found["complete"], found["named_by_sender_hash"]) == (True, 4)

    key = by_subject["Blood results"]["key"]
    assert subjects(worker, "--key", key[:8].upper()) == ["Blood results"]
    assert subjects(worker, "--message-id", "<2@gp.example.org>") == ["urgent: blood"]
    assert subjects(worker, "--subject", "BEFUNDE", "--since", "2026-01-05T10:05", "--until", "2026-01-05T10:05") == [
        "Späte Befunde"
    ]
    assert subjects(worker, "yılmaz", "--subject", "blood") == ["Blood results", "urgent: blood"]
    assert subjects(worker, "--subject", "thrown") == []  # it lies in a folder that isn't searched unasked


def searches(commands: list[str]) -> list[int]:
    """How many SEARCH commands came in each folder that was opened."""
    found: list[int] = []
    for command in commands:
        assert not command.startswith("SELECT")
        if command.startswith("EXAMINE"):
            found.append(0)
        elif "SEARCH" in command:
            found[-1] += 1
    return found


def test_one_search_a_folder_and_nothing_is_kept(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [mail(1), *letters(150)])
    dovecot.append_many(JUNK, [mail(2, "You won")])
    worker = make_worker(proxy)
    assert worker.once() == 0
    before = (worker.rows("SELECT * FROM message"), worker.rows("SELECT * FROM delivery"))
    with proxy.measure() as used:
        for sender in ("yılmaz", ADDRESS):
            assert subjects(worker, "--from", sender) == ["Blood results", "You won"]

    assert searches(used.commands) == [0, 1, 1, 0] * 2  # INBOX, junk, Processed, Failed; none in one that is empty
    assert not any("CHARSET" in command or not command.isascii() for command in used.commands)
    assert (worker.rows("SELECT * FROM message"), worker.rows("SELECT * FROM delivery")) == before
    trail = (worker.state / "audit").glob("*.jsonl")
    lines = [json.loads(line) for file in trail for line in file.read_text().splitlines()]
    assert [line["criteria"] for line in lines if line["kind"] == "content.searched"] == ["from", "from"]
    assert not [word for word in ("yılmaz", "yilmaz", "lmaz") if word in str(lines)]


def test_beside_a_running_worker(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [mail(1)])
    worker = make_worker()
    worker.hold.touch()
    worker.configure(**{"handler.ledger": {"hold": str(worker.hold)}})
    with worker.running():
        eventually(lambda: worker.begun() == 1)
        (found,) = asked(worker, "--from", "yılmaz")["found"]
        assert (found["folder"], found["journal"]["state"]) == ("INBOX", "pending")
        worker.hold.unlink()
        eventually(lambda: dovecot.stored("INBOX") == [])
    assert [call.number for call in worker.handed()] == [1]


def test_a_text_is_a_text_whatever_it_means_to_the_protocol(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    odd = ('a "quoted" word', "back\\slash", "{5}", "NOT", "ALL (*)", "~!@#$^&_+=[]|;:'<>,.?/")
    dovecot.append_many("INBOX", [mail(number, f"about {text} here") for number, text in enumerate(odd)])
    worker = make_worker()
    for text in odd:
        found = asked(worker, "--subject", text)
        assert [one["subject"] for one in found["found"]] == [f"about {text} here"]
        assert found["searched"][0]["named_by_search"] == 1


# -- a server whose SEARCH proves nothing


@pytest.mark.parametrize("every", [1, 2])
def test_on_exchange_what_search_misses_is_found_or_said_not_to_have_been_looked_at(
    make_dovecot: Callable[..., Dovecot], make_worker: MakeWorker, every: int
) -> None:
    exchange = Exchange(Rules.of("usual").model_copy(update={"unsearched": every}))
    mailbox = make_dovecot(users={EXCHANGE: PASSWORD}, manners=exchange).mailbox(EXCHANGE)
    mailbox.append_many("INBOX", [Seed(mail(number, f"Befund für {number}"), received_at=AT) for number in (1, 2)])
    mailbox.append_many("INBOX", [mail(number, "other") for number in range(3, 12)])
    worker = make_worker(mailbox=mailbox, settings={"settle": {"handled": "keep"}})
    assert worker.once() == 0

    both = ["Befund für 1", "Befund für 2"]
    for criteria in (["--subject", "befund"], ["--subject", "für"], ["BEFUND FÜR"], ["--message-id", "2@gp"]):
        found = [one["subject"] for one in asked(worker, *criteria)["found"]]
        assert sorted(found) == (both if "--message-id" not in criteria else both[1:])
    # the newest five don't reach to them: the journal does, by the time or by the sender
    assert subjects(worker, "--subject", "für", "--since", "2026-01-05", "--until", "2026-01-05", "--look", "5") == both
    assert set(both) < set(subjects(worker, "--from", ADDRESS, "--look", "5"))

    # and where nothing reaches to them, that is said
    short = asked(worker, "--subject", "befund", "--look", "5")
    assert len(short["found"]) == (0 if every == 1 else 1)
    assert not short["complete"]
    inbox = next(look for look in short["searched"] if look["folder"] == "INBOX")
    assert (inbox["complete"], inbox["headers_read"] < inbox["messages"]) == (False, True)
    answer = worker.command("find", "--subject", "befund", "--look", "5")
    assert (
        "Not every header in 'INBOX' was read, and a server's search can miss mail. Add `--look NUMBER`" in answer.err
    )
    assert "No such message is" not in answer.err
    assert exchange.hits["unsearched"] >= 4
    assert exchange.misuse == []


@pytest.mark.parametrize("where", [": :", "{old} 0:1"])
def test_what_exchange_moved_without_saying_where_is_in_its_folder(
    make_dovecot: Callable[..., Dovecot], make_worker: MakeWorker, where: str
) -> None:
    exchange = Exchange(Rules.of("usual").model_copy(update={"copyuid": [f"[COPYUID {{validity}} {where}]"]}))
    mailbox = make_dovecot(users={EXCHANGE: PASSWORD}, manners=exchange).mailbox(EXCHANGE)
    mailbox.append_many("INBOX", [mail(1), mail(2, "other")])
    worker = make_worker(mailbox=mailbox)
    assert worker.once() == 0
    assert worker.rows("SELECT uid FROM message") == [(None,), (None,)]
    (by_text,) = asked(worker, "--subject", "blood")["found"]
    (by_key,) = asked(worker, "--key", by_text["key"][:10])["found"]
    assert by_key == by_text
    assert (by_text["presence"], by_text["folder"]) == ("in-place", "Processed")
    handled = worker.command("handle", by_text["key"], "--reason", "it was lost")
    assert handled.code == 0, handled
    assert worker.once() == 0
    assert worker.reconcile()["handled"] == 2
    assert exchange.misuse == []


def test_where_search_is_refused_headers_tell(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [mail(1), *letters(3)])
    worker = make_worker(proxy)
    assert worker.once() == 0
    for said in ("{tag} BAD Command Error. 10", "{tag} NO [BADCHARSET (US-ASCII)] not supported"):
        proxy.on("UID SEARCH", Answer(said), times=None)
        found = asked(worker, "--subject", "blood")
        assert [one["subject"] for one in found["found"]] == ["Blood results"]
        assert [look["search_refused"] for look in found["searched"] if look["messages"]] == [True]
        proxy.clear()


def test_a_folder_that_is_replaced_gives_no_message_anothers_fate(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [mail(1), mail(2, "urgent: blood")])
    worker = make_worker(routes=ROUTES, settings=SETTINGS)
    assert worker.once() == 1
    (failed,) = asked(worker, "--subject", "urgent")["found"]
    with sqlite3.connect(worker.state / "journal.sqlite") as journal:  # as if UIDs had been given twice
        journal.execute(
            "UPDATE message SET folder = 'Processed', uid = 1, uidvalidity = (SELECT uidvalidity FROM message WHERE "
            "folder = 'Processed') WHERE key = ?",
            (failed["key"],),
        )
    (found,) = asked(worker, "--subject", "Blood results")["found"]
    assert found["key"] != failed["key"]
    (found,) = asked(worker, "--subject", "urgent")["found"]
    assert (found["key"], found["presence"], found["folder"]) == (failed["key"], "elsewhere", "Failed")
