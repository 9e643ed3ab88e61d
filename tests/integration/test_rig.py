"""The rig itself: other tests stand on it, so each thing that it claims to do is seen here."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from tests.rig.dovecot import Dovecot, Kept, Mailbox, Seed
from tests.rig.hearing import hear
from tests.rig.proxy import Answer, Call, Cut, Delay, Hold, Inject, Proxy, Rewrite
from tests.rig.scripted import (
    ScriptedServer,
    Step,
    answer,
    call,
    close,
    expect,
    greeting,
    hang,
    no_handshake,
    send,
    serve,
)
from tests.rig.tls import Authority

Server = Dovecot | Mailbox | Proxy | ScriptedServer
LETTER = b"Subject: A letter\r\n\r\n" + b"Text of the letter.\r\n" * 500


def connect(server: Server, timeout: float = 10) -> IMAPClient:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    return IMAPClient(server.host, server.port, ssl_context=context, timeout=timeout)


def logged_in(server: Server, mailbox: Mailbox, timeout: float = 10) -> IMAPClient:
    client = connect(server, timeout)
    client.login(mailbox.address, mailbox.password)
    return client


def try_password(server: Server, address: str, password: str) -> str:
    client = connect(server)
    try:
        client.login(address, password)
    except LoginError as error:
        return str(error)
    finally:
        client.shutdown()
    return "OK"


def read_to_the_end(plain: socket.socket) -> None:
    while plain.recv(65_536):
        pass


# -- Dovecot: mail


def test_seeded_messages_are_served_as_they_were_given(dovecot: Mailbox) -> None:
    messages = [b"Subject: %d\r\n\r\nText\r\n" % number for number in range(300)]
    assert dovecot.append_many("INBOX", messages) == 300
    with dovecot.client() as person:
        person.select_folder("INBOX", readonly=True)
        uids = person.search()
        fetched = person.fetch(uids, ["BODY.PEEK[]"])
    assert [fetched[uid][b"BODY[]"] for uid in uids] == messages
    assert dovecot.stored("INBOX") == messages


def test_seeds_carry_flags_and_times_into_any_folder(dovecot: Mailbox) -> None:
    arrived = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    dovecot.append_many("Befunde/Ärzte", [Seed(LETTER, flags="SF", received_at=arrived)])
    with dovecot.client() as person:
        person.select_folder("Befunde/Ärzte")
        [message] = person.fetch([1], ["FLAGS", "INTERNALDATE", "RFC822.SIZE"]).values()
    assert set(message[b"FLAGS"]) >= {b"\\Seen", b"\\Flagged"}
    assert message[b"INTERNALDATE"] == arrived
    assert message[b"RFC822.SIZE"] == len(LETTER)


def test_a_folder_is_put_back_with_its_numbers(dovecot: Mailbox) -> None:
    arrived = datetime(2025, 6, 1, 8, 30, tzinfo=UTC)
    seed = Seed(LETTER, flags="SF", received_at=arrived)
    dovecot.put_back("Befunde/Ärzte", Kept(uidvalidity=1234, uidnext=78, messages={7: seed, 12: Seed(LETTER)}))
    with dovecot.client() as client:
        selected = client.select_folder("Befunde/Ärzte")
        assert (selected[b"UIDVALIDITY"], selected[b"UIDNEXT"]) == (1234, 78)
        assert client.search() == [7, 12]
        first = client.fetch([7], ["FLAGS", "INTERNALDATE"])[7]
    assert {b"\\Seen", b"\\Flagged"} <= set(first[b"FLAGS"])
    assert first[b"INTERNALDATE"] == arrived


def test_mail_seeded_while_somebody_waits_ends_idle(dovecot: Mailbox) -> None:
    with dovecot.client() as person:
        person.select_folder("INBOX")
        person.idle()
        dovecot.append_many("INBOX", [LETTER])
        hear(person, b"* 1 EXISTS")
        person.idle_done()


def test_each_test_has_a_mailbox_of_its_own(dovecot_server: Dovecot, dovecot: Mailbox) -> None:
    other = dovecot_server.add_user("other.box@nhs.net", "Quiet-Meadow-17")
    other.append_many("INBOX", [LETTER])
    assert dovecot.stored("INBOX") == []
    assert dovecot_server.mailbox("other.box@nhs.net") == other


def test_renumbering_changes_uidvalidity(dovecot: Mailbox) -> None:
    dovecot.append_many("INBOX", [LETTER])
    with dovecot.client() as person:
        before = person.select_folder("INBOX")[b"UIDVALIDITY"]
    dovecot.renumber("INBOX")
    with dovecot.client() as person:
        answer = person.select_folder("INBOX")
    assert answer[b"UIDVALIDITY"] != before
    assert answer[b"EXISTS"] == 1


def test_the_junk_folder_is_marked_or_not(dovecot: Mailbox, make_dovecot: Callable[..., Dovecot]) -> None:
    def junk_flags(client: IMAPClient, name: str) -> set[bytes]:
        return next(set(flags) for flags, _, folder in client.list_folders() if folder == name)

    with dovecot.client() as person:
        assert b"\\Junk" in junk_flags(person, "Junk Email")
    with make_dovecot(junk="Spam", special_use=False).client() as person:
        assert b"\\Junk" not in junk_flags(person, "Spam")


# -- Dovecot: accounts


def test_the_twelfth_failure_locks_the_account(dovecot: Mailbox) -> None:
    for _ in range(11):
        assert "AUTHENTICATIONFAILED" in try_password(dovecot, dovecot.address, "wrong")
    assert (dovecot.attempts, dovecot.locked) == (11, False)
    try_password(dovecot, dovecot.address, "wrong")
    assert (dovecot.attempts, dovecot.locked) == (12, True)
    assert try_password(dovecot, dovecot.address, dovecot.password) != "OK"
    dovecot.unlock()
    assert try_password(dovecot, dovecot.address, dovecot.password) == "OK"
    assert (dovecot.attempts, dovecot.locked) == (0, False)
    assert dovecot.history == ["fail"] * 12 + ["locked", "unlock", "ok"]


def test_an_attempt_counts_when_the_client_leaves_before_the_answer(dovecot: Mailbox) -> None:
    context = ssl.create_default_context(cafile=str(dovecot.ca_file))
    plain = socket.create_connection((dovecot.host, dovecot.port), 10)
    with context.wrap_socket(plain, server_hostname=dovecot.host) as connection:
        connection.recv(1000)
        connection.sendall(f"a LOGIN {dovecot.address} wrong\r\n".encode())
    wait_for(lambda: dovecot.attempts == 1)


def test_a_success_starts_the_count_again(dovecot: Mailbox) -> None:
    for password in ("wrong", "wrong", dovecot.password, "wrong"):
        try_password(dovecot, dovecot.address, password)
    assert dovecot.attempts == 1


def test_the_password_changes_while_the_server_runs(dovecot: Mailbox) -> None:
    dovecot.set_password("Silver-Orchard-55")
    assert try_password(dovecot, dovecot.address, dovecot.password) != "OK"
    assert try_password(dovecot, dovecot.address, "Silver-Orchard-55") == "OK"


def test_moods(dovecot: Mailbox) -> None:
    said = {}
    for mood in ("tempfail", "disabled", "expired", "ok"):
        dovecot.set_mood(mood)
        said[mood] = try_password(dovecot, dovecot.address, dovecot.password)
    assert "UNAVAILABLE" in said["tempfail"]
    assert "AUTHENTICATIONFAILED" in said["disabled"]
    assert "EXPIRED" in said["expired"]
    assert said["ok"] == "OK"
    assert dovecot.history == ["disabled", "expired", "ok"]


def test_failures_are_answered_at_once(dovecot: Mailbox) -> None:
    start = time.monotonic()
    for _ in range(6):
        try_password(dovecot, dovecot.address, "wrong")
    assert time.monotonic() - start < 10  # by default each would take Dovecot two seconds


def test_tokens_are_judged_by_their_expiry_and_signature(dovecot: Mailbox) -> None:
    def try_token(token: str) -> str:
        client = connect(dovecot)
        try:
            client.oauth2_login(dovecot.address, token)
        except LoginError as error:
            return str(error)
        finally:
            client.shutdown()
        return "OK"

    assert try_token(dovecot.token()) == "OK"
    assert "AUTHENTICATIONFAILED" in try_token(dovecot.token(lasts=-5))
    assert "AUTHENTICATIONFAILED" in try_token(dovecot.token()[:-3] + "abc")
    assert "AUTHENTICATIONFAILED" in try_token(dovecot.server.token("somebody.else@nhs.net"))
    assert dovecot.attempts == 0


# -- Dovecot: the server


def test_sessions_are_killed_for_one_user_only(dovecot_server: Dovecot, dovecot: Mailbox) -> None:
    other = dovecot_server.add_user("second.box@nhs.net", "Quiet-Meadow-17")
    mine, theirs = dovecot.client(), other.client()
    for box in (dovecot, other):  # whose sessions are found in the log, which has them a moment after they have begun
        wait_for(lambda box=box: f"Logged in: user=<{box.address}>" in dovecot_server.log)  # type: ignore[misc]
    assert dovecot.kill_sessions() == 1
    with pytest.raises(IMAPClientAbortError):
        mine.noop()
    theirs.noop()
    assert other.kill_sessions(politely=True) == 1
    with pytest.raises(IMAPClientAbortError):
        theirs.noop()
    for client in (mine, theirs):
        client.shutdown()


def test_it_comes_back_with_port_mail_and_counts(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot()
    [address] = server.attempts or ["pathology.results@nhs.net"]
    server.append_many("INBOX", [LETTER])
    try_password(server, address, "wrong")
    for abruptly in (False, True):
        server.stop(abruptly=abruptly)
        with pytest.raises(OSError, match="refused"):
            connect(server)
        server.start()
        with server.client() as person:
            assert person.select_folder("INBOX")[b"EXISTS"] == 1
        assert server.history(address)[0] == "fail"


def test_nothing_is_left_of_a_closed_server(authority: Authority) -> None:
    with Dovecot({"pathology.results@nhs.net": "Bright-Harbour-92"}, authority=authority) as server:
        root = server.root
    assert not root.exists()
    assert not any(str(root).encode() in title for title in titles_of_processes())


def titles_of_processes() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            yield path.read_bytes()


def test_nothing_is_left_when_the_test_run_is_killed() -> None:
    run = (
        "import os, signal\n"
        "from tests.rig.dovecot import Dovecot\n"
        "server = Dovecot({'pathology.results@nhs.net': 'Bright-Harbour-92'})\n"
        "server.start()\n"
        "print(server.root, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    said = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, timeout=30, check=False)
    root = Path(said.stdout.strip())
    assert said.returncode == -signal.SIGKILL, said.stderr
    wait_for(lambda: not root.exists(), 30)


def test_a_server_that_cannot_start_says_why(authority: Authority) -> None:
    server = Dovecot({}, authority=authority, extra="no_such_setting = yes")
    with pytest.raises(RuntimeError, match="no_such_setting"):
        server.start()
    server.close()


def test_capabilities_are_taken_away_in_name_and_in_truth(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(without=("MOVE", "UIDPLUS", "IDLE"))
    server.append_many("INBOX", [LETTER, LETTER])
    with server.client() as client:
        assert not {b"MOVE", b"UIDPLUS", b"IDLE"} & set(client.capabilities())
        client.select_folder("INBOX")
        for command in ("UID MOVE 1 Drafts", "MOVE 1 Drafts", "UID EXPUNGE 1", "IDLE"):
            with pytest.raises(IMAPClientError, match="Unknown command"):
                client._imap._simple_command(*command.split())
        client.copy([1], "Drafts")
        assert client._imap.response("COPYUID")[1] in (None, [None])
    assert len(server.stored("INBOX")) == 2


# -- the proxy


def wait_for(happened: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_the_proxy_counts_and_records(proxy: Proxy, dovecot: Mailbox) -> None:
    dovecot.append_many("INBOX", [LETTER])
    with proxy.measure() as login, logged_in(proxy, dovecot) as client:
        client.select_folder("INBOX")
        with proxy.measure() as noop:
            client.noop()
        with proxy.measure() as fetch:
            client.fetch([1], ["BODY.PEEK[]"])
        client.capabilities()
        with proxy.measure() as idle:
            client.idle()
            client.idle_done()
        with proxy.measure() as append:
            client.append("Drafts", LETTER)
    assert login.connections == 1
    assert (noop.round_trips, noop.commands) == (1, ["NOOP"])
    assert 0 < noop.bytes_up < 40
    assert 0 < noop.bytes_down < 100
    assert fetch.round_trips == 1
    assert len(LETTER) < fetch.bytes_down < len(LETTER) + 200
    assert (idle.round_trips, idle.commands) == (2, ["IDLE", "DONE"])
    assert append.bytes_up > len(LETTER)


def test_the_proxy_records_no_credentials(proxy: Proxy, dovecot: Mailbox) -> None:
    with logged_in(proxy, dovecot):
        pass
    with connect(proxy) as client:
        client.plain_login(dovecot.address, dovecot.password)
    with connect(proxy) as client:
        client.oauth2_login(dovecot.address, dovecot.token())
    recorded = "\n".join(proxy.commands)
    assert "LOGIN (credentials)" in proxy.commands
    assert "AUTHENTICATE PLAIN (credentials)" in proxy.commands
    assert "AUTHENTICATE XOAUTH2 (credentials)" in proxy.commands
    assert dovecot.password not in recorded
    assert dovecot.address not in recorded
    assert all(len(word) < 20 for word in recorded.split())


@pytest.mark.parametrize(("when", "moved"), [("before", 0), ("answered", 1)])
def test_a_cut_before_or_after_the_server_did_it(proxy: Proxy, dovecot: Mailbox, when: Any, moved: int) -> None:
    dovecot.append_many("INBOX", [LETTER])
    rule = proxy.on(r"^UID MOVE", Cut(), when=when)
    with logged_in(proxy, dovecot) as client:
        client.select_folder("INBOX")
        with pytest.raises(IMAPClientAbortError):
            client.move([1], "Drafts")
        client.shutdown()
    assert rule.hits == 1
    with dovecot.client() as person:
        assert person.folder_status("Drafts")[b"MESSAGES"] == moved


def test_a_cut_after_a_command_was_sent(proxy: Proxy, dovecot: Mailbox) -> None:
    proxy.on(r"^LOGIN", Cut(), when="sent")
    assert "EOF" in try_password(proxy, dovecot.address, "wrong")
    wait_for(lambda: dovecot.attempts == 1)


def test_a_cut_inside_a_literal_or_after_some_bytes(proxy: Proxy, dovecot: Mailbox) -> None:
    dovecot.append_many("INBOX", [LETTER])
    proxy.on(r"^UID FETCH", Cut(), when="literal", offset=1000)
    for _ in range(2):
        client = logged_in(proxy, dovecot)
        client.select_folder("INBOX")
        with pytest.raises(IMAPClientAbortError), proxy.measure() as used:
            client.fetch([1], ["BODY.PEEK[]"])
        client.shutdown()
        assert 1000 <= used.bytes_down < 1100
        proxy.clear()
        proxy.cut_after(down=3000)
        proxy.on(r"^UID FETCH", Call(lambda: proxy.cut_after(down=1050)))


def test_a_reset_is_a_reset(proxy: Proxy, dovecot: Mailbox) -> None:
    for reset in (False, True):
        client = logged_in(proxy, dovecot)
        assert proxy.cut(reset=reset) == 1
        # below TLS, which takes a reset for an end of file at times
        with socket.socket(fileno=os.dup(client._imap.sock.fileno())) as plain:
            plain.settimeout(10)
            with pytest.raises(ConnectionResetError) if reset else contextlib.nullcontext():
                read_to_the_end(plain)
        client.shutdown()


def test_rules_skip_and_repeat(proxy: Proxy, dovecot: Mailbox) -> None:
    rule = proxy.on(r"^NOOP", Answer("{tag} NO not now"), skip=1, times=2)
    with logged_in(proxy, dovecot) as client:
        said = []
        for _ in range(4):
            try:
                client.noop()
                said.append("OK")
            except IMAPClientError:
                said.append("NO")
    assert said == ["OK", "NO", "NO", "OK"]
    assert rule.hits == 2
    assert rule.hit.is_set()


def test_answers_and_commands_are_rewritten(proxy: Proxy, dovecot: Mailbox) -> None:
    dovecot.append_many("INBOX", [LETTER])
    with logged_in(proxy, dovecot) as client:
        client.select_folder("INBOX")
        proxy.rewrite_answers(rb"RFC822\.SIZE \d+", b"RFC822.SIZE 7")
        assert client.fetch([1], ["RFC822.SIZE"])[1][b"RFC822.SIZE"] == 7
        proxy.clear()
        proxy.on(r"^STATUS", Rewrite(lambda command: command.replace("INBOX", "Drafts")))
        assert client.folder_status("INBOX", ["MESSAGES"])[b"MESSAGES"] == 0


def test_lines_are_injected(proxy: Proxy, dovecot: Mailbox) -> None:
    with logged_in(proxy, dovecot) as client:
        client.select_folder("INBOX")
        proxy.on(r"^NOOP", Inject("* 44 EXISTS"), when="answered")
        assert (44, b"EXISTS") in client.noop()[1]
        client.idle()
        proxy.inject("* 45 EXISTS")
        hear(client, b"* 45 EXISTS")
        client.idle_done()


def test_a_bye_and_a_cut(proxy: Proxy, dovecot: Mailbox) -> None:
    client = logged_in(proxy, dovecot)
    proxy.on(r"^NOOP", Inject("* BYE Session invalidated - AccessTokenExpired"), Cut(), when="sent")
    with pytest.raises(IMAPClientAbortError):
        client.noop()
    assert b"AccessTokenExpired" in client._imap.untagged_responses["BYE"][0]
    client.shutdown()


def test_delays_and_latency(proxy: Proxy, dovecot: Mailbox) -> None:
    def seconds(work: Callable[[], object]) -> float:
        start = time.monotonic()
        work()
        return time.monotonic() - start

    with logged_in(proxy, dovecot) as client:
        rule = proxy.on(r"^NOOP", Delay(0.2), when="sent")
        assert seconds(client.noop) >= 0.2
        client.noop()
        assert rule.hits == 1
        proxy.latency = 0.1
        assert seconds(client.noop) >= 0.1


def test_a_held_line_passes_nothing_until_let_go(proxy: Proxy, dovecot: Mailbox) -> None:
    line = Hold()
    client = logged_in(proxy, dovecot)
    client.socket().settimeout(0.3)
    proxy.on(r"^NOOP", line, when="sent")
    with pytest.raises(OSError, match="timed out"):
        client.noop()
    client.shutdown()
    line.until.set()
    with logged_in(proxy, dovecot) as client:
        client.noop()


def test_the_test_acts_at_an_exact_point(proxy: Proxy, dovecot: Mailbox) -> None:
    dovecot.append_many("INBOX", [LETTER])

    def take_away() -> None:
        with dovecot.client() as person:
            person.select_folder("INBOX")
            person.move([1], "Drafts")

    with logged_in(proxy, dovecot) as client:
        proxy.on(r"^STATUS", Call(take_away))
        assert client.folder_status("INBOX", ["MESSAGES"])[b"MESSAGES"] == 0


def test_what_a_call_raises_fails_the_test(authority: Authority, dovecot: Mailbox) -> None:
    proxy = Proxy(authority, (dovecot.host, dovecot.port))
    proxy.start()
    client = logged_in(proxy, dovecot)
    proxy.on(r"^NOOP", Call(lambda: 1 / 0))
    with pytest.raises(IMAPClientAbortError):
        client.noop()
    client.shutdown()
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        proxy.close()


def test_an_unreachable_server_comes_back(proxy: Proxy, dovecot: Mailbox) -> None:
    client = logged_in(proxy, dovecot)
    proxy.refuse()
    with pytest.raises((IMAPClientAbortError, OSError)):
        client.noop()
    client.shutdown()
    with pytest.raises(OSError, match="refused"):
        connect(proxy)
    proxy.accept()
    with logged_in(proxy, dovecot) as client:
        client.noop()
    wait_for(lambda: proxy.open_connections == 0)


def test_proxies_stand_before_any_server(make_proxy: Callable[..., Proxy], proxy: Proxy, dovecot: Mailbox) -> None:
    second = make_proxy(proxy)
    with logged_in(second, dovecot) as client:
        client.noop()
    assert proxy.commands == second.commands != []


# -- the scripted server


def test_a_script_that_is_kept_passes(scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted(
        [*greeting(), expect(r"\w+ LOGIN .*"), send("{tag} NO LOGIN failed."), close()],
        [
            send("* PREAUTH welcome"),
            serve({r"\w+ CAPABILITY": ["* CAPABILITY IMAP4rev1", "{tag} OK done"]}, until=r"\w+ NOOP"),
            *answer(r"\w+ NOOP", "* 3 EXISTS", "{tag} OK done"),
        ],
    )
    assert try_password(server, "pathology.results@nhs.net", "x") == "b'LOGIN failed.'"
    with connect(server) as client:
        client.capabilities()
        assert client.noop()[1] == [(3, b"EXISTS")]
    assert server.connections == 2
    assert server.commands[1].endswith('LOGIN pathology.results@nhs.net "x"')


def test_a_script_sees_continuations_and_literals(scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted([
        *greeting("IMAP4rev1 AUTH=XOAUTH2"),
        *answer(r"\w+ AUTHENTICATE XOAUTH2", "+ "),
        expect(r"\S{40,}"),
        send("+ eyJzdGF0dXMiOiI0MDAifQ=="),
        expect(r".*"),
        send("{tag} NO AUTHENTICATE failed."),
        *answer(r'\w+ APPEND "?Drafts"? .*A letter.*', "{tag} OK done"),
    ])  # fmt: skip
    with connect(server) as client:
        with pytest.raises(LoginError, match="AUTHENTICATE failed"):
            client.oauth2_login("pathology.results@nhs.net", "token")
        client._imap.state = "AUTH"
        client._imap.append("Drafts", None, None, LETTER)


@pytest.mark.parametrize(
    ("session", "complaint"),
    [
        ([*greeting(), expect(r"\w+ NOOP")], "expected .*NOOP.* got .*LOGIN"),
        ([*greeting(), *answer(r"\w+ LOGIN .*", "{tag} NO no"), expect(r"\w+ NOOP")], "steps left.*NOOP"),
        ([*greeting(), serve({r"\w+ NOOP": []})], "no answer for .*LOGIN"),
        (greeting(), "script was over, and then came .*LOGIN"),
        ([*greeting(), call(lambda: 1 / 0)], "ZeroDivisionError"),
    ],
)
def test_a_script_that_is_not_kept_fails(authority: Authority, session: list[Step], complaint: str) -> None:
    server = ScriptedServer(authority, session)
    with pytest.raises(AssertionError, match=complaint), server:
        assert try_password(server, "pathology.results@nhs.net", "x") != "OK"


def test_a_failed_test_is_told_of_the_script_too(authority: Authority) -> None:
    def fail() -> None:
        with ScriptedServer(authority, greeting()) as server:
            try_password(server, "pathology.results@nhs.net", "x")
            raise ValueError("first")

    with pytest.raises(ValueError, match="first") as caught:
        fail()
    assert "script was over" in caught.value.__notes__[0]


def test_connections_too_few_fail(authority: Authority) -> None:
    with pytest.raises(AssertionError, match="connection 1 never came"), ScriptedServer(authority, greeting()):
        pass


def test_connections_too_many_fail(authority: Authority) -> None:
    server = ScriptedServer(authority)
    with pytest.raises(AssertionError, match="connection 1 was one too many"), server, contextlib.suppress(OSError):
        connect(server)


def test_a_silent_client_fails(authority: Authority) -> None:
    server = ScriptedServer(authority, [*greeting(), expect(r".*")], patience=1)
    with pytest.raises(AssertionError, match="said nothing for 1 seconds"), server, connect(server):
        wait_for(lambda: bool(server.faults))


def test_it_hangs_until_told(scripted: Callable[..., ScriptedServer]) -> None:
    until = Event()
    server = scripted([hang()], [hang(until), *greeting()])
    with pytest.raises(OSError, match="timed out"):
        connect(server, timeout=0.2)
    Timer(0.1, until.set).start()
    connect(server).shutdown()


def test_a_close_is_an_end_of_file_even_with_bytes_unread(scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted([*greeting(), close()])
    assert "EOF" in try_password(server, "pathology.results@nhs.net", "x")


def test_a_scripted_reset_is_a_reset(scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted([send("* OK"), close(reset=True)], tls=None)
    # the reset may come before the connection is known to stand
    with pytest.raises(ConnectionResetError), socket.create_connection((server.host, server.port), 10) as plain:
        read_to_the_end(plain)


def test_plain_text_meets_a_handshake(scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted([send("* OK not TLS"), hang()], tls=None)
    with pytest.raises(ssl.SSLError):
        connect(server)


# -- certificates, and the fence around the tests


def test_certificates_are_checked(authority: Authority, scripted: Callable[..., ScriptedServer]) -> None:
    wrong_name = scripted([no_handshake()], tls=authority.server_context("mail.example.org"))
    expired = scripted([no_handshake()], tls=authority.server_context(not_after=datetime(2020, 1, 1, tzinfo=UTC)))
    for server, reason in ((wrong_name, "Hostname mismatch"), (expired, "expired")):
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            connect(server)


@pytest.mark.parametrize("way", ["connect", "connect_ex"])
def test_tests_stay_on_this_machine(way: str) -> None:
    with socket.socket() as outward, pytest.raises(AssertionError, match="loopback only"):
        getattr(outward, way)(("192.0.2.1", 993))
