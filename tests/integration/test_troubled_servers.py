"""Servers that are unlike the usual ones: what the worker says of them, what it costs, and when it goes on."""

import threading
from collections.abc import Callable

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.proxy import Action, Answer, Cut, Inject, Proxy
from tests.rig.scripted import ScriptedServer, Step, answer, close, greeting, hang, send
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
Scripted = Callable[..., ScriptedServer]

QUICK = {"poll": {"every": "300ms", "reconnect": ["50ms"]}}
FETCH = r"^UID FETCH .*BODY\.PEEK\[\]"
NOT_CONNECTED = Answer("{tag} BAD User is authenticated but not connected.")


# -- no way to log in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capabilities", "offered"),
    [
        ("IMAP4rev1 LOGINDISABLED", "What it offers: none."),
        ("IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2 AUTH=NTLM", "What it offers: AUTH=XOAUTH2, AUTH=NTLM."),
    ],
)
def test_a_server_without_our_way_in_halts_the_login_and_is_sent_nothing(
    scripted: Scripted, make_worker: MakeWorker, capabilities: str, offered: str
) -> None:
    logout = answer(r"\w+ LOGOUT", "* BYE", "{tag} OK done")
    server = scripted(*([*greeting(capabilities), *logout, close()] for _ in range(3)))
    worker = make_worker(server, settings=QUICK)

    for arguments in (["once"], ["once"], ["check", "--connect"]):
        said = worker.command(*arguments)
        assert (said.code, offered in said.err) == (77, True), said

    login = worker.status()["login"]
    assert (login["state"], login["reason"], login["failures"], login["remaining"]) == ("halted", "way_in", 0, 8)
    assert worker.rows("select count(*) from attempt") == [(0,)]
    assert offered in worker.command("login", "status").out
    assert {command.split()[1] for command in server.commands} == {"CAPABILITY", "LOGOUT"}


