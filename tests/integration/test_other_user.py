"""Handlers that run as another user, under a worker that has the rights for that and no others: what works, what is
refused, and what can't be ended.
"""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letter
from tests.rig.unprivileged import NOBODY, OTHER, as_nobody, as_root_with, open_folder
from tests.rig.worker import COMMAND, REPOSITORY, Worker, worker_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a worker as another user")

RIGHTS = ("setuid", "setgid", "kill")
GAMES = pwd.getpwnam(OTHER)

MODULE = """
import os, signal, tempfile, time
from pathlib import Path
from pydantic import BaseModel, SecretStr

class Doer:
    class Settings(BaseModel):
        folder: Path
        token: SecretStr = SecretStr("")

    def __init__(self, settings):
        self.settings = settings

    def __call__(self, message):
        word = message.headers.get("X-Word")
        (self.settings.folder / f"pid-{word}").write_text(str(os.getpid()))
        if word == "hang":
            time.sleep(600)
        if word == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        with tempfile.NamedTemporaryFile() as file:
            seen = [os.getuid(), os.getcwd(), os.environ["HOME"], os.stat(file.name).st_uid]
        report = self.settings.folder / "seen"
        report.write_text(repr((seen, self.settings.token.get_secret_value(), message.raw)))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """The worker's folder. Within it `told` is for everybody, and `code` has a handler."""
    with open_folder() as folder:
        for name in ("told", "code", "private"):
            (folder / name).mkdir()
            os.chown(folder / name, NOBODY, NOBODY)
        (folder / "told").chmod(0o777)
        (folder / "private").chmod(0o700)
        (folder / "code" / "doing.py").write_text(MODULE)
        yield folder


def configured(folder: Path, mailbox: Mailbox, use: str = "doing:Doer", *, owner: int = NOBODY, **table: Any) -> Worker:
    table = {"use": use, "isolate": {"user": OTHER}, **table}
    if use == "doing:Doer":
        table["folder"] = str(folder / "told")
    own = worker_for(folder, mailbox, mailbox, [{"name": "all", "handlers": ["other"], "tries": 1}], {})
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(mailbox.ca_file.read_bytes())
    own.configure(account={"ca_file": str(ca_file)}, **{"handler.other": table})
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner, owner)
    return own


def ended(worker: Worker, command: str, *capabilities: str, code: str = "code", **environment: str) -> int:
    python_path = f"{REPOSITORY}:{worker.folder / code}"
    process = worker.process(
        command, program=[*as_nobody(*capabilities), str(COMMAND)], PYTHONPATH=python_path, **environment
    )
    return process.wait(60)


def worded(word: str) -> bytes:
    return letter(1, extra=f"X-Word: {word}\r\n".encode())


def test_it_has_its_mail_its_secrets_its_code_and_places_of_its_own(dovecot: Mailbox, folder: Path) -> None:
    dovecot.append_many("INBOX", [worded("look")])
    secret = folder / "token"
    secret.touch(mode=0o600)
    secret.write_text("its own secret")
    worker = configured(folder, dovecot, token_file=str(secret))

    assert ended(worker, "once", *RIGHTS, TMPDIR=str(folder / "private")) == 0, worker.process_log

    (raw,) = dovecot.stored("Processed")
    seen = ([GAMES.pw_uid, "/", GAMES.pw_dir, GAMES.pw_uid], "its own secret", raw)
    assert (folder / "told" / "seen").read_text() == repr(seen)


@pytest.mark.slow
def test_root_in_a_container_runs_it_as_a_user_that_only_has_a_number(dovecot: Mailbox, folder: Path) -> None:
    dovecot.append_many("INBOX", [worded("look")])
    worker = configured(folder, dovecot, isolate={"user": "10002"}, owner=0)
    program = [*as_root_with(*RIGHTS), str(COMMAND)]
    process = worker.process("once", program=program, PYTHONPATH=f"{REPOSITORY}:{folder / 'code'}")
    assert process.wait(60) == 0, worker.process_log
    assert (folder / "told" / "seen").read_text().startswith("([10002, '/', '/', 10002], ")


@pytest.mark.slow
def test_what_hangs_as_another_user_is_ended_by_a_worker_that_isnt_root(dovecot: Mailbox, folder: Path) -> None:
    dovecot.append_many("INBOX", [worded("stop")])  # it can't even end itself
    worker = configured(folder, dovecot, time_limit="3s")

    assert ended(worker, "once", *RIGHTS) == 1

    assert '"reason":"other:TimedOut"' in worker.process_log
    assert "handler.not_ended" not in worker.process_log
    assert not is_there(int((folder / "told" / "pid-stop").read_text()))


