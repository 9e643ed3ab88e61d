"""The drill: a backup beside a running worker, more mail, the state folder lost, and back as the upgrade page says."""

import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, letters, spam
from tests.rig.worker import Answer, Worker, eventually

MakeWorker = Callable[..., Worker]
PAGE = Path(__file__).parents[2] / "docs" / "upgrade.md"
ROUTES = [
    {"name": "refused", "match": {"subject": "Report 9*"}, "handlers": ["failing"]},
    {"name": "all", "handlers": ["ledger", "archive"]},
]
SETTINGS = {
    "handler.failing": {"use": "tests.rig.handlers:Failing", "how": "reject"},
    "poll": {"every": "0.3s"},
    "lockout": {"waits": ["1ms"]},
}


def restore_commands(copy: Path, state: Path) -> list[str]:
    """What the page tells a person to type, with the paths of this test."""
    typed = re.findall(r"^ {8}(\S.*)$", PAGE.read_text().partition("## Restore")[2].partition("\n## ")[0], re.MULTILINE)
    assert len(typed) == 6
    places = {"/srv/backup/nhsmail-worker-20261127T090000Z": copy, "/var/lib/nhsmail-worker": state}
    for there, here in places.items():
        typed = [line.replace(there, str(here)) for line in typed]
    return typed


def typed_by_a_person(worker: Worker, line: str) -> Answer:
    program, *arguments = shlex.split(line)
    if program == "nhsmail-worker":
        return worker.command(*arguments)
    ended = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return Answer(ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.slow
def test_a_state_folder_that_was_lost_comes_back(dovecot: Mailbox, make_worker: MakeWorker, tmp_path: Path) -> None:
    dovecot.append_many("INBOX", [*letters(3), letter(9), spam(4)])
    worker = make_worker(routes=ROUTES, settings=SETTINGS)
    assert worker.once() == 1
    worker.hold.touch()
    dovecot.append_many("INBOX", letters(1, start=10))
    process = worker.process("run")
    eventually(lambda: worker.begun() == 4)

    backup = worker.command("journal", "backup", str(tmp_path / "backups"))
    assert (backup.code, backup.err) == (0, "")
    [copy] = (tmp_path / "backups").glob("nhsmail-worker-*")

    worker.hold.unlink()  # what was in hand meanwhile comes to its end, and more comes
    dovecot.append_many("INBOX", [*letters(3, start=20), letter(91), spam(5)])
    eventually(lambda: len(dovecot.stored("Processed")) == 7 and len(dovecot.stored("Failed")) == 2)
    eventually(lambda: len(dovecot.stored(JUNK)) == 2)
    process.kill()
    process.wait()
    rmtree(worker.state)
    dovecot.append_many("INBOX", letters(1, start=30))

    made, logins = len(worker.handed()), len(dovecot.history)
    commands = restore_commands(copy, worker.state)
    said = {}
    for number, line in enumerate(commands):
        answer = typed_by_a_person(worker, line)
        assert answer.code == 0, (line, answer)
        said[" ".join(line.split()[1:3])] = answer.out
        if number == 1:
            assert worker.command("once").code == 75, "before a person has looked, nothing is handed over"
            refused = worker.command("journal", "rebuild")
            assert refused.code == 77
            assert "copy made at 20" in refused.err
            assert len(dovecot.history) == logins, "no login without a person's word"
    assert "it is a copy made at 20" in said["login status"]
    assert (
        "Entered: 4 handled, 1 junk, 1 failed. The next poll takes 1 message in the watched folders"
        in said["journal rebuild"]
    )
    assert len(worker.handed()) == made

    assert worker.once() == 0
    clean = [*letters(3), *letters(1, start=10), *letters(3, start=20), *letters(1, start=30)]
    assert Counter(worker.archived()) == Counter(clean)
    assert Counter(call.number for call in worker.handed()) == Counter([1, 2, 3, 10, 20, 21, 22, 30]), "each once"
    balance = worker.reconcile()
    states = {state: balance[state] for state in ("handled", "junk", "failed", "gone", "pending", "unaccounted")}
    assert states == {"handled": 8, "junk": 2, "failed": 2, "gone": 0, "pending": 0, "unaccounted": 0}
    assert balance["missing"] == 0
    assert len(dovecot.stored("Processed")) == 8
    assert worker.command("audit", "verify").code == 0
