"""What the worker minds about handlers, on a real mailbox: isolation, time, order, a target that is down, output."""

import contextlib
import json
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.mailbox import scanning
from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, letters
from tests.rig.ports import free_port
from tests.rig.worker import LEDGER, Worker, eventually

MakeWorker = Callable[..., Worker]
FAILING = "tests.rig.handlers:Failing"
POISON = "tests.rig.handlers:Poison"
TALKATIVE = "tests.rig.handlers:Talkative"


def route(*handlers: str, **more: Any) -> dict[str, Any]:
    return {"name": "all", "handlers": list(handlers), "waits": ["100ms"], "tries": 2, **more}


def poisoned(number: int, how: str) -> bytes:
    return letter(number, extra=f"X-Poison: {how}\r\n".encode())


def messages(worker: Worker) -> dict[str, int]:
    found = worker.status()["messages"]
    return {state: found[state] for state in ("pending", "handled", "failed")}


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_what_kills_or_hangs_an_isolated_handler_is_one_messages_failure(
    dovecot: Mailbox, make_worker: MakeWorker, how: str
) -> None:
    dovecot.append_many("INBOX", [*letters(4), poisoned(5, how), *letters(3, start=6)])
    isolated = {"use": POISON, "isolate": True, "time_limit": "500ms" if how == "hang" else "20s"}
    worker = make_worker(routes=[route("poison", "ledger")], settings={"handler.poison": isolated})

    assert worker.once() in (1, 75)  # its second try is due at once, or soon
    with worker.running():
        eventually(lambda: messages(worker) == {"pending": 0, "handled": 7, "failed": 1})

    word = "TimedOut" if how == "hang" else "Died"
    assert {line["reason"] for line in worker.events("message.dead_letter")} == {f"poison:{word}"}
    assert {(line["handler"], line["error"]["class"]) for line in worker.events("handler.failed")} == {("poison", word)}
    assert worker.events("message.suspects") == []  # the worker itself never died
    assert sorted(call.number for call in worker.handed()) == [1, 2, 3, 4, 6, 7, 8]


