"""The installed command and its whole job, as a person or a script uses it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, letters, spam
from tests.rig.proxy import Proxy
from tests.rig.worker import Answer, Worker, balance, eventually
from worker.cli import main as cli

MakeWorker = Callable[..., Worker]
TO_ARCHIVE = [{"name": "everything-else", "handlers": ["archive"]}]


@pytest.mark.slow
def test_five_hundred_messages_from_the_shell(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    clean = letters(400)
    dovecot.append_many("INBOX", clean[:200] + [spam(number) for number in range(401, 451)] + clean[200:])
    dovecot.append_many(JUNK, letters(50, start=451))
    worker = make_worker(routes=TO_ARCHIVE)

    answer = worker.installed("once")

    assert answer.code == 0, answer.err
    assert re.search(r"500 new; 400 handled, 100 junk, 0 failed, 0 gone\.", answer.err)
    assert sorted(worker.archived()) == sorted(clean)
    assert dovecot.stored("INBOX") == []
    assert len(dovecot.stored(JUNK)) == 100
    assert account_of(worker.installed("reconcile", "--json")) == account_of(worker.command("reconcile", "--json"))
    again = worker.command("once")
    assert (again.code, "0 new" in again.err) == (0, True)
    assert len(worker.archived()) == 400


def account_of(answer: Answer) -> Any:
    assert answer.code == 0, answer.err
    account = json.loads(answer.out)
    assert account == balance(handled=400, junk=100)
    return account


def test_what_it_logs_is_json_without_content(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [letter(1), spam(2)])
    worker = make_worker(routes=TO_ARCHIVE)
    worker.configure(log={"level": "debug"})

    answer = worker.installed("once")

    lines = [json.loads(line) for line in answer.err.splitlines() if line.startswith("{")]
    assert {"login.attempt", "login.succeeded", "message.done"} <= {line["event"] for line in lines}
    for word in ("Report", "lab.example.org", "Laboratory", dovecot.password):
        assert word not in answer.err + answer.out


def test_status_before_any_run_is_all_zero(make_worker: MakeWorker, dovecot: Mailbox) -> None:
    worker = make_worker()

    answer = worker.installed("status", "--json")

    assert answer.code == 0
    status = json.loads(answer.out)
    assert status["account"] == dovecot.address
    assert status["messages"] == {
        "pending": 0,
        "handled": 0,
        "junk": 0,
        "failed": 0,
        "gone": 0,
        "released": 0,
        "oldest_pending_seconds": 0,
    }
    assert status["login"] == {
        "state": "ready",
        "failures": 0,
        "threshold": 12,
        "reserve": 4,
        "remaining": 8,
        "remaining_for_credential": 5,
        "next_attempt_at": None,
        "reason": None,
    }
    assert status["password"] == {"changed_at": None, "expires_at": None, "days_left": None}
    assert (status["last_poll"]["at"], status["last_poll"]["ok"], status["last_poll"]["new"]) == (None, False, 0)
    assert (status["lease"], status["paused"]) == ({"holder": None, "expires_at": None}, False)
    assert not worker.state.exists()
    assert dovecot.history == []


def test_status_after_a_run(make_worker: MakeWorker, dovecot: Mailbox) -> None:
    dovecot.append_many("INBOX", [letter(1), spam(2)])
    worker = make_worker()
    assert worker.once() == 0

    status = worker.status()

    assert (status["messages"]["handled"], status["messages"]["junk"]) == (1, 1)
    assert (status["last_poll"]["ok"], status["last_poll"]["new"]) == (True, 2)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", status["last_poll"]["at"])
    assert status["password"]["days_left"] in {89, 90}
    text = worker.command("status")
    assert text.code == 0
    assert ("1 handled" in text.out, "1 junk" in text.out) == (True, True)


def test_reading_commands_leave_a_read_only_state_alone(make_worker: MakeWorker, dovecot: Mailbox) -> None:
    worker = make_worker()
    before = {path: path.stat().st_mtime_ns for path in worker.folder.rglob("*")}

    assert worker.command("status").code == 0
    assert worker.command("check").code == 0

    assert {path: path.stat().st_mtime_ns for path in worker.folder.rglob("*")} == before


@pytest.mark.parametrize("command", [("status",), ("login", "status")])
def test_a_state_folder_that_is_a_file_is_told_not_shown_as_empty(
    make_worker: MakeWorker, command: tuple[str, ...]
) -> None:
    worker = make_worker()
    worker.state.write_text("")

    answer = worker.command(*command)

    assert answer.code == 78
    assert "Not a directory" in answer.err


# -- settings from the environment


def test_the_environment_beats_the_file(
    make_worker: MakeWorker, dovecot: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(settings={"settle": {"handled": "Processed"}})
    monkeypatch.setenv("NHSMAIL_SETTLE__HANDLED", "Elsewhere")
    monkeypatch.setenv("NHSMAIL_JUNK__HANDLERS", '["ledger"]')

    assert worker.once() == 0

    assert dovecot.stored("Elsewhere") == letters(1)


def test_the_password_from_the_environment(
    dovecot: Mailbox, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker()
    worker.configure(account={"password_file": None})
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", dovecot.password)

    answer = worker.command("once")

    assert answer.code == 0, answer
    assert dovecot.password not in answer.err
    assert len(worker.handed()) == 1


def test_the_file_named_by_the_environment(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    worker = make_worker()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NHSMAIL_CONFIG", str(worker.config))

    assert cli.run(["check"]) == 0
    monkeypatch.delenv("NHSMAIL_CONFIG")
    assert cli.run(["check"]) == 78
    (tmp_path / "worker.toml").symlink_to(worker.config)
    assert cli.run(["check"]) == 0


# -- beside a running worker


def test_a_second_worker_is_told_so_and_touches_nothing(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker(proxy)
    worker.hold.touch()

    with worker.running():
        eventually(lambda: worker.begun() == 3)
        connections = proxy.traffic.connections
        answer = worker.installed("once")
        assert answer.code == 75
        assert "lease" in answer.err
        assert proxy.traffic.connections == connections
        assert worker.status()["lease"]["holder"] is not None
        account = worker.reconcile()
        assert (account["seen"], account["pending"], account["unaccounted"]) == (3, 3, 0)
        worker.hold.unlink()
        eventually(lambda: worker.status()["messages"]["handled"] == 3)

    assert len(worker.handed()) == 3
    assert worker.status()["lease"]["holder"] is None
    assert worker.once() == 0


def test_reconcile_says_which_message_is_unaccounted_for(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    """Somebody took a message that waits for its next try, and the worker hasn't looked since."""
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker(
        routes=[{"name": "all", "handlers": ["failing"], "waits": ["10m"]}],
        settings={"handler.failing": {"use": "tests.rig.handlers:Failing"}},
    )
    assert worker.once() == 75
    with dovecot.client() as person:
        person.select_folder("INBOX")
        uids = person.search()[:1]
        person.delete_messages(uids)
        person.uid_expunge(uids)

    answer = worker.command("reconcile", "--json")
    account = json.loads(answer.out)

    assert answer.code == 1
    assert (account["seen"], account["pending"], account["unaccounted"]) == (2, 1, 1)
    assert worker.rows("select key from message order by id")[0] == (account["unaccounted_keys"][0],)
    assert account["unaccounted_keys"][0] in worker.command("reconcile").out
    assert worker.once() == 75
    assert worker.reconcile()["gone"] == 1
