"""What other processes see of a running worker: those of its own user, and a handler that runs as another user.

The worker runs as a user without privileges, since root sees everything.
"""

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.rig import snooping
from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.unprivileged import NOBODY, OTHER, as_nobody, open_folder
from tests.rig.worker import COMMAND, Worker, eventually, worker_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a worker as another user")

KEPT = {"environ": "EACCES", "maps": "EACCES", "mem": "EACCES", "fd": "EACCES", "descriptor": "EPERM", "cwd": "EACCES"}
"""What is seen of a process that is closed: nothing."""
RIGHTS = ("setuid", "setgid", "kill")
UNBOUND = ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh"]
INIT = ["sh", "-c", '"$@"; exit $?', "sh"]
"""An init as in a container: it has the environment that the worker is started with, and stays."""


class Snooped:
    """A worker that runs as `NOBODY`, whose one handler looks around and then waits."""

    def __init__(self, worker: Worker, process: "subprocess.Popen[str]", report: Path) -> None:
        self.worker, self.process = worker, process
        eventually(lambda: report.exists() or process.poll() is not None, what="the look around")
        assert report.exists(), worker.process_log
        self.report: Any = json.loads(report.read_text())
        self.pid = next(int(pid) for pid in self.report["processes"] if _is_worker(_arguments(int(pid))))

    @property
    def handler(self) -> int:
        """The process that looked."""
        return int(self.report["pid"])

    @property
    def of_worker(self) -> dict[str, str]:
        return dict(self.report["processes"][str(self.pid)])

    @property
    def of_init(self) -> dict[str, str]:
        return dict(self.report["processes"][str(self.process.pid)])


@contextmanager
def snooped(
    mailbox: Mailbox, use: str, *capabilities: str, started_by: list[str], isolate: Any = True, secret_in: str
) -> Iterator[Snooped]:
    with open_folder() as folder:
        told = folder / "told"
        told.mkdir()
        told.chmod(0o777)  # for a handler of any user
        report, hold = told / "report", folder / "hold"
        own = worker_for(folder, mailbox, mailbox, [{"name": "all", "handlers": ["snoop"]}], {})
        given = {"report": str(report), "wanted": mailbox.password, "file": str(folder / "password"), "hold": str(hold)}
        program = [sys.executable, "-P", snooping.__file__, *given.values()]
        options = {"command": program} if use == "command" else given
        own.configure(
            account={"ca_file": str(_copied(mailbox.ca_file, folder / "ca.pem"))},
            **{"handler.snoop": {"use": use, "isolate": isolate, **options}},
        )
        hold.touch()
        for path in folder.iterdir():
            os.chown(path, NOBODY, NOBODY)
        environment = {}
        if secret_in == "environment":
            own.configure(account={"password_file": None})
            environment = {"NHSMAIL_ACCOUNT__PASSWORD": mailbox.password}
        mailbox.append_many("INBOX", letters(1))
        process = own.process("run", program=[*as_nobody(*capabilities), *started_by, str(COMMAND)], **environment)
        try:
            yield Snooped(own, process, report)
        finally:
            hold.unlink(missing_ok=True)
            for pid in (*_below(process.pid), process.pid):
                _signalled(pid, signal.SIGTERM)
            process.wait(30)


def _copied(file: Path, to: Path) -> Path:
    to.write_bytes(file.read_bytes())
    return to


