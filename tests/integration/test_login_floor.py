"""The login guard's ground floor against a server that counts: no attempt that isn't in the journal, none too many."""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.proxy import Answer, Cut, Proxy, When
from tests.rig.scripted import ScriptedServer, close, send
from tests.rig.worker import Worker, eventually

MakeWorker = Callable[..., Worker]
WRONG = "Broken-Lantern-47"


def quick(**lockout: Any) -> dict[str, dict[str, Any]]:
    return {
        "lockout": {"waits": ["100ms"], "jitter": 0.0, "per_credential": 8, **lockout},
        "poll": {"every": "200ms", "reconnect": ["50ms"]},
    }


def password(worker: Worker, text: str) -> None:
    (worker.folder / "password").write_text(text)


def attempts(worker: Worker) -> int:
    return int(worker.rows("select count(*) from attempt where kind = 'password'")[0][0])


def test_once_with_a_wrong_password_is_75_until_it_is_77(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker(settings=quick())
    password(worker, WRONG)

    codes: list[int] = []
    while 77 not in codes and len(codes) < 20:
        codes.append(worker.once())
        time.sleep(0.15)

    assert codes == [75] * 7 + [77]
    assert dovecot.history == ["fail"] * 8
    assert attempts(worker) == 8
    assert not dovecot.locked
    for _ in range(3):
        answer = worker.command("once")
        assert answer.code == 77
        assert "Local Administrator" in answer.err
    assert dovecot.attempts == 8
    status = worker.status()["login"]
    assert (status["state"], status["failures"], status["remaining"]) == ("halted", 8, 0)


def test_cooling_once_makes_no_connection(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy, settings=quick(waits=["10m"]))
    password(worker, WRONG)

    assert [worker.once(), worker.once(), worker.once()] == [75, 75, 75]

    assert proxy.traffic.connections == 1
    assert dovecot.history == ["fail"]
    status = worker.status()["login"]
    assert (status["state"], status["failures"], status["remaining"]) == ("cooling", 1, 7)
    assert status["next_attempt_at"] is not None


def test_run_stays_alive_waits_and_goes_on_with_the_right_password(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker(settings=quick(waits=["300ms", "600ms", "10m"]))
    password(worker, WRONG)

    with worker.running() as running:
        eventually(lambda: len(dovecot.history) == 3)
        assert running.alive
        password(worker, dovecot.password)
        eventually(lambda: len(worker.handed()) == 2)

    assert dovecot.history == ["fail", "fail", "fail", "ok"]
    assert attempts(worker) == 4
    sent = [row[0] for row in worker.rows("select at from attempt order by number")]
    waits = [later - earlier for earlier, later in pairwise(sent)]
    assert waits[0] >= 0.3
    assert waits[1] >= 0.6
    assert worker.status()["login"]["failures"] == 0


def test_run_that_is_halted_stays_alive_and_sends_nothing(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    worker = make_worker(proxy, settings=quick(waits=["20ms"], per_credential=3))
    password(worker, WRONG)

    with worker.running() as running:
        eventually(lambda: worker.events("login.halted"))
        connections = proxy.traffic.connections
        time.sleep(1)
        assert running.alive
        assert proxy.traffic.connections == connections

    assert dovecot.history == ["fail"] * 3
    assert worker.status()["login"]["state"] == "halted"


@pytest.mark.parametrize("when", ["sent", "answered"])
def test_an_answer_that_is_lost_counts(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, when: When) -> None:
    proxy.on("^LOGIN|^AUTHENTICATE", Cut(), when=when)
    worker = make_worker(proxy, settings=quick(waits=["10m"]))

    assert worker.once() == 75

    assert attempts(worker) == 1
    status = worker.status()["login"]
    assert (status["failures"], status["remaining"]) == (1, 7)
    assert worker.once() == 75
    assert attempts(worker) == 1


def test_a_server_that_asks_for_no_pause_sets_no_pace(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    text = "{tag} NO Request is throttled. Suggested Backoff Time: 0 milliseconds"
    rule = proxy.on("^LOGIN", Answer(text), times=None)
    settings = quick()
    settings["poll"] = {"every": "50ms", "reconnect": ["400ms", "800ms", "1h"]}
    worker = make_worker(proxy, settings=settings)

    with worker.running() as running:
        eventually(lambda: len(worker.events("login.rejected")) == 3)
        time.sleep(0.5)
        assert running.alive

    sent = [row[0] for row in worker.rows("select at from attempt order by number")]
    assert len(sent) == 3
    assert sent[1] - sent[0] >= 0.4
    assert sent[2] - sent[1] >= 0.8
    status = worker.status()["login"]
    assert (status["state"], status["failures"], status["reason"]) == ("cooling", 0, "throttled")
    rule.remove()


def test_a_bye_in_place_of_the_answer_counts_whatever_it_says(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    proxy.on("^LOGIN", Answer("* BYE [UNAVAILABLE] Server Unavailable. 15"), Cut())
    worker = make_worker(proxy, settings=quick(waits=["10m"]))

    assert [worker.once(), worker.once()] == [75, 75]

    status = worker.status()["login"]
    assert (status["state"], status["failures"], status["remaining"]) == ("cooling", 1, 7)


def test_a_reset_needs_a_reason(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker(settings=quick())
    for reason in ("", "   "):
        answer = worker.command("login", "reset", "--reason", reason)
        assert (answer.code, "audit trail" in answer.err) == (64, True), answer
    assert worker.once() == 0
    assert worker.rows("select kind from attempt") == [("password",)]


def test_a_success_is_the_login_and_the_first_command(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    proxy.on("^LIST", Answer("{tag} BAD User is authenticated but not connected."))
    worker = make_worker(proxy, settings=quick(waits=["100ms"]))

    assert worker.once() == 69
    assert worker.status()["login"]["failures"] == 1
    time.sleep(0.15)
    assert worker.once() == 0
    assert worker.status()["login"]["failures"] == 0


def test_what_fails_before_the_credential_is_sent_spends_nothing(
    scripted: Callable[..., ScriptedServer], dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    ends = ([send("* BYE busy"), close()], [close()], [send("nonsense"), close()])
    server = scripted(*(end for end in ends for _ in range(2)))  # each `once` tries it twice
    worker = make_worker(server, settings=quick())

    codes = [worker.once() for _ in range(3)]

    assert set(codes) <= {69, 70, 75}
    assert not any("LOGIN" in command for command in server.commands)
    assert worker.status()["login"]["failures"] == 0


def test_a_password_that_breaks_the_policy_is_not_sent(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy, settings=quick())
    password(worker, "short")

    answer = worker.command("once")

    assert answer.code == 77
    assert "short" not in answer.err.split()
    assert (proxy.traffic.connections, dovecot.history) == (0, [])


def test_no_password_anywhere_is_a_fault_of_the_configuration(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    worker = make_worker(proxy)
    worker.configure(account={"password_file": None})

    assert worker.once() == 78
    assert proxy.traffic.connections == 0


def test_check_connect_logs_in_once_and_never_with_the_last_attempt(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    worker = make_worker(proxy, settings=quick(waits=["10ms"], per_credential=2))
    answer = worker.command("check", "--connect")
    assert answer.code == 0, answer
    assert dovecot.history == ["ok"]
    assert "Processed" in answer.out
    password(worker, WRONG)

    assert worker.command("check", "--connect").code == 75
    time.sleep(0.05)
    assert worker.command("check", "--connect").code in {75, 77}
    assert worker.command("reconcile").code in {75, 77}

    assert dovecot.history == ["ok", "fail"]


def test_the_password_is_in_no_file_and_no_output(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker(settings=quick(waits=["10ms"]))
    password(worker, WRONG)
    said = [worker.command("once"), worker.command("status"), worker.command("check", "--connect")]
    password(worker, dovecot.password)
    said.append(worker.command("once"))

    for secret in (WRONG, dovecot.password):
        assert not any(secret in answer.out + answer.err for answer in said)
        holders = [
            path.name
            for path in worker.folder.parent.rglob("*")
            if path.is_file() and secret.encode() in path.read_bytes()
        ]
        assert holders in ([], ["password"])
