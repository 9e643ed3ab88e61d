"""What the worker minds about handlers, on a real mailbox: isolation, time, order, a target that is down, output."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letter, letters
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
            "handler.poison": {"use": POISON, "time_limit": "200ms"},
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
    rules = {"use": FAILING, "times": 1, "pause_after": 3, "pauses": ["300ms"], "concurrency": 1}
    worker = make_worker(
        routes=[route("failing", "ledger", tries=3)], settings={"handler.failing": rules, "work": {"threads": 2}}
    )
    assert worker.once() == 75
    assert len(worker.events("handler.paused")) >= 1
    tries = [tries for (tries,) in worker.rows("SELECT tries FROM message ORDER BY id")]
    assert sorted(tries) == [0] * 9 + [1] * 3
    assert {reason for (reason,) in worker.rows("SELECT reason FROM message")} == {
        "failing:ValueError",
        "paused:failing",
    }
    with worker.running():
        eventually(lambda: messages(worker) == {"pending": 0, "handled": 12, "failed": 0})
    assert worker.reconcile()["unaccounted"] == 0


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
