"""`handle`: a message that was handled is handled again on a person's word, beside a running worker and without one."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, spam
from tests.rig.worker import Answer, Worker, eventually

MakeWorker = Callable[..., Worker]
BOTH: list[dict[str, Any]] = [{"name": "all", "handlers": ["archive", "ledger"]}]
DONE, FINDING, USAGE = 0, 1, 64


def key_of(worker: Worker, state: str = "handled") -> str:
    ((key,),) = worker.rows(f"SELECT key FROM message WHERE state = '{state}'")  # noqa: S608 -- a word of ours
    return str(key)


def handle(worker: Worker, *arguments: str) -> Answer:
    return worker.command("handle", *arguments, "--reason", "the archive was lost")


def archived(worker: Worker) -> dict[str, bytes]:
    """What lies in each complete folder of the archive, by its name."""
    return {
        path.parent.name: (path.parent / "message.eml").read_bytes() for path in worker.archive.glob("*/message.json")
    }


@pytest.fixture
def worker(dovecot: Mailbox, make_worker: MakeWorker) -> Worker:
    """A worker that has handled one message."""
    dovecot.append_many("INBOX", [letter(1)])
    worker = make_worker(routes=BOTH, settings={"poll": {"every": "0.5s"}})
    assert worker.once() == DONE
    return worker


def test_without_a_running_worker_the_next_run_handles_it(dovecot: Mailbox, worker: Worker) -> None:
    key = key_of(worker)
    answer = worker.installed("handle", key[:8].upper(), "--reason", "the archive was lost")
    assert (answer.code, answer.err) == (DONE, "")
    line = f"--config {worker.config}"
    said = f"the next `nhsmail-worker run {line}` or `nhsmail-worker once {line}`"
    assert answer.out == f"1 message is handled again by {said}.\n"
    assert worker.status()["messages"]["pending"] == 1
    assert len(dovecot.stored("Processed")) == 1, "it stays where it lies"
    assert worker.once() == DONE
    assert archived(worker) == {key: letter(1), f"{key}.1": letter(1)}
    told = json.loads((worker.archive / f"{key}.1" / "message.json").read_text())
    assert (told["key"], told["redelivery"], told["folder"]) == (key, 1, "Processed")
    assert [call.number for call in worker.handed()] == [1, 1]
    assert (dovecot.stored("INBOX"), len(dovecot.stored("Processed"))) == ([], 1)
    balance = worker.reconcile()
    assert (balance["handled"], balance["unaccounted"], balance["missing"]) == (1, 0, 0)
    trail = worker.command("audit", "show").out
    assert re.search(rf"message\.handled_again.*{key}", trail)
    assert "the archive was lost" in trail
    assert worker.command("audit", "verify").code == DONE


def test_beside_a_running_worker_its_next_poll_handles_it(worker: Worker) -> None:
    key = key_of(worker)
    with worker.running():
        eventually(lambda: worker.status()["lease"]["holder"], what="the lease")
        answer = handle(worker, key, "--only", "archive")
        assert (answer.code, answer.out) == (
            DONE,
            "1 message is handled again by the running worker, at its next poll.\n",
        )
        eventually(lambda: f"{key}.1" in archived(worker))
        eventually(lambda: worker.status()["messages"]["pending"] == 0)
    assert len(worker.handed()) == 1, "the ledger wasn't named"
    assert worker.rows("SELECT redelivery, only_handler FROM message") == [(1, "archive")]


def test_what_cannot_be_handled_again_is_said_and_nothing_is_done(
    dovecot: Mailbox, worker: Worker, tmp_path: Path
) -> None:
    dovecot.append_many("INBOX", [spam(2)])
    assert worker.once() == DONE
    handled, junk = key_of(worker), key_of(worker, "junk")
    said = handle(worker, handled, "--only", "archiv")
    assert (said.code, said.err) == (
        USAGE,
        "No route of clean mail has the handler 'archiv'. Nothing was done. There are: archive, ledger.\n",
    )
    said = handle(worker, junk)
    assert said.code == USAGE
    assert f"The message {junk} is junk. Nothing was done." in said.err
    assert f"`nhsmail-worker junk release {junk} --reason TEXT --config {worker.config}`" in said.err
    assert "add `--only HANDLER` (quarantine)" in said.err
    said = handle(worker, "zzzzzzzz")
    assert said.code == USAGE
    assert "No message has the key zzzzzzzz." in said.err
    assert "The journal forgets a message" in said.err
    with dovecot.client() as person:
        person.select_folder("Processed")
        person.delete_messages(person.search())
        person.expunge()
    said = handle(worker, handled)
    assert said.code == FINDING, said.err
    gone = f"The message {handled} is no longer where the worker left it. Somebody has moved or deleted it."
    assert said.err == f"{gone} Nothing was done.\n"
    assert worker.rows("SELECT count(*) FROM intent") == [(0,)]
    assert "handled_again" not in worker.command("audit", "show").out
    assert worker.reconcile()["missing"] == 1


def test_a_handler_outside_the_messages_own_route_is_refused(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many("INBOX", [letter(1)])
    rare = {"name": "rare", "match": {"subject": "Nobody writes this"}, "handlers": ["ledger"]}
    worker = make_worker(routes=[rare, {"name": "all", "handlers": ["archive"]}])
    assert worker.once() == DONE
    key = key_of(worker)
    said = handle(worker, key, "--only", "ledger")
    assert (said.code, said.err) == (
        USAGE,
        f"The route of the message {key} doesn't have the handler 'ledger'. Nothing was done. It has: archive.\n",
    )
    assert worker.rows("SELECT count(*) FROM intent") == [(0,)]


def test_while_the_worker_is_paused_it_waits(worker: Worker) -> None:
    key = key_of(worker)
    assert worker.command("pause").code == DONE
    answer = handle(worker, key)
    assert (answer.code, answer.out) == (
        DONE,
        f"The worker is paused. 1 message is handled again after `nhsmail-worker resume --config {worker.config}`.\n",
    )
    assert worker.status()["messages"]["pending"] == 0
    assert worker.command("resume").code == DONE
    assert worker.once() == DONE
    assert set(archived(worker)) == {key, f"{key}.1"}


def test_junk_goes_again_to_a_handler_of_junk(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    dovecot.append_many(JUNK, [letter(1)])
    worker = make_worker(routes=BOTH, settings={"junk": {"handlers": ["ledger"]}})
    assert worker.once() == DONE
    assert handle(worker, key_of(worker, "junk"), "--only", "ledger").code == DONE
    assert worker.once() == DONE
    assert [call.path for call in worker.handed()] == ["junk", "junk"]
    assert archived(worker) == {}
    assert worker.rows("SELECT state, path, redelivery FROM message") == [("junk", "junk", 1)]
