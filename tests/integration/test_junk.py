"""The junk path against a real Dovecot: review, release, and mail that moves between the folders by itself."""

import base64
import contextlib
import json
import re
import sqlite3
import threading
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.rig.dovecot import JUNK, Mailbox, Seed
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


@pytest.mark.parametrize(
    "settle", ["auto", pytest.param("keep", marks=pytest.mark.slow), pytest.param("Suspicious", marks=pytest.mark.slow)]
)
def test_released_mail_is_handled_as_clean_once_and_for_good(
    dovecot: Mailbox, make_worker: MakeWorker, settle: str
) -> None:
    dovecot.append_many("INBOX", [spam(1)])
    dovecot.append_many(JUNK, [letter(2)])
    worker = make_worker(settings={**BOTH, "settle": {"junk": settle}})
    assert worker.once() == 0
    assert paths(worker) == ["junk", "junk"]

    release(worker, *(key[:8].upper() for key in keys(worker, "junk")))  # as a person types them
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


def test_a_release_of_what_is_not_there_says_so(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    (key,) = keys(worker, "junk")
    with dovecot.client() as person:
        person.select_folder(JUNK)
        person.delete_messages([1])
        person.expunge()

    answer = worker.command("junk", "release", key, "--reason", "it is a report")

    assert (answer.code, f"Not found in its folder: {key}." in answer.err) == (1, True)
    assert worker.once() == worker.once() == 0
    assert paths(worker) == ["junk"]
    assert worker.status()["messages"]["gone"] == 1


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_release_without_a_reason_is_none(dovecot: Mailbox, make_worker: MakeWorker, reason: str) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    assert worker.command("junk", "release", *keys(worker, "junk"), "--reason", reason).code == 64
    assert worker.rows("SELECT count(*) FROM intent") == [(0,)]


def test_a_sender_cannot_hide_the_filters_verdict(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    """A line that is no header ends a message's headers for Python's parser; the filter's stand below it."""
    lines = ["X Bad: y", "garbage", "Subject : hi", "X-A: a\r\rb", "Subject: hi\r"]
    dovecot.append_many("INBOX", [hidden(line) for line in lines])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    assert paths(worker) == ["junk"] * len(lines)


def hidden(line: str) -> bytes:
    """Flagged by Exchange, below a line of the sender's."""
    top, _, rest = spam(1).partition(b"\r\n")
    return top + b"\r\n" + line.encode() + b"\r\n" + rest.replace(b"Subject", f"X-{line[:1]}".encode(), 1)


def test_a_release_and_each_look_are_audited(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    (key,) = keys(worker, "junk")

    assert worker.command("junk", "list").code == 0
    assert worker.command("junk", "show", key).code == 0
    release(worker, key)

    trail = "".join(path.read_text() for path in (worker.state / "audit").glob("*.jsonl"))
    (logged,) = worker.events("message.released")
    assert f'"who":"{logged["actor"]}"' in trail  # the same name in both
    assert trail.count('"content.shown"') == 2
    assert trail.count('"message.released"') == 1
    assert "it is a report" in trail
    assert "lab.example.org" not in trail


def test_without_the_audit_trail_nothing_is_shown_and_nothing_released(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    (key,) = keys(worker, "junk")
    for trail in (worker.state / "audit").glob("*.jsonl"):
        trail.rename(worker.state / trail.name)
        trail.mkdir()

    for command in (("list",), ("show", key), ("release", key, "--reason", "it is a report")):
        answer = worker.command("junk", *command)
        assert (answer.code, "audit trail" in answer.err) == (78, True), answer
        assert "Subject" not in answer.out
        assert command[0] == "show" or key not in answer.out  # why it is junk is in the journal, and no content
        assert "Headers:" not in answer.out
    assert worker.rows("SELECT count(*) FROM intent") == [(0,)]
    assert worker.rows("SELECT reviewed_at FROM message") == [(None,)]


def test_a_look_at_what_is_not_there_is_none(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    (key,) = keys(worker, "junk")
    dovecot.renumber(JUNK)

    assert worker.command("junk", "show", key).code == 1
    assert worker.rows("SELECT reviewed_at FROM message") == [(None,)]

    assert worker.once() == 0
    assert worker.command("junk", "show", key).code == 0
    assert worker.rows("SELECT count(reviewed_at) FROM message") == [(1,)]


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


# -- review


def listed(worker: Worker, *filters: str) -> list[str]:
    """The keys that `junk list` shows, in its order."""
    answer = worker.command("junk", "list", *filters)
    assert answer.code == 0, answer
    return re.findall(r"\b[a-z2-7]{26}\b", answer.out)


def test_the_list_is_newest_first_and_filtered(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    days = [datetime(2026, 1, day, 12, tzinfo=UTC) for day in (5, 6, 7)]
    others = [spam(n).replace(b"results@lab", b"offers@shop") for n in (4, 5)]
    dovecot.append_many(JUNK, [Seed(letter(n), received_at=day) for n, day in enumerate(days, 1)])
    dovecot.append_many("INBOX", [Seed(raw, received_at=days[0]) for raw in others])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    by_number = {call.number: call.key for call in worker.handed()}
    assert len(set(by_number.values())) == 5

    assert listed(worker)[:2] == [by_number[3], by_number[2]]
    assert set(listed(worker)) == set(by_number.values())
    assert listed(worker, "--since", "2026-01-06") == [by_number[3], by_number[2]]
    assert listed(worker, "--limit", "1") == [by_number[3]]
    assert set(listed(worker, "--sender", "OFFERS@")) == {by_number[4], by_number[5]}
    assert len(listed(worker, "--sender", "offers@", "--limit", "1")) == 1
    assert listed(worker, "--evidence", "exchange") == [by_number[4]]
    assert len(listed(worker, "--evidence", "placement")) == 3  # the others were moved there by us
    dovecot.renumber(JUNK)
    assert worker.once() == 0
    assert len(listed(worker, "--evidence", "placement")) == 3
    assert worker.command("junk", "list", "--evidence", "nonsense").code == 64


def test_known_senders_are_marked_and_listed_first_of_all(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    stranger = letter(3).replace(b"results@lab", b"stranger@shop")
    named = letter(4).replace(b"results@lab", b"office@surgery")
    dovecot.append_many("INBOX", [letter(1)])
    dovecot.append_many(JUNK, [letter(2), stranger, named])
    worker = make_worker(settings={"junk": {"handlers": ["ledger"], "known_senders": ["*@surgery.example.org"]}})
    assert worker.once() == 0
    by_number = {call.number: call.key for call in worker.handed()}

    assert set(listed(worker, "--known")) == {by_number[2], by_number[4]}
    assert set(listed(worker)) == {by_number[2], by_number[3], by_number[4]}
    assert b"lab.example.org" not in b"".join(path.read_bytes() for path in worker.state.glob("journal*"))


HOSTILE = b"\x1b[2J\x1b]0;owned\x07\xe2\x80\xaegpj.exe\x08\x00"


@pytest.mark.parametrize("header", [900_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
def test_a_hostile_message_is_shown_and_obeyed_by_nothing(
    dovecot: Mailbox, make_worker: MakeWorker, header: int
) -> None:
    raw = (
        b"From: " + HOSTILE + b" <x@evil.example>\r\nSubject: " + HOSTILE + b"\r\nX-Long: " + b"a" * header + b"\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        b'<img src="http://192.0.2.1/pixel.gif"><p>Hello ' + HOSTILE + b"</p>\r\n"
        b'--b\r\nContent-Type: application/zip; name="' + HOSTILE + b'.zip"\r\nContent-Transfer-Encoding: base64\r\n'
        b"Content-Disposition: attachment\r\n\r\n" + base64.encodebytes(zlib.compress(bytes(10**8))) + b"\r\n--b--\r\n"
    )
    dovecot.append_many(JUNK, [raw])
    worker = make_worker(settings={"limits": {"header_bytes": "20MB"}})
    assert worker.once() == 0
    (key,) = keys(worker, "junk")

    for arguments, tabs in ((("show", key), 0), (("list",), 5), (("list", "--csv"), 0), (("list", "--json"), 0)):
        answer = worker.installed("junk", *arguments)
        assert answer.code == 0, answer.err
        assert answer.out.count("\t") == tabs, "our own, between the cells of the one line"
        printed = answer.out.replace("\n", "").replace("\t", "")
        assert not {unicodedata.category(character) for character in printed} & {"Cc", "Cf", "Co"}
        assert len(answer.out) < 100_000
    shown = worker.command("junk", "show", key).out
    assert "pixel.gif" not in shown
    if header < 1_000_000:
        assert "  | Hello" in shown
        assert ".zip (application/" in shown
    else:
        assert "over the limit 'header_bytes'" in shown
    assert len(dovecot.stored(JUNK)) == 1
    with dovecot.client() as person:
        person.select_folder(JUNK, readonly=True)
        assert person.search("UNSEEN") == person.search()


def test_mail_that_somebody_has_taken_is_said_to_be_gone(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings=BOTH)
    assert worker.once() == 0
    move(dovecot, JUNK, "Deleted Items")

    answer = worker.command("junk", "show", *keys(worker, "junk"))

    assert (answer.code, "moved or deleted" in answer.err) == (1, True)
    assert "not where it was put" in worker.command("junk", "list").out


# -- the digest


class Collector(BaseHTTPRequestHandler):
    """Takes what a webhook is sent."""

    got: list[Any]

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[Any]]]:
    got: list[Any] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Collector,), {"got": got}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_worker_sends_the_digest_once(
    dovecot: Mailbox, make_worker: MakeWorker, webhook: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, got = webhook
    dovecot.append_many("INBOX", [letter(1)])
    dovecot.append_many(JUNK, [letter(2), letter(3).replace(b"results@lab", b"stranger@shop")])
    alerts = {"every": "50ms", "again_after": "1d"}
    worker = make_worker(settings={**BOTH, "alerts": alerts, "junk": {"digest": "daily 00:00", **BOTH["junk"]}})
    monkeypatch.setenv("NHSMAIL_ALERTS__JSON_WEBHOOK", url)
    assert worker.once() == 0
    told = json.dumps({"due": 0.0, "made": 0.0, "since": 0.0, "sent": []})
    with contextlib.closing(sqlite3.connect(worker.state / "journal.sqlite")) as journal, journal:
        journal.execute("INSERT INTO fact (name, value) VALUES ('kept.digest', ?)", (told,))

    for _ in range(2):
        with worker.running():
            eventually(lambda: any(item["rule"] == "junk-digest" for item in got))
            eventually(lambda: worker.events("junk.digest"))
            eventually(lambda: any(item["rule"] == "junk-of-known-sender" and item["number"] == 1 for item in got))

    (digest,) = [item for item in got if item["rule"] == "junk-digest"]
    by_number = {call.number: call.key for call in worker.handed()}
    assert (digest["number"], digest["by_source"], digest["known"]) == (2, {"placement": 2}, [by_number[2]])
    assert "example.org" not in json.dumps(got)
    assert len(worker.events("junk.digest")) == 1

    assert worker.command("junk", "show", by_number[2]).code == 0
    with worker.running():
        eventually(lambda: any(item["state"] == "resolved" for item in got))
