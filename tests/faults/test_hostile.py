"""Hostile mail through the whole worker: all of it accounted for, each message shown to people, in bounded memory."""

import contextlib
import io
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.hostile import hostile
from tests.rig.dovecot import Mailbox
from tests.rig.worker import Worker
from worker.cli.tables import print_shown
from worker.commands.context import Context
from worker.commands.shown import Review
from worker.commands.wiring.from_settings import limits_of

MakeWorker = Callable[..., Worker]
HANDLERS = ["archive", "database", "ledger"]
RETRIES = {"tries": 2, "waits": ["20ms"]}
ROUTES = [
    # Rules that read parts come first, so that routing reads hostile names and types as well.
    {"name": "reports", "match": {"attachment": "*.pdf"}, "handlers": HANDLERS, "continue": True, **RETRIES},
    {"name": "disguised", "match": {"mismatched": True}, "handlers": HANDLERS, "continue": True, **RETRIES},
    {"name": "all", "handlers": HANDLERS, **RETRIES},
]
SETTINGS = {
    "poll": {"idle": False},
    "junk": {"handlers": ["quarantine"]},
    "log": {"level": "error"},
}
MEMORY = 512_000_000
"""What the main process may take, in bytes."""


def measured(worker: Worker, *arguments: str) -> tuple[int, int]:
    """Run the installed command. Returns its exit code and the most memory that it had, in bytes."""
    process, peak = worker.process(*arguments), 0
    while process.poll() is None:
        peak = max(peak, _most_memory(process))
        time.sleep(0.05)
    return process.wait(), peak


def _most_memory(process: "subprocess.Popen[str]") -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def numbers(messages: list[bytes]) -> Counter[int]:
    """The numbers in the first headers of hostile messages."""
    return Counter(int(found[1]) for raw in messages if (found := re.match(rb"Received: from x by y;.*\((\d+)\)", raw)))


def drained(worker: Worker) -> tuple[Counter[int], int]:
    """Drain the mailbox. Returns how often `once` ended with each exit code, and the most memory that it had.

    What claims that its attachment is still being scanned stays pending: it is looked at again after ten minutes.
    """
    ends, most = Counter[int](), 0
    pending = 1
    while pending:
        code, peak = measured(worker, "once")
        ends[code] += 1
        most = max(most, peak)
        assert set(ends) <= {0, 1, 75}, worker.process_log[-3_000:]
        assert ends.total() < 20, ends
        ((pending,),) = worker.rows(
            "SELECT count(*) FROM message WHERE state = 'pending' AND coalesce(reason, '') NOT LIKE 'stand-in:%'"
        )
    return ends, most


def hostile_mail(mailbox: Mailbox, worker: Worker, count: int) -> None:
    mailbox.append_many("INBOX", (hostile(number) for number in range(count)))
    started = time.monotonic()
    ends, peak = drained(worker)
    took = time.monotonic() - started

    balance = worker.reconcile()
    states = dict(worker.rows("SELECT state, count(*) FROM message GROUP BY state"))
    assert (balance["seen"], balance["unaccounted"], balance["missing"], balance["gone"]) == (count, 0, 0, 0)
    lying = {name: numbers(mailbox.stored(name)) for name in ("Processed", "Failed", "Junk Email", "INBOX")}
    assert sum(lying.values(), Counter()) == Counter(range(count))
    assert [sum(lying[name].values()) for name in lying] == [
        states.get(state, 0) for state in ("handled", "failed", "junk", "pending")
    ]
    assert numbers(worker.archived()) == lying["Processed"]
    assert len({call.key for call in worker.handed()}) == states["handled"]
    reasons = Counter(str(reason) for (reason,) in worker.rows("SELECT reason FROM message WHERE state = 'failed'"))
    assert all(reason.startswith("unparsed:MessageOverLimit:") for reason in reasons), reasons

    started = time.monotonic()
    show_each(worker, count)
    showing = time.monotonic() - started
    assert peak < MEMORY
    assert worker.command("audit", "verify").code == 0
    print(  # noqa: T201 -- the figures
        f"\n{count} hostile messages in {took:.0f} s, peak memory {peak / 1e6:.0f} MB, ends {dict(ends)}; {states}; "
        f"dead letters {dict(reasons)}; each shown, {showing / count * 1000:.0f} ms each"
    )


def show_each(worker: Worker, count: int) -> None:
    """Show each message as `junk show` and `failed show` do, on one login; and some by the commands themselves."""
    keys = dict(worker.rows("SELECT key, state FROM message ORDER BY id"))
    with Context.from_files(worker.config, os.environ) as context, context.visit() as (session, _):
        review = Review(limits_of(context.settings))
        records = context.parts.journal.messages.with_keys(list(keys))
        assert len(records) == count
        for record in records:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                assert print_shown(review.shown(session, record)) == 0
            assert "Headers:\n  Received: from x by y" in out.getvalue()
            out.getvalue().encode("utf-8")
    for key in list(keys)[:: count // 20]:
        answer = worker.command("junk" if keys[key] == "junk" else "failed", "show", key)
        assert (answer.code, answer.err, "Headers:\n  Received: from x" in answer.out) == (0, "", True), answer


@pytest.fixture
def worker(dovecot: Mailbox, make_worker: MakeWorker, tmp_path: Path) -> Worker:
    database = {"use": "database", "url": f"sqlite:///{tmp_path}/messages.db"}
    return make_worker(routes=ROUTES, settings=SETTINGS | {"handler.database": database})


@pytest.mark.slow
def test_hostile_mail_is_accounted_for_and_shown(dovecot: Mailbox, worker: Worker) -> None:
    hostile_mail(dovecot, worker, 300)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_ten_thousand_hostile_messages(dovecot: Mailbox, worker: Worker) -> None:
    hostile_mail(dovecot, worker, 10_000)
