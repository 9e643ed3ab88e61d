"""A running worker removes old messages from its archive: once, in the trail, and none that is still needed."""

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letter, letters
from tests.rig.worker import Worker, eventually
from worker.loop.removal import RETENTION
from worker.loop.steady_clock import CLOCK

MakeWorker = Callable[..., Worker]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
YEAR = 365 * 86_400.0
ROUTES = [
    {"name": "refused", "match": {"subject": "Report 9"}, "handlers": ["archive", "failing"]},
    {"name": "all", "handlers": ["archive", "ledger"]},
]
FAILING = {"use": "tests.rig.handlers:Failing", "how": "reject"}


def remember(worker: Worker, **facts: str) -> None:
    with closing(sqlite3.connect(worker.state / "journal.sqlite")) as connection, connection:
        for name, value in facts.items():
            connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (f"kept.{name}", value))


def announced_days_ago(worker: Worker) -> None:
    now = time.time()
    steady = {CLOCK: f"{now - 3 * 86_400!r} {now!r}"}
    told = {"archive": {"keep": YEAR, "begins_at": now - 86_400}}
    remember(worker, **steady, **{RETENTION: json.dumps(told)})


def make_old(folder: Path) -> None:
    """As if the message had been received and archived long ago."""
    mark = folder / "message.json"
    mark.write_text(json.dumps({**json.loads(mark.read_bytes()), "received_at": LONG_AGO.isoformat()}))
    os.utime(mark, (LONG_AGO.timestamp(),) * 2)


def folders(worker: Worker) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in worker.archive.glob("*/message.json")}


@pytest.mark.parametrize("isolate", [pytest.param(False, marks=pytest.mark.slow), True])
def test_old_messages_go_and_stay_handled(dovecot: Mailbox, make_worker: MakeWorker, isolate: bool) -> None:
    dovecot.append_many("INBOX", [*letters(4), letter(9)])
    table = {"use": "archive", "url": "", "remove_after": "365d"}
    if isolate:
        table["isolate"] = True  # type: ignore[assignment]  # a table of several types
    worker = make_worker(routes=ROUTES, settings={"handler.failing": FAILING})
    table["url"] = worker.archive.as_uri()
    worker.configure(**{"handler.archive": table})
    assert worker.once() == 1
    before = folders(worker)
    failed = {key for (key,) in worker.rows("SELECT key FROM message WHERE state = 'failed'")}
    assert (len(before), len(failed)) == (5, 1)
    handed = len(worker.handed())
    old = {*sorted(before.keys() - failed)[:3], *failed}
    for key in old:
        make_old(before[key])

    with worker.running():  # the first time it only says so
        eventually(lambda: worker.status()["last_poll"]["ok"])
    assert folders(worker).keys() == before.keys()

    announced_days_ago(worker)
    with worker.running():
        eventually(lambda: folders(worker).keys() == before.keys() - (old - failed))
        dovecot.append_many("INBOX", [letter(50)])
        eventually(lambda: len(folders(worker)) == 3)
    assert failed <= folders(worker).keys()
    assert list((worker.archive / ".removed").iterdir()) == []
    assert [line["count"] for line in worker.events("copies.removed")] == [3]

    said = worker.command("audit", "show", "--json").out.splitlines()
    lines: list[dict[str, Any]] = [json.loads(line) for line in said if line.startswith("{")]
    assert {line["key"] for line in lines if line.get("kind") == "copy.removed"} == old - failed
    assert worker.command("audit", "verify").code == 0
    assert worker.once() == 0
    assert len(worker.handed()) == handed + 1, "a message was handled again"
    assert worker.reconcile()["unaccounted"] == 0