@pytest.mark.parametrize(("command", "lacking"), [*(("check", one) for one in RIGHTS), ("run", "kill")])
def test_a_worker_without_the_rights_says_so_at_the_start(
    dovecot: Mailbox, folder: Path, command: str, lacking: str
) -> None:
    worker = configured(folder, dovecot)
    assert ended(worker, command, *(one for one in RIGHTS if one != lacking)) == 78
    said = "[handler.other] isolate.user: the worker may not run anything as another user: it lacks "
    assert f"{said}CAP_{lacking.upper()}." in worker.process_log
    assert dovecot.history == []


@pytest.mark.slow
def test_commands_that_call_no_handler_need_no_rights(dovecot: Mailbox, folder: Path) -> None:
    worker = configured(folder, dovecot)
    assert ended(worker, "pause") == 0, worker.process_log
    assert ended(worker, "reconcile") == 0, worker.process_log


def test_code_that_the_user_cant_read_is_told_of_by_name(dovecot: Mailbox, folder: Path) -> None:
    (folder / "private" / "doing.py").write_text(MODULE)
    os.chown(folder / "private" / "doing.py", NOBODY, NOBODY)
    worker = configured(folder, dovecot)
    assert ended(worker, "check", *RIGHTS, code="private") == 78
    assert "No module named 'doing'" in worker.process_log
    assert f"It runs as {OTHER}, who must be able to read its code" in worker.process_log


# -- what can't be ended


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def as_script(folder: Path, script: str, *capabilities: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*as_nobody(*capabilities), sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{folder / 'code'}", "FOLDER": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )


MESSAGE = """
import json, os, time
from datetime import UTC, datetime
from pathlib import Path
from worker.message.message import Message
from worker.message.verdict import MailPath, Verdict
from worker.handling.failure import RemoteFailure
from worker import Retry
folder = Path(os.environ["FOLDER"])
def message(word):
    raw = f"From: a@lab.nhs.uk\\r\\nX-Word: {word}\\r\\n\\r\\n".encode()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Message(raw, key="a" * 26, folder="INBOX", received_at=at, verdict=Verdict(MailPath.CLEAN, ()))
def timed(what):
    begun = time.monotonic()
    try:
        what()
        said = "done"
    except RemoteFailure as error:
        said = error.failure.kind
    except Retry as error:
        said = str(error)
    print(json.dumps([said, time.monotonic() - begun]), flush=True)
"""
LEFT = """
from doing import Doer
from worker.handling.isolate.other_user import user_named
from worker.handling.isolate.parent import ChildSpec, IsolatedHandler
own = Doer.Settings(folder=folder / "told")
spec = ChildSpec("mine", "doing:Doer", own, 100_000_000, 3.0, 30.0, user_named("games"))
isolated = IsolatedHandler(spec)
timed(lambda: isolated(message("stop")))
timed(lambda: isolated(message("fine")))
timed(isolated.close)
"""
PROGRAM = """
from handlers.command import Command
program = [str(folder / "code" / "as-root"), "--reuid=0", "sleep", "60"]
settings = Command.Settings(command=program, timeout=0.3, grace=0.1)
command = Command(settings)
timed(lambda: command(message("sleep")))
timed(command.close)
"""


@pytest.mark.slow
def test_a_process_of_another_user_that_the_worker_may_not_signal_is_left_behind(folder: Path) -> None:
    process = as_script(folder, MESSAGE + LEFT, "setuid", "setgid")  # no kill: the start would have refused it
    out, _ = process.communicate(timeout=90)
    said = [json.loads(line) for line in out.splitlines() if line.startswith("[")]
    stopped = int((folder / "told" / "pid-stop").read_text())
    try:
        assert [kind for kind, _ in said] == ["TimedOut", "done", "done"]
        assert max(seconds for _, seconds in said) < 30
        assert is_there(stopped)
    finally:
        with suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGKILL)


@pytest.mark.slow
def test_a_program_that_became_root_doesnt_hold_its_message_for_ever(folder: Path) -> None:
    as_root = folder / "code" / "as-root"
    shutil.copy(shutil.which("setpriv") or "", as_root)
    os.chown(as_root, 0, 0)
    as_root.chmod(0o4755)
    begun = time.monotonic()
    process = as_script(folder, MESSAGE + PROGRAM)
    out, _ = process.communicate(timeout=90)
    said = [json.loads(line) for line in out.splitlines() if line.startswith("[")]
    assert [kind for kind, _ in said] == ["the program took too long and was killed", "done"]
    assert time.monotonic() - begun < 45
