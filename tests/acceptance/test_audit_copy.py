"""The installed command on a state folder that is mounted read-only, as evidence is looked at."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.worker import COMMAND, Worker

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


def on_a_read_only_mount(worker: Worker, *arguments: str) -> subprocess.CompletedProcess[str]:
    mounted = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    command = [str(COMMAND), *arguments, "--config", str(worker.config)]
    return subprocess.run(
        ["unshare", "--mount", "sh", "-euc", mounted, "sh", str(worker.state), *command],
        capture_output=True,
        env=worker.environment(),
        cwd=worker.folder,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.slow
def test_a_copy_on_a_read_only_file_system_is_verified_and_shown(
    dovecot: Mailbox, make_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker()
    assert worker.once() == 0
    shutil.move(worker.state, tmp_path / "original")
    shutil.copytree(tmp_path / "original", worker.state)
    verified, shown = on_a_read_only_mount(worker, "audit", "verify"), on_a_read_only_mount(worker, "audit", "show")
    assert (verified.returncode, "This is a copy" in verified.stdout) == (0, True), verified
    assert (shown.returncode, shown.stdout.count("\tmessage.disposed\t")) == (0, 3), shown

    (trail,) = (worker.state / "audit").glob("*.jsonl")
    trail.write_bytes(b"".join(trail.read_bytes().splitlines(keepends=True)[:-2]))
    verified = on_a_read_only_mount(worker, "audit", "verify")
    assert (verified.returncode, ": cut: " in verified.stdout) == (1, True), verified
