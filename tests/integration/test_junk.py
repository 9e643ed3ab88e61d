"""The junk path against a real Dovecot: review, release, and mail that moves between the folders by itself."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, spam
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]

BOTH = {"junk": {"handlers": ["ledger"]}}
"""The same handler on both paths: it tells which way each message took."""


def move(mailbox: Mailbox, source: str, target: str) -> None:
    """What a person does, or the server's zero-hour purge: everything from one folder to the other."""
    with mailbox.client() as person:
        person.select_folder(source)
        person.move(person.search(), target)


def paths(worker: Worker) -> list[str]:
    return [call.path for call in worker.handed()]


def keys(worker: Worker, state: str) -> list[str]:
    return [key for (key,) in worker.rows(f"SELECT key FROM message WHERE state = '{state}' ORDER BY id")]  # noqa: S608 -- a word of ours


def release(worker: Worker, *which: str) -> None:
    answer = worker.command("junk", "release", *which, "--reason", "it is a report")
    assert answer.code == 0, answer


def assert_balanced(worker: Worker, **counts: int) -> None:
    balance = worker.reconcile()
    assert (balance["unaccounted"], balance["pending"], balance["missing"]) == (0, 0, 0), balance
    assert {name: balance[name] for name in counts} == counts


# -- release


@pytest.mark.parametrize("settle", ["auto", "keep", "Suspicious"])
def test_released_mail_is_handled_as_clean_once_and_for_good(
    dovecot: Mailbox, make_worker: MakeWorker, settle: str
) -> None:
    dovecot.append_many("INBOX", [spam(1)])
    dovecot.append_many(JUNK, [letter(2)])
    worker = make_worker(settings={**BOTH, "settle": {"junk": settle}})
    assert worker.once() == 0
    assert paths(worker) == ["junk", "junk"]

    release(worker, *keys(worker, "junk"))
    assert worker.once() == 0
    assert paths(worker) == ["junk", "junk", "clean", "clean"]
    assert len(dovecot.stored("Processed")) == 2
    assert_balanced(worker, handled=2, junk=0)
    assert worker.status()["messages"]["released"] == 2

    for source, target in (("Processed", JUNK), (JUNK, "INBOX"), ("Processed", "INBOX"), ("Processed", JUNK)):
        move(dovecot, source, target)
        for folder in ("INBOX", JUNK, "Processed"):
            dovecot.renumber(folder)
        assert worker.once() == 0
    assert paths(worker) == ["junk", "junk", "clean", "clean"]
    assert_balanced(worker, handled=2, junk=0)
    assert len(dovecot.stored(JUNK)) == 2  # where the last move put it: done mail is not fought over


def test_released_mail_that_the_server_junks_again_before_it_is_handled_stays_clean(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0

    release(worker, *keys(worker, "junk"))
    assert len(dovecot.stored("INBOX")) == 1
    move(dovecot, "INBOX", JUNK)
    dovecot.renumber(JUNK)
    assert worker.once() == 0

    assert paths(worker) == ["junk", "clean"]
    assert_balanced(worker, handled=1)


def test_a_running_worker_carries_a_release_out(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1), letter(2)])
    worker = make_worker(settings={**BOTH, "poll": {"every": "200ms", "reconnect": ["0.1s"]}})

    with worker.running():
        eventually(lambda: paths(worker) == ["junk", "junk"])
        eventually(lambda: len(keys(worker, "junk")) == 2)
        answer = worker.command("junk", "release", *keys(worker, "junk"), "--reason", "both are reports")
        assert "running worker" in answer.out
        eventually(lambda: paths(worker).count("clean") == 2)
        eventually(lambda: worker.rows("SELECT count(settled_at) FROM message WHERE state = 'handled'") == [(2,)])

    assert sorted(paths(worker)) == ["clean", "clean", "junk", "junk"]
    assert worker.rows("SELECT count(*) FROM intent WHERE done_at IS NULL") == [(0,)]
    assert_balanced(worker, handled=2)