def test_run_looks_again_and_goes_on_as_soon_as_the_way_is_offered(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    proxy.rewrite_answers(rb"CAPABILITY IMAP4rev1", rb"CAPABILITY IMAP4rev1 LOGINDISABLED")
    proxy.rewrite_answers(rb"AUTH=PLAIN", rb"AUTH=NTLM")
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker(proxy, settings=QUICK)

    with worker.running() as running:
        eventually(lambda: proxy.commands.count("CAPABILITY") >= 4)
        assert running.alive
        assert dovecot.history == []
        proxy.answers = ()
        eventually(lambda: len(worker.handed()) == 2)

    told = worker.events("worker.not_ready")
    assert [event["state"] for event in told] == ["no-way-in"]
    assert "AUTH=NTLM" in told[0]["advice"]
    assert len(worker.events("login.halted")) == 1
    assert worker.events("connection.lost") == []
    assert dovecot.history == ["ok"]
    assert worker.status()["login"]["state"] == "ready"


# -- PREAUTH -----------------------------------------------------------------------------------------------------------


def test_a_server_that_greets_us_as_logged_in_is_refused_and_counts_for_nothing(
    scripted: Scripted, make_worker: MakeWorker
) -> None:
    greeted: list[Step] = [
        send("* PREAUTH [CAPABILITY IMAP4rev1] welcome back"),
        *answer(r"\w+ CAPABILITY", "* CAPABILITY IMAP4rev1", "{tag} OK done"),
        hang(),
    ]
    server = scripted(greeted, greeted)
    worker = make_worker(server, settings=QUICK)

    for _ in range(2):
        said = worker.command("once")
        assert (said.code, "PREAUTH" in said.err, "no login attempt was spent" in said.err) == (78, True, True), said

    assert worker.rows("select count(*) from attempt") == [(0,)]
    assert worker.status()["login"]["failures"] == 0
    assert [command.split()[1] for command in server.commands] == ["CAPABILITY"] * 2


# -- TLS that fails for another reason than the certificate ------------------------------------------------------------


def test_a_server_without_tls_isnt_said_to_have_a_bad_certificate(scripted: Scripted, make_worker: MakeWorker) -> None:
    server = scripted([send("* OK IMAP without TLS"), close()], tls=None)
    said = make_worker(server, settings=QUICK).command("once")
    assert said.code == 69
    assert "this port doesn't speak TLS" in said.err
    assert "993" in said.err
    assert "certificate" not in said.err


# -- connections that end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "sent"])
def test_a_bye_after_each_idle_costs_few_logins_and_mail_still_gets_through(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, when: str
) -> None:
    goodbye: list[Action] = [Inject("* BYE Connection is closed. 13"), Cut()]
    if when == "before":
        proxy.on("^IDLE", *goodbye, times=None)
    else:
        proxy.on("^IDLE", *goodbye, when="sent", times=None)
    worker = make_worker(proxy, settings=QUICK)

    with worker.running():
        eventually(lambda: worker.events("idle.given_up"))
        for number in range(1, 4):
            dovecot.append_many("INBOX", letters(1, start=number))
            eventually(lambda number=number: len(worker.handed()) == number)  # type: ignore[misc] # bound at once

    assert dovecot.history == ["ok"] * 4
    assert [(event["losses"], event["wait"]) for event in worker.events("idle.given_up")] == [(3, 3600)]


# -- not connected -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["^SELECT", "^UID SEARCH", FETCH, "^UID MOVE", "^STATUS"])
def test_once_goes_on_when_the_server_doesnt_open_the_mailbox_for_a_moment(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, command: str
) -> None:
    dovecot.append_many("INBOX", letters(4))
    rule = proxy.on(command, NOT_CONNECTED)
    worker = make_worker(proxy, settings=QUICK)

    said = worker.command("once")

    assert rule.hit.is_set()
    assert (said.code, "4 handled" in said.err) == (0, True), said
    assert [event["error"]["class"] for event in worker.events("connection.lost")] == ["NotConnected"]
    assert dovecot.history == ["ok", "ok"]
    assert worker.status()["login"]["failures"] == 0


def test_once_gives_up_when_it_goes_on_and_says_what_to_do(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    proxy.on("^SELECT", NOT_CONNECTED, times=None)
    worker = make_worker(proxy, settings={"poll": {"reconnect": ["50ms", "100ms"]}})

    said = worker.command("once")

    assert said.code == 69
    assert "accepts the login but doesn't open the mailbox" in said.err
    assert "ask your Local Administrator whether IMAP is enabled" in said.err
    assert dovecot.history == ["ok"] * 3
    assert worker.status()["last_poll"]["ok"] is False


def test_run_goes_on_when_the_server_doesnt_open_the_mailbox_and_the_page_says_so(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    proxy.on("^SELECT", NOT_CONNECTED, times=2)
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker(proxy, settings=QUICK)
    with worker.running():
        eventually(lambda: worker.events("worker.recovered"))
    assert len(worker.handed()) == 2
    assert [event["trouble"] for event in worker.events("worker.recovered")] == ["not-connected"]
    assert dovecot.history == ["ok"] * 3


# -- the first connection of `once` ------------------------------------------------------------------------------------


def test_once_tries_a_refused_first_connection_again(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker(proxy, settings={"poll": {"reconnect": ["200ms"] * 40}})
    proxy.refuse()

    def come_back() -> None:
        eventually(lambda: len(worker.events("connection.lost")) >= 2)
        proxy.accept()

    coming = threading.Thread(target=come_back)
    coming.start()
    said = worker.command("once")
    coming.join()

    assert (said.code, "3 handled" in said.err) == (0, True), said
    assert {event["error"]["class"] for event in worker.events("connection.lost")} == {"ServerUnavailable"}
    assert dovecot.history == ["ok"]


@pytest.mark.parametrize(
    "first",
    [
        [close()],
        [close(reset=True)],
        [close(notify=True)],
        [send("* BYE Server Unavailable. 15"), close()],
        [send("* OK hel", upto=5), close()],
    ],
)
def test_once_tries_a_first_connection_that_ends_again(
    scripted: Scripted, make_worker: MakeWorker, first: list[Step]
) -> None:
    server = scripted(first, first)
    worker = make_worker(server, settings=QUICK)
    said = worker.command("once")
    assert (said.code, server.connections) == (69, 2)
    server.finish()
    server.faults.clear()
