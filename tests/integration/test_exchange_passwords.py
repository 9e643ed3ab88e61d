"""A password for Exchange Online: not sent unless somebody insists, and then what `LOGIN failed.` means there."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.scripted import ScriptedServer, answer, close, greeting
from tests.rig.tls import ADDRESS, Authority
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
Scripted = Callable[..., ScriptedServer]
EXCHANGE = "outlook.office365.com"
QUICK = {"poll": {"every": "100ms", "reconnect": ["50ms"]}}


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Exchange Online's name leads to this machine. Returns each time that it is looked up."""
    found: list[str] = []
    really = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **named: Any) -> Any:
        if host == EXCHANGE:
            found.append(host)
            host = ADDRESS
        return really(host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return found


def login(worker: Worker) -> tuple[str, str, int]:
    found = worker.status()["login"]
    return found["state"], found["reason"], found["failures"]


def test_no_password_goes_to_exchange_online_until_the_configuration_changes(
    dovecot: Mailbox, make_worker: MakeWorker, looked_up: list[str]
) -> None:
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker(dovecot, settings=QUICK)
    worker.configure(account={"host": EXCHANGE})

    checked = worker.command("check")
    assert checked.code == 1, checked
    assert f'auth = "password" at {EXCHANGE}' in checked.out
    for arguments in (["once"], ["check", "--connect"], ["once", "--dry-run"]):
        said = worker.command(*arguments)
        assert said.code == 77, said
        assert "allow_password = true" in said.err
    assert worker.command("login", "reset", "--reason", "unlocked by the desk").out.count("stays halted") == 1
    with worker.running() as running:
        eventually(lambda: worker.events("login.halted")[-1:] and worker.events("worker.started"))
        eventually(lambda: len(worker.events("worker.not_ready")) > 0)
        assert running.alive
    assert login(worker) == ("halted", "oauth_only", 0)
    assert {event["reason"] for event in worker.events("login.halted")} == {"oauth_only"}
    assert "OAuth" in worker.command("login", "status").out
    assert (looked_up, dovecot.history) == ([], [])
    assert worker.rows("select kind from attempt") == [("reset",)]

    worker.configure(account={"host": dovecot.host})  # a server by another name takes it at once
    assert worker.once() == 0
    assert (dovecot.history, len(worker.handed()), looked_up) == (["ok"], 2, [])


def test_a_password_that_is_meant_for_exchange_online_is_sent_and_its_refusal_explained(
    scripted: Scripted, authority: Authority, make_worker: MakeWorker, looked_up: list[str]
) -> None:
    says_no = [*greeting("IMAP4rev1 AUTH=PLAIN"), *answer(r"\w+ LOGIN .*", "{tag} NO LOGIN failed.")]
    server = scripted([*says_no, close()], tls=authority.server_context(EXCHANGE))
    worker = make_worker(server, settings=QUICK)
    worker.configure(account={"host": EXCHANGE, "allow_password": True})

    assert worker.command("check").code == 0
    said = worker.command("once")
    assert said.code == 75, said
    assert looked_up
    assert '"LOGIN failed."' in said.err
    assert "OAuth" in said.err
    assert "IMAP" in said.err
    assert login(worker) == ("cooling", "rejected", 1)  # it may have been counted all the same
    assert said.err.split("\n")[0] in worker.command("login", "status").out
