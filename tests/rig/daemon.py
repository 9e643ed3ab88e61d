"""What the rig's servers have in common: a folder, a port, an unprivileged user, an end with the test run."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.rig.tls import ADDRESS

# The shell ends the server with the signal that we name; at an end of file (the test run was killed) it cleans up, too.
_GUARDIAN = """
"$@" & server=$!
read -r signal; told=$?
kill "-${signal:-TERM}" "$server"; wait "$server"
[ $told = 0 ] || rm -rf "$PWD"
"""
_MORE_PLACES = ":/usr/sbin:/usr/local/sbin"


class Daemon:
    """A server in a folder of its own, which is removed with it. The port outlives `stop` and `start`.

    `start` waits until `ready`. Raises RuntimeError, with the server's log, if it doesn't come up.
    """

    name = "daemon"
    patience = 20.0
    """Seconds until it must be ready."""
    unprivileged = True
    """Whether it gives up root's rights; a Python program of ours may lie where only root looks."""
    crash = "KILL"
    """The signal that ends it without any order."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        # not under pytest's tmp_path: a socket's path may have 107 bytes, and another user must reach it
        self.root = Path(tempfile.mkdtemp(prefix=f"rig-{self.name}-", dir="/tmp"))
        self.port = free_port()
        self._prepare()
        give_away(self.root)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # what each server says of itself

    def _prepare(self) -> None:
        """Write what it reads."""

    def _command(self) -> Sequence[str]:
        raise NotImplementedError

    def _environment(self) -> Mapping[str, str]:
        return {"PATH": os.environ.get("PATH", "") + _MORE_PLACES, "HOME": str(self.root), "LANG": "C.UTF-8"}

    def ready(self) -> bool:
        """Whether it answers."""
        return listens(self.port)

    # what tests do

    def start(self) -> None:
        if self._process is not None:
            return
        with (self.root / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARDIAN, "sh", *self._command()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.root,
                env=self._environment(),
                start_new_session=True,
                **(unprivileged() if self.unprivileged else {}),
            )
        if not wait_until(self.ready, self.patience):
            log_text = self.log
            self.stop(abruptly=True)
            raise RuntimeError(f"{self.name} did not start. Its log:\n{log_text}")

    def stop(self, *, abruptly: bool = False) -> None:
        """Stop it in order or abruptly; what it has stored stays, and so does the port."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(f"{self.crash if abruptly else 'TERM'}\n".encode())
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind
        process.wait()
        wait_until(lambda: not listens(self.port))

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.stop(abruptly=True)
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def log(self) -> str:
        """What it has said so far."""
        path = self.root / "output.log"
        return path.read_text(errors="replace") if path.exists() else ""


def owner() -> pwd.struct_passwd:
    """Who servers run as: ourselves, or nobody when we are root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def unprivileged() -> dict[str, Any]:
    """Options of `subprocess.Popen` that take root's rights away."""
    if os.geteuid() != 0:
        return {}
    return {"user": owner().pw_name, "group": owner().pw_gid, "extra_groups": []}


def give_away(path: Path) -> None:
    """Root writes the files, the server's user owns them."""
    if os.geteuid() == 0:
        for item in [path, *path.rglob("*")]:
            os.chown(item, owner().pw_uid, owner().pw_gid, follow_symlinks=False)


def program(name: str, package: str, *folders: str) -> str:
    """The path of a program. Raises RuntimeError that names its Debian package."""
    places = ":".join((*folders, os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which(name, path=places)
    if found is None:
        raise RuntimeError(f"{name} is missing. Install it: apt-get install {package}")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def wait_until(happened: Callable[[], bool], seconds: float = 5) -> bool:
    """Whether it happened in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.01)
    return happened()
