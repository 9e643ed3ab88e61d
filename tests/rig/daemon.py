"""What the rig's servers share: a folder, a port, an unprivileged user, and that they end with the test run."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.rig.ports import free_port
from tests.rig.roots import new_root
from tests.rig.tls import ADDRESS

# The shell ends the server with the signal that we write to it. At an end of file, because the test run was killed, it
# removes the folder as well, and ends what the server has left behind, and itself.
_GUARDIAN = """
"$@" & server=$!
read -r signal; told=$?
kill "-${signal:-TERM}" "$server"; wait "$server"
[ $told = 0 ] && exit
rm -rf "$PWD"; kill -KILL 0
"""
_MORE_PLACES = ":/usr/sbin:/usr/local/sbin"


class Daemon:
    """A server with its own folder, which `close` removes. It keeps its port across `stop` and `start`.

    `start` waits until the server is `ready`. Raises RuntimeError with the server's log if it doesn't start.
    """

    name = "daemon"
    patience = 20.0
    """Seconds that the server has to become ready."""
    unprivileged = True
    """Whether the server drops root's rights. False for Python programs, which only root may be able to read."""
    crash = "KILL"
    """The signal that simulates a crash."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.root = new_root(self.name)
        self.port = self._choose_port()
        self._prepare()
        give_away(self.root)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # what each server overrides

    def _choose_port(self) -> int:
        """The port that it listens on."""
        return free_port()

    def _prepare(self) -> None:
        """Write the server's configuration."""

    def _command(self) -> Sequence[str]:
        raise NotImplementedError

    def _environment(self) -> Mapping[str, str]:
        return {"PATH": os.environ.get("PATH", "") + _MORE_PLACES, "HOME": str(self.root), "LANG": "C.UTF-8"}

    def ready(self) -> bool:
        """Whether the server answers."""
        return listens(self.port)

    # what tests call

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
        """Stop the server, cleanly or by a crash. It keeps its data and its port."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(f"{self.crash if abruptly else 'TERM'}\n".encode())
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # any children it left behind
        process.wait()
        wait_until(lambda: not listens(self.port))

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop(abruptly=True)
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def log(self) -> str:
        """Everything that the server has logged so far."""
        path = self.root / "output.log"
        return path.read_text(errors="replace") if path.exists() else ""


def owner() -> pwd.struct_passwd:
    """The user that servers run as: the current one, or `nobody` if that is root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def unprivileged() -> dict[str, Any]:
    """Options for `subprocess.Popen` that drop root's rights."""
    if os.geteuid() != 0:
        return {}
    return {"user": owner().pw_name, "group": owner().pw_gid, "extra_groups": []}


def give_away(path: Path) -> None:
    """Give files that root has written to the server's user."""
    if os.geteuid() == 0:
        for item in [path, *path.rglob("*")]:
            os.chown(item, owner().pw_uid, owner().pw_gid, follow_symlinks=False)


def program(name: str, package: str, *folders: str) -> str:
    """Find a program. Raises RuntimeError, naming the Debian package, if it isn't installed."""
    places = ":".join((*folders, os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which(name, path=places)
    if found is None:
        raise RuntimeError(f"{name} is missing. Install it: apt-get install {package}")
    return found


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def wait_until(happened: Callable[[], bool], seconds: float = 5) -> bool:
    """Wait until something is true. Returns whether it became true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.01)
    return happened()
