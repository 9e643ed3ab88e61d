"""What a real worker shows of itself, as a process: probes, metrics, page, alerts and audit trail, state by state."""

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters, spam
from tests.rig.ports import free_port
from tests.rig.watch import Window, receiver
from tests.rig.worker import COMMAND, Worker, eventually
from worker.logs.who import actor

MakeWorker = Callable[..., Worker]

JUNK_LEDGER = {"handlers": ["ledger"]}
SOON = ["0.2s"]
AT_ONCE = 15
"""Seconds, on a busy machine: less than the waits that would otherwise come (grace period, next poll, next login)."""


@contextlib.contextmanager
def running(worker: Worker, **environment: str) -> Iterator[tuple[Window, "subprocess.Popen[str]"]]:
    """The installed command's `run`, with its page on a port of its own."""
    window = Window(free_port())
    worker.configure(health={"listen": f"127.0.0.1:{window.port}"}, alerts={"every": "0.2s"})
    process = worker.process("run", **environment)
    try:
        eventually(lambda: window.code("/livez") == 200)
        yield window, process
    finally:
        process.terminate()
        process.wait(30)


def stopped(process: "subprocess.Popen[str]") -> float:
    """Seconds from a SIGTERM to the end."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    return time.monotonic() - began


def kinds(worker: Worker) -> list[str]:
    return [line["kind"] for line in audit(worker)]


def audit(worker: Worker) -> list[dict[str, Any]]:
    answer = worker.command("audit", "show", "--json")
    assert answer.code == 0, answer
    return [json.loads(line) for line in answer.out.splitlines()]


def test_a_worker_at_work(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [*letters(5), spam(6)])
    worker = make_worker(settings={"junk": JUNK_LEDGER})
    with running(worker) as (window, process):
        eventually(lambda: window.code("/readyz") == 200)
        eventually(lambda: window.metric('nhsmail_polls_total{outcome="good"}') >= 1)  # in which all were handled
        eventually(lambda: window.metric('nhsmail_messages{state="handled"}') == 5)
        assert window.metric('nhsmail_messages{state="junk"}') == 1
        assert window.metric('nhsmail_message_outcomes_total{outcome="handled",path="clean"}') == 5
        assert window.metric('nhsmail_message_outcomes_total{outcome="junk",path="junk"}') == 1
        assert window.metric('nhsmail_handler_seconds_count{handler="ledger"}') == 6
        assert window.metric('nhsmail_handler_results_total{handler="ledger",outcome="done"}') == 6
        assert window.metric('nhsmail_login_attempts_total{outcome="accepted"}') == 1
        assert window.metric("nhsmail_login_attempts_left") == 8
        assert window.metric("nhsmail_lease_held") == 1
        assert window.metric("nhsmail_journal_up") == 1
        assert 0 <= window.metric("nhsmail_last_good_poll_age_seconds") < 60
        page = window.ask("/").text
        assert "Working, " in page
        assert dovecot.address in page
        assert stopped(process) < AT_ONCE

    found = kinds(worker)
    assert found[:2] == ["worker.started", "configuration.loaded"]
    assert found.count("message.disposed") == 6
    assert [kind for kind in found if kind.startswith(("lease.", "login."))] == [
        "lease.taken",
        "login.attempted",
        "login.answered",
    ]
    assert found[-1] == "worker.stopped"
    verified = worker.command("audit", "verify")
    assert (verified.code, verified.out.splitlines()[-1]) == (0, f"{len(found)} lines in 1 chain, 0 findings.")


def test_a_worker_that_cools(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.set_password("Another-Harbour-93")
    worker = make_worker(settings={"lockout": {"waits": ["1h"]}})
    with running(worker) as (window, process):
        eventually(lambda: dovecot.attempts == 1 and "login-cooling" in window.ask("/readyz").text)
        assert window.code("/livez") == 200
        assert window.metric("nhsmail_login_attempts_left") == 7
        assert 3000 < window.metric("nhsmail_login_next_attempt_seconds") < 4000
        eventually(lambda: window.metric('nhsmail_login_attempts_total{outcome="rejected"}') == 1)
        page = window.ask("/").text
        assert "Waiting after 1 failed login." in page
        assert "11 of the account's 12 attempts are left, 7 of them for the worker." in page.replace("&#39;", "'")
        assert stopped(process) < AT_ONCE
    assert dovecot.attempts == 1


@pytest.mark.slow
def test_a_worker_that_halted_tells_once_and_goes_on_with_a_new_password(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.set_password("Another-Harbour-93")
    worker = make_worker(settings={"lockout": {"waits": SOON, "per_credential": 2}, "poll": {"every": "0.5s"}})
    with receiver() as received, running(worker, NHSMAIL_ALERTS__JSON_WEBHOOK=received.url) as (window, process):
        eventually(lambda: "login-halted" in window.ask("/readyz").text)
        assert window.code("/livez") == 200
        eventually(lambda: window.metric("nhsmail_login_halted") == 1)
        eventually(lambda: "Halted: the password was rejected 2 times." in window.ask("/").text)
        eventually(lambda: ("halted", "firing") in received.alerts())
        assert dovecot.attempts == 2

        (worker.folder / "password").write_text("Another-Harbour-93")
        eventually(lambda: window.code("/readyz") == 200)
        eventually(lambda: ("halted", "resolved") in received.alerts())
        assert process.poll() is None
    assert received.alerts().count(("halted", "firing")) == 1
    found = kinds(worker)
    assert "login.halted" in found
    assert found.index("login.resumed") > found.index("login.halted")


@pytest.mark.slow
def test_what_was_told_is_not_told_again_after_a_restart(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    routes = [{"name": "all", "handlers": ["no"], "tries": 1}]
    worker = make_worker(settings={"handler.no": {"use": "tests.rig.handlers:Failing", "how": "reject"}}, routes=routes)
    with receiver() as received:
        for _ in range(2):
            with running(worker, NHSMAIL_ALERTS__JSON_WEBHOOK=received.url) as (window, _process):
                eventually(lambda window=window: window.metric("nhsmail_dead_letters") == 1)  # type: ignore[misc]
                eventually(lambda: received.alerts())
                time.sleep(0.5)
        assert received.alerts() == [("dead-letters", "firing")]


@pytest.mark.slow
def test_a_pause_is_shown_and_audited(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker()
    with running(worker) as (window, _process):
        eventually(lambda: window.code("/readyz") == 200)
        assert worker.command("pause").code == 0
        eventually(lambda: f"Paused by {actor()}" in window.ask("/").text)
        eventually(lambda: window.metric("nhsmail_paused") == 1)
        assert window.code("/readyz") == 200
        assert worker.command("resume").code == 0
        eventually(lambda: "Paused" not in window.ask("/").text)
    assert {"worker.paused", "worker.resumed"} <= set(kinds(worker))


@pytest.mark.slow
def test_a_port_in_use_does_not_stop_the_mail(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(2))
    worker = make_worker()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        worker.configure(health={"listen": f"127.0.0.1:{other.getsockname()[1]}"})
        process = worker.process("run")
        try:
            eventually(lambda: len(worker.handed()) == 2)
        finally:
            assert stopped(process) < AT_ONCE
    assert "http.not_listening" in worker.process_log


def test_beyond_loopback_without_a_token_is_a_configuration_error(make_worker: MakeWorker) -> None:
    worker = make_worker(settings={"health": {"listen": "0.0.0.0:0"}})
    answer = worker.installed("run")
    assert answer.code == 78
    assert "token_file" in answer.err


def test_a_short_token_is_a_configuration_error(make_worker: MakeWorker, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("short")
    worker = make_worker(settings={"health": {"listen": f"0.0.0.0:{free_port()}", "token_file": str(token)}})
    answer = worker.installed("run")
    assert answer.code == 78
    assert "too short" in answer.err


def test_a_reason_that_is_no_utf8_is_taken_as_far_as_it_can_be_read(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [spam(1)])
    worker = make_worker()
    assert worker.once() == 0
    reason = b"seen by J\xfcrgen".decode("utf-8", "surrogateescape")  # as the command line has it
    (key,) = (line["key"] for line in audit(worker) if line["kind"] == "message.disposed")
    for command in (("login", "reset"), ("junk", "release", key), ("failed", "retry", key)):
        answer = worker.command(*command, "--reason", reason)
        assert answer.code in (0, 64), answer
    assert {line["words"] for line in audit(worker) if "words" in line} == {"seen by J?rgen"}


def test_a_changed_setting_is_audited_by_its_name(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker()
    assert worker.once() == 0
    worker.configure(poll={"every": "90s"}, limits={"depth": 40})
    assert worker.once() == 0
    changed = [line for line in audit(worker) if line["kind"] == "configuration.changed"]
    assert [line["setting"] for line in changed] == ["limits.depth", "poll.every"]


def test_tampering_is_found_by_the_command(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker()
    assert worker.once() == 0
    (trail,) = (worker.state / "audit").glob("*.jsonl")
    lines = trail.read_bytes().splitlines(keepends=True)
    trail.write_bytes(b"".join(lines[:-2]))
    answer = worker.command("audit", "verify")
    assert answer.code == 1
    assert "the end is missing" in answer.out


@pytest.mark.slow
@pytest.mark.parametrize("mirror", ["none", "stdout"])
def test_a_copy_of_the_trail_goes_to_standard_output(dovecot: Mailbox, make_worker: MakeWorker, mirror: str) -> None:
    worker = make_worker(settings={"audit": {"mirror": mirror}})
    answer = worker.installed("once")
    assert answer.code == 0
    assert ('"kind":"worker.started"' in answer.out) == (mirror == "stdout")
    said = worker.installed("reconcile", "--json")
    assert said.out.lstrip().startswith("{"), "what a person asked for isn't mixed with the trail"


def on_a_terminal(worker: Worker, *arguments: str) -> str:
    """What a command shows on a terminal, without colours; its exit code must be 0 or 1."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments, "--config", str(worker.config)],
        stdin=subprocess.DEVNULL,
        stdout=there,
        stderr=there,
        env=worker.environment(TERM="xterm", COLUMNS="200"),
    )
    os.close(there)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
        while data := os.read(here, 65536):
            shown += data
    os.close(here)
    assert process.wait(60) in (0, 1), shown
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


@pytest.mark.slow
def test_the_log_does_not_tear_the_progress_bar(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(30))
    handlers = {"handler.no": {"use": "tests.rig.handlers:Failing", "how": "reject"}, "log": {"format": "auto"}}
    worker = make_worker(settings=handlers, routes=[{"name": "all", "handlers": ["no"]}])
    shown = on_a_terminal(worker, "once")
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown)]
    told = [line for line in lines if "message.dead_letter" in line]
    assert len(told) == 30
    for line in told:
        assert re.match(r"\d{4}-\d\d-\d\dT\S+ \[error +\] message\.dead_letter", line), "a line begins with its time"
        assert "messages" not in line.replace("message.dead_letter", ""), "the bar isn't in it"
    assert "login.succeeded" not in shown, "on a terminal warnings and errors are enough"
    assert "30 failed" in shown
