"""`failed show` and `junk show` begin with why, from the journal; at a real mailbox, and without it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter
from tests.rig.ports import free_port
from tests.rig.worker import Worker

MakeWorker = Callable[..., Worker]
CODE = """
from pathlib import Path

def keep(text):
    Path("/dev/full").write_text(text)

def handle(message):
    keep("secret words")
"""
LINE = 1 + CODE.splitlines().index('    Path("/dev/full").write_text(text)')


@pytest.fixture(autouse=True)
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "ward_filing.py").write_text(CODE)
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("ward_filing", None)


def failing(make_worker: MakeWorker, *, isolate: bool) -> Worker:
    return make_worker(
        routes=[{"name": "all", "handlers": ["filing"], "waits": ["100ms"], "tries": 1}],
        settings={"handler.filing": {"use": "ward_filing:handle", "isolate": isolate}},
    )


@pytest.mark.parametrize("isolate", [False, True])
def test_it_begins_with_the_reason_the_handlers_own_line_and_the_command(
    dovecot: Mailbox, make_worker: MakeWorker, *, isolate: bool
) -> None:
    dovecot.append_many("INBOX", [letter(1)])
    worker = failing(make_worker, isolate=isolate)
    assert worker.once() == 1
    ((key, reason),) = worker.rows("SELECT key, reason FROM message")
    assert reason == "filing:OSError:ENOSPC"

    shown = worker.command("failed", "show", key[:6])

    assert shown.code == 0
    why, _, message = shown.out.partition(f"{key} in 'Failed'")
    assert why.startswith("The handler 'filing' failed with OSError: no space left on device.\n\n")
    lines = [line.strip() for line in why.splitlines()]
    assert f"Where:      line {LINE} of ward_filing" in lines
    assert "Tries:      1 failed try of the handler 'filing'" in lines
    assert "Free space on the disk that the handler writes to." in lines
    assert f'nhsmail-worker failed retry {key} --reason "…" --config {worker.config}' in lines
    assert "Headers:" in message
    (failed,) = worker.events("handler.failed")
    assert failed["where"] == f"ward_filing:{LINE}"
    assert failed["error"]["class"].endswith("OSError")
    told = {failed.get("errno"), failed["error"].get("errno")}
    assert "no space left on device" in told
    (dead,) = worker.events("message.dead_letter")
    assert (dead["key"], dead["handler"], dead["reason"]) == (key, "filing", "filing:OSError:ENOSPC")
    for stored in worker.rows("SELECT reason FROM delivery"):
        assert "secret" not in stored[0]


def test_why_is_told_where_the_mailbox_cannot_be_reached(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(settings={"junk": {"handlers": ["ledger"]}})
    assert worker.once() == 0
    ((key,),) = worker.rows("SELECT key FROM message")
    worker.configure(account={"port": free_port()})

    shown = worker.command("junk", "show", key)

    assert (shown.code, "can't be reached" in shown.err) == (69, True)
    assert shown.out.startswith("The message is junk: placement says junk-folder.\n")
    assert f'    nhsmail-worker junk release {key} --reason "…" --config {worker.config}\n' in shown.out
    assert "Headers:" not in shown.out