def _below(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []


def _signalled(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _arguments(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _is_worker(arguments: list[str]) -> bool:
    return Path(arguments[0]).name.startswith("python") and arguments[1] == str(COMMAND)


SNOOP = "tests.rig.snooping:Snoop"


@pytest.mark.parametrize(("use", "isolate"), [(SNOOP, True), ("command", False)])
def test_a_handler_of_the_same_user_sees_nothing_of_the_workers_process_yet_all_that_lies_beside_it(
    dovecot: Mailbox, use: str, isolate: bool
) -> None:
    with snooped(dovecot, use, started_by=INIT, isolate=isolate, secret_in="environment") as found:
        assert found.report["uid"] == NOBODY
        assert found.of_worker == KEPT
        # What isolation under the same user doesn't keep: `check` and the pages say so.
        assert (found.of_init["environ"], found.of_init["mem"]) == ("secret", "secret")
        assert found.report["file"] == "secret"


@pytest.mark.parametrize("use", [SNOOP, pytest.param("command", marks=pytest.mark.slow)])
def test_a_handler_of_another_user_sees_neither_process_nor_init_nor_file(dovecot: Mailbox, use: str) -> None:
    other = pwd.getpwnam(OTHER)
    with snooped(dovecot, use, *RIGHTS, started_by=INIT, isolate={"user": OTHER}, secret_in="file") as found:
        assert found.of_worker == found.of_init == KEPT
        assert found.report["file"] == "EACCES"
        assert found.report["uid"] == other.pw_uid
        assert set(found.report["groups"]) == {other.pw_gid}
        status = found.report["status"]
        assert set(status["Uid"].split()) == {str(other.pw_uid)}
        assert {int(status[one], 16) for one in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize(
    ("use", "isolate", "which"),
    [
        (SNOOP, True, "worker"),
        pytest.param(SNOOP, True, "handler", marks=pytest.mark.slow),
        pytest.param(SNOOP, {"user": OTHER}, "handler", marks=pytest.mark.slow),
        ("command", False, "handler"),
    ],
)
def test_no_process_of_the_worker_leaves_a_core(dovecot: Mailbox, use: str, isolate: Any, which: str) -> None:
    with open_folder() as folder:
        assert _dumps([*as_nobody(), *UNBOUND, sys.executable, "-c", "import os; os.abort()"], folder)
    with snooped(dovecot, use, *RIGHTS, started_by=UNBOUND, isolate=isolate, secret_in="file") as found:
        pid = found.pid if which == "worker" else found.handler
        (limit,) = (
            line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core")
        )
        assert limit.split()[4:6] == ["0", "0"]
        if (use, which) != ("command", "handler"):  # a program that isn't ours makes itself what it likes
            assert Path(f"/proc/{pid}/environ").stat().st_uid == 0  # what the kernel says of those not dumpable
        if (use, which) == (SNOOP, "handler"):  # which had to be written before that
            assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"
        os.kill(pid, signal.SIGABRT)
        if which == "worker":
            _, status = os.waitpid(found.process.pid, 0)
            found.process.returncode = -os.WTERMSIG(status)
            assert (os.WTERMSIG(status), os.WCOREDUMP(status)) == (signal.SIGABRT, False)
        else:
            eventually(lambda: not Path(f"/proc/{pid}").exists())
        assert list(found.worker.folder.rglob("core*")) == []


ENTRY = """
import ctypes, resource, runpy, sys
class Watch:
    def find_spec(name, *_):
        if name == ENTERED:
            print("dumpable", ctypes.CDLL(None).prctl(3), "core", *resource.getrlimit(resource.RLIMIT_CORE), flush=True)
sys.meta_path.insert(0, Watch)
"""


@pytest.mark.parametrize("command", ["run", "once", "check", "status", "login", "--version"])
@pytest.mark.parametrize(
    ("entry", "entered"),
    [
        ("import nhsmail_worker; nhsmail_worker.main()", "worker"),
        ("runpy.run_module('worker', alter_sys=True)", "worker.cli.main"),
    ],
    ids=["command", "module"],
)
def test_every_command_closes_its_process_before_anything_else(entry: str, entered: str, command: str) -> None:
    script = f"ENTERED = {entered!r}\n{ENTRY}\nsys.argv[1:] = [{command!r}, '--help']\n{entry}"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "dumpable 0 core 0 0" in answer.stdout.splitlines()


def _dumps(program: list[str], folder: Path) -> bool:
    """Whether the system writes a core of what crashes here, so that there is something to keep from it."""
    process = subprocess.Popen(program, cwd=folder)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(status)
    return os.WCOREDUMP(status)