@pytest.mark.parametrize(
    ("how", "rules"),
    [
        ("error", {}),
        ("gzip", {}),
        ("gzip", {"isolate": True}),
        pytest.param("kill", {"isolate": True}, marks=pytest.mark.slow),
        pytest.param("hang", {"isolate": True, "time_limit": "500ms"}, marks=pytest.mark.slow),
    ],
)
def test_thirty_bad_messages_keep_no_good_one_from_their_handler(
    dovecot: Mailbox, make_worker: MakeWorker, how: str, rules: dict[str, Any]
) -> None:
    dovecot.append_many("INBOX", [*(poisoned(number, how) for number in range(1, 31)), *letters(5, start=31)])
    everything = [{"name": "all", "handlers": ["poison", "ledger"]}]  # with the tries and waits of the settings
    worker = make_worker(routes=everything, settings={"handler.poison": {"use": POISON, **rules}})

    assert worker.once() == 75

    assert sorted(call.number for call in worker.handed()) == [31, 32, 33, 34, 35]
    assert messages(worker) == {"pending": 30, "handled": 5, "failed": 0}
    assert worker.events("handler.paused") == []


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("isolate", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_thirty_messages_on_which_a_handler_hangs_delay_nobody_elses_for_longer_than_two_polls(
    dovecot: Mailbox, make_worker: MakeWorker, *, isolate: bool
) -> None:
    """With the default time limit of ten minutes, which none of them reaches here."""
    hostile = [letter(number, extra=b"X-Poison: hang\r\n") for number in range(1, 31)]
    dovecot.append_many("INBOX", [raw.replace(b"results@lab", b"somebody@else") for raw in hostile])
    dovecot.append_many("INBOX", letters(5, start=31))
    worker = make_worker(
        routes=[{"name": "all", "handlers": ["poison", "ledger"]}],
        settings={"handler.poison": {"use": POISON, "isolate": isolate}, "work": {"grace": "100ms"}},
    )
    process = worker.process("run")  # of its own: what it does with slow calls depends on the memory that it takes
    try:
        eventually(lambda: len(worker.handed()) == 5, seconds=2 * 60)  # two polls by default
    finally:
        process.kill()
        process.wait()
    assert sorted(call.number for call in worker.handed()) == [31, 32, 33, 34, 35]


@pytest.mark.slow
def test_an_isolated_handler_ends_with_a_worker_that_is_killed(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(routes=[route("ledger")], settings={"handler.ledger": {"isolate": True}})
    worker.hold.touch()
    process = worker.process("run")
    eventually(lambda: worker.begun() == 1)
    own = [pid for pid in children(process.pid) if "worker.handling.isolate.child" in command(pid)]
    assert own

    process.send_signal(signal.SIGKILL)
    process.wait()

    eventually(lambda: not any(command(pid) for pid in own))
    worker.hold.unlink()
    assert worker.once() == 0
    assert len(worker.handed()) == 1


def children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            found += map(int, (thread / "children").read_text().split())
    return found


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_a_call_over_its_time_is_told_and_others_go_on(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [poisoned(1, "hang"), *letters(5, start=2)])
    worker = make_worker(
        routes=[route("poison", "ledger")],
        settings={
            "handler.poison": {"use": POISON, "time_limit": "1s"},
            "work": {"threads": 1, "grace": "100ms"},
            "poll": {"every": "500ms", "idle": False},
        },
    )
    with worker.running():
        eventually(lambda: len(worker.handed()) == 5)
        time.sleep(0.7)  # longer than a poll: it isn't begun again

    (told,) = worker.events("handler.overdue")
    assert told["handler"] == "poison"
    assert messages(worker)["pending"] == 1


def test_a_handler_whose_target_is_down_is_paused_and_no_tries_are_spent(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(12))
    rules = {"use": FAILING, "times": 1, "how": "retry", "pause_after": 3, "pauses": ["2s"], "concurrency": 1}
    worker = make_worker(
        routes=[route("failing", "ledger", tries=3)], settings={"handler.failing": rules, "work": {"threads": 2}}
    )
    assert worker.once() == 75
    assert len(worker.events("handler.paused")) >= 1
    tries = [tries for (tries,) in worker.rows("SELECT tries FROM message ORDER BY id")]
    assert sorted(tries) == [0] * 9 + [1] * 3
    reasons = {reason for (reason,) in worker.rows("SELECT reason FROM message")}
    assert {"paused:failing"} <= reasons <= {"failing:Retry", "paused:failing"}  # those that failed may be due again
    worker.configure(**{"handler.failing": {"pauses": ["300ms"]}})
    with worker.running():
        eventually(lambda: messages(worker) == {"pending": 0, "handled": 12, "failed": 0})
    assert worker.reconcile()["unaccounted"] == 0


@pytest.mark.parametrize("isolate", [False, True])
def test_a_handler_whose_database_is_not_up_yet_stops_neither_the_start_nor_the_others(
    dovecot: Mailbox, make_worker: MakeWorker, isolate: bool
) -> None:
    dovecot.append_many("INBOX", letters(3))
    dovecot.append_many(JUNK, letters(2, start=4))
    port = free_port()
    listen = f"127.0.0.1:{free_port()}"
    late = {"use": "tests.rig.handlers:Connecting", "port": port, "isolate": isolate, "pauses": ["500ms"]}
    worker = make_worker(
        routes=[route("late", "ledger")],
        settings={"handler.late": late, "junk": {"handlers": ["ledger"]}, "health": {"listen": listen}},
    )

    checked = worker.command("check")
    assert (checked.code, "can't be started yet: ConnectionRefusedError" in checked.out) == (1, True)
    with worker.running():
        eventually(lambda: sorted(call.number for call in worker.handed()) == [4, 5])
        eventually(lambda: worker.status()["handlers_waiting"])
        (waiting,) = worker.status()["handlers_waiting"]
        assert (waiting["handler"], waiting["not_built"]) == ("late", "ConnectionRefusedError")
        assert "it can't be started yet (ConnectionRefusedError)" in worker.command("status").out
        assert "Handler late can&#39;t be started yet (ConnectionRefusedError)" in httpx.get(f"http://{listen}/").text
        assert {tries for (tries,) in worker.rows("SELECT tries FROM message WHERE state = 'pending'")} == {0}
        with socket.create_server(("127.0.0.1", port)):
            eventually(lambda: messages(worker) == {"pending": 0, "handled": 3, "failed": 0})
        eventually(lambda: worker.status()["handlers_waiting"] == [])

    assert {(line["handler"], line["error"]["class"]) for line in worker.events("handler.not_built")} == {
        ("late", "ConnectionRefusedError")
    }
    assert len(worker.events("handler.resumed")) == 1
    assert sorted(call.number for call in worker.handed()) == [1, 2, 3, 4, 5]


def test_a_senders_mail_goes_in_order_where_a_route_asks_for_it(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", letters(8))
    worker = make_worker(
        routes=[route("failing", "ledger", tries=5, order="sender")],
        settings={"handler.failing": {"use": FAILING, "times": 1}},
    )
    with worker.running():
        eventually(lambda: len(worker.handed()) == 8)

    assert [call.number for call in worker.handed()] == list(range(1, 9))
    stored = json.dumps(worker.rows("SELECT * FROM message"))
    assert "lab.example.org" not in stored


def test_mail_under_a_forged_name_holds_the_senders_own_for_the_routes_wait_at_most(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    forged, unsaid = scanning(said("fail") + letter(1)), scanning(letter(2))
    dovecot.append_many("INBOX", [forged, unsaid, said("pass") + letter(3), letter(4)])
    worker = make_worker(routes=[route("ledger", order="sender", order_wait="2s")])
    with worker.running():
        eventually(lambda: len(worker.handed()) == 2)

    assert [call.number for call in worker.handed()] == [3, 4]
    (overtaking,) = worker.events("message.overtakes")
    assert 2 <= overtaking["seconds"] < 10
    assert messages(worker) == {"pending": 2, "handled": 2, "failed": 0}


def said(word: str) -> bytes:
    """What the provider writes above a message whose sender it has checked."""
    return (
        b"Authentication-Results: dmarc=%s header.from=lab.example.org; compauth=%s reason=100\r\n"
        b"Received: from mail.example.org (192.0.2.1) by a.mail.protection.outlook.com; Mon, 5 Jan 2026 10:00 Z\r\n"
    ) % (word.encode(), word.encode())


@pytest.mark.slow
@pytest.mark.parametrize("isolate", [False, True])
def test_what_a_handler_prints_is_in_nobodys_log(dovecot: Mailbox, make_worker: MakeWorker, *, isolate: bool) -> None:
    dovecot.append_many("INBOX", letters(2))
    rules = {"use": TALKATIVE, "isolate": isolate}
    worker = make_worker(routes=[route("talkative")], settings={"handler.talkative": rules})

    answer = worker.installed("once")

    assert answer.code == 0, answer
    assert "Report" not in answer.out + answer.err
    assert "handler.printed" in answer.err
    assert "handler.threads_left" in answer.err or isolate


def test_a_handler_that_blocks_at_start_ends_it_with_its_name(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker(routes=[route("slow")], settings={"handler.slow": {"use": "slow_start:handle"}})
    (worker.folder / "slow_start.py").write_text(
        "import threading\nthreading.Event().wait()\ndef handle(message): ...\n"
    )
    worker.configure(work={"start": "200ms"})

    answer = worker.installed("run", PYTHONPATH=str(worker.folder))

    assert answer.code == 78
    assert "[handler.slow]" in answer.err
    assert "[work] start" in answer.err
    assert LEDGER not in answer.err