def test_a_release_asked_for_twice_is_one(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    (key,) = keys(worker, "junk")

    release(worker, key, key)
    again = worker.command("junk", "release", key, "--reason", "once more")
    assert (again.code, "isn't junk" in again.err) == (64, True)
    assert worker.once() == 0
    assert paths(worker) == ["junk", "clean"]


def test_of_several_keys_one_unknown_releases_none(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0

    answer = worker.command("junk", "release", *keys(worker, "junk"), "nosuchkey", "--reason", "x")

    assert (answer.code, "nosuchkey" in answer.err) == (64, True)
    assert worker.once() == 0
    assert paths(worker) == ["junk"]


def test_a_release_and_each_look_are_audited(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    (key,) = keys(worker, "junk")

    assert worker.command("junk", "list").code == 0
    assert worker.command("junk", "show", key).code == 0
    release(worker, key)

    trail = "".join(path.read_text() for path in (worker.state / "audit").glob("*.jsonl"))
    assert trail.count('"content.shown"') == 2
    assert trail.count('"message.released"') == 1
    assert "it is a report" in trail
    assert "lab.example.org" not in trail


def test_a_handler_that_is_done_as_junk_is_called_again_as_clean_and_no_other_time(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    """A clean handler that finished before the server junked the message isn't called again when it is released."""
    dovecot.append_many("INBOX", [letter(1)])
    routes = [{"name": "all", "handlers": ["ledger", "failing"], "waits": ["1h"]}]
    failing = {"handler.failing": {"use": "tests.rig.handlers:Failing"}}
    worker = make_worker(routes=routes, settings={**BOTH, **failing})
    worker.once()
    assert paths(worker) == ["clean"]

    move(dovecot, "INBOX", JUNK)
    assert worker.once() == 0
    assert paths(worker) == ["clean", "junk"]

    worker.routes[0]["handlers"] = ["ledger"]
    worker.write()
    release(worker, *keys(worker, "junk"))
    assert worker.once() == 0
    assert paths(worker) == ["clean", "junk"]
    assert_balanced(worker, handled=1)


# -- moves that nobody asked us about


def test_pending_mail_that_the_server_junks_is_junk(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [letter(1)])
    routes = [{"name": "all", "handlers": ["failing"], "waits": ["1h"]}]
    worker = make_worker(routes=routes, settings={**BOTH, "handler.failing": {"use": "tests.rig.handlers:Failing"}})
    worker.once()

    move(dovecot, "INBOX", JUNK)
    assert worker.once() == 0

    assert paths(worker) == ["junk"]
    assert len(worker.events("message.rejudged")) == 1
    assert_balanced(worker, junk=1)


def test_handled_mail_that_the_server_junks_stays_handled(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0

    for source, target in (("Processed", JUNK), (JUNK, "INBOX")):
        move(dovecot, source, target)
        assert worker.once() == 0

    assert paths(worker) == ["clean"]
    assert len(dovecot.stored("Processed")) == 1
    assert_balanced(worker, handled=1, junk=0)


def test_junk_that_is_moved_out_is_judged_by_its_headers_and_reported(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many(JUNK, [letter(1), spam(2)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    assert paths(worker) == ["junk", "junk"]

    move(dovecot, JUNK, "INBOX")
    assert worker.once() == 0

    assert [(call.number, call.path) for call in worker.handed()[2:]] == [(1, "clean")]
    assert (len(dovecot.stored("Processed")), len(dovecot.stored(JUNK))) == (1, 1)
    assert len(worker.events("message.rejudged")) == 2
    assert worker.status()["messages"]["released"] == 0
    assert_balanced(worker, handled=1, junk=1)


def test_junk_that_is_moved_out_is_released_where_the_settings_say_so(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many(JUNK, [letter(1), spam(2)])
    worker = make_worker(settings={"junk": {"handlers": ["ledger"], "moved_out": "release"}})
    assert worker.once() == 0

    move(dovecot, JUNK, "INBOX")
    assert worker.once() == 0
    move(dovecot, "Processed", JUNK)
    assert worker.once() == 0

    assert [call.path for call in worker.handed()[2:]] == ["clean", "clean"]
    assert worker.status()["messages"]["released"] == 2
    assert len(worker.events("message.moved_out")) == 2
    trail = "".join(path.read_text() for path in (worker.state / "audit").glob("*.jsonl"))
    assert trail.count('"message.released"') == 2
    assert_balanced(worker, handled=2, junk=0)


def test_what_we_moved_to_another_folder_and_a_person_moves_out_is_released(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", [spam(1)])
    junk = {"handlers": ["ledger"], "moved_out": "release"}
    worker = make_worker(settings={"junk": junk, "settle": {"junk": "Suspicious"}})
    assert worker.once() == 0

    move(dovecot, "Suspicious", "INBOX")
    assert worker.once() == 0

    assert paths(worker) == ["junk", "clean"]
    assert_balanced(worker, handled=1)


def test_a_new_copy_in_the_junk_folder_is_no_release_of_anything(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings={"junk": {"handlers": ["ledger"], "moved_out": "release"}})
    assert worker.once() == 0
    dovecot.renumber(JUNK)
    dovecot.append_many(JUNK, [letter(1)])
    assert worker.once() == 0

    assert paths(worker) == ["junk", "junk"]
    assert_balanced(worker, junk=2)


def test_a_dead_letter_that_was_moved_to_junk_is_retried_as_junk(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [letter(1)])
    failing = {"handler.failing": {"use": "tests.rig.handlers:Failing", "how": "reject"}}
    worker = make_worker(routes=[{"name": "all", "handlers": ["failing"]}], settings={**BOTH, **failing})
    worker.once()
    (key,) = keys(worker, "failed")

    move(dovecot, "Failed", JUNK)
    worker.once()
    assert worker.command("failed", "retry", key).code == 0
    worker.routes[0]["handlers"] = ["ledger"]
    worker.write()
    assert worker.once() == 0

    assert paths(worker) == ["junk"]
    assert len(dovecot.stored(JUNK)) == 1
    assert_balanced(worker, junk=1)


@pytest.mark.parametrize(("settle", "ends_in"), [("auto", JUNK), ("keep", "INBOX"), ("Suspicious", "Suspicious")])
def test_flagged_mail_goes_where_the_setting_says(
    dovecot: Mailbox, make_worker: MakeWorker, settle: str, ends_in: str
) -> None:
    dovecot.append_many("INBOX", [spam(1)])
    dovecot.append_many(JUNK, [letter(2)])
    worker = make_worker(settings={**BOTH, "settle": {"junk": settle}})

    for _ in range(2):
        assert worker.once() == 0

    found: dict[str, Any] = {folder: len(dovecot.stored(folder)) for folder in ("INBOX", JUNK, "Suspicious")}
    expected = dict.fromkeys(found, 0)
    expected[JUNK] += 1
    expected[ends_in] += 1
    assert found == expected
    assert paths(worker) == ["junk", "junk"]
    assert_balanced(worker, junk=2)


def test_phishing_goes_to_handlers_of_its_own(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    report = b"X-Forefront-Antispam-Report: SCL:%d;SFV:SPM;CAT:%s;\r\n"
    dovecot.append_many("INBOX", [letter(1, extra=report % (9, b"HPHISH")), letter(2, extra=report % (9, b"SPM"))])
    junk = {"handlers": ["quarantine"], "kinds": {"phishing": ["ledger"]}}
    worker = make_worker(routes=[{"name": "all", "handlers": ["archive"]}], settings={"junk": junk})

    assert worker.once() == 0

    assert [(call.number, call.path) for call in worker.handed()] == [(1, "junk")]
    assert worker.archived() == []
    assert_balanced(worker, junk=2)


def test_thresholds_that_are_off_make_nothing_junk(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [letter(1, extra=b"X-MS-Exchange-Organization-SCL: 9\r\n")])
    worker = make_worker(settings={"junk": {"handlers": ["ledger"], "scl": "off"}})
    assert worker.once() == 0
    assert paths(worker) == ["clean"]
