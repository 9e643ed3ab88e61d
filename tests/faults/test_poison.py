"""Many messages, one in a hundred of them poison of some kind, killed again and again: all are accounted for."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.forks import Forks
from tests.rig.letters import letter
from tests.rig.messages import UNPARSABLE
from tests.rig.worker import Worker

MakeWorker = Callable[..., Worker]
DEADLY = ("exit", "kill")
KINDS = (*DEADLY, "memory", "recursion", "hang", "malformed")
RETRIES = {"tries": 2, "waits": ["20ms"]}
ROUTES = [
    # What hangs in a thread is waited for, for ever: only a process of its own can be ended.
    {
        "name": "hangs",
        "match": {"header": {"X-Poison": "hang"}},
        "handlers": ["hanging", "archive", "ledger"],
        **RETRIES,
    },
    {"name": "all", "handlers": ["poison", "archive", "ledger"], **RETRIES},
]
SETTINGS = {
    "poll": {"every": "1s", "idle": False, "batch_count": 50},
    "work": {"grace": "200ms", "threads": 4},
    "lockout": {"waits": ["1ms"], "jitter": 0.0, "threshold": 50, "per_credential": 40},
    "handler.poison": {"use": "tests.rig.handlers:Poison"},
    "handler.hanging": {"use": "tests.rig.handlers:Poison", "isolate": True, "time_limit": "500ms"},
    "handler.archive": {"attachments": True},
    "log": {"level": "error"},
}


@pytest.fixture
def dovecot(elsewhere: Mailbox) -> Mailbox:
    """These tests lose more logins in a row than the guard allows for an account of NHSmail."""
    return elsewhere


def message(number: int, kind: str | None) -> bytes:
    if kind == "malformed":
        return b"Message-ID: <%d@lab.example.org>\r\nX-Number: %d\r\n" % (number, number) + UNPARSABLE
    return letter(number, extra=b"" if kind is None else b"X-Poison: %s\r\n" % kind.encode())


def poisoned(mailbox: Mailbox, worker: Worker, folder: Path, *, messages: int, poison: int, kills: int) -> None:
    chance = random.Random(messages)
    where = dict(zip(chance.sample(range(1, messages + 1), poison), [*KINDS] * poison, strict=False))
    sent = {number: message(number, where.get(number)) for number in range(1, messages + 1)}
    mailbox.append_many("INBOX", sent.values())
    began, starts, killed, ends = time.monotonic(), 0, 0, Counter[int]()
    with Forks(folder) as forks:
        while True:
            starts += 1
            pid = forks.start("once", "--config", str(worker.config))
            if killed < kills and chance.random() < 0.5:
                time.sleep(chance.uniform(0.2, 3.0))
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                killed += 1
            code = forks.wait(pid)
            ends[code] += 1
            if code in (0, 1) and killed >= kills and not worker.status()["messages"]["pending"]:
                break  # 1 says that something was dead-lettered, also where tries are still due
            assert code in (0, 1, 3, 75, -signal.SIGKILL), forks.log[-2000:]
            assert starts < 100 + kills * 3 + poison * 5, ends
    took = time.monotonic() - began

    calls = Counter(call.number for call in worker.handed())
    deaths = dict(worker.rows("SELECT fingerprint, deaths FROM message WHERE state = 'failed'"))
    reasons = Counter(reason for (reason,) in worker.rows("SELECT reason FROM message WHERE state = 'failed'"))
    print(  # noqa: T201 -- the figures
        f"\n{messages} messages, {poison} of them poison; {took:.0f} s, {starts} starts, {killed} kills from outside, "
        f"ends {dict(ends)}; dead letters {dict(reasons)}; handed over more than once: "
        f"{sum(count > 1 for count in calls.values())} of {len(calls)}"
    )
    balance = worker.reconcile()
    assert {name: balance[name] for name in ("seen", "handled", "failed", "unaccounted", "missing")} == {
        "seen": messages,
        "handled": messages - poison,
        "failed": poison,
        "unaccounted": 0,
        "missing": 0,
    }
    assert mailbox.stored("INBOX") == []
    assert Counter(mailbox.stored("Failed")) == Counter(sent[number] for number in where)
    good = Counter(raw for number, raw in sent.items() if number not in where)
    assert Counter(mailbox.stored("Processed")) == good
    assert Counter(worker.archived()) == good
    assert sum(count >= 3 for count in deaths.values()) == reasons["poison"]
    assert reasons["poison"] >= sum(kind in DEADLY for kind in where.values())


@pytest.mark.slow
def test_poison_ends_as_a_dead_letter_and_its_neighbours_do_not(
    dovecot: Mailbox, make_worker: MakeWorker, tmp_path: Path
) -> None:
    poisoned(dovecot, make_worker(routes=ROUTES, settings=SETTINGS), tmp_path, messages=60, poison=6, kills=1)


MESSAGES = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else 2_000


@pytest.mark.long
@pytest.mark.timeout(MESSAGES)
def test_many_messages_killed_again_and_again(dovecot: Mailbox, make_worker: MakeWorker, tmp_path: Path) -> None:
    worker = make_worker(routes=ROUTES, settings=SETTINGS)
    poisoned(dovecot, worker, tmp_path, messages=MESSAGES, poison=MESSAGES // 100, kills=MESSAGES // 400)
