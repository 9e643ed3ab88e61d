"""Runs a program as a user without privileges, which a test that runs as root needs to see what such a user sees.

Python and the repository may lie in a folder of root's that nobody else can enter. So the program has mounts of its
own, in which that folder holds nothing else and is open.
"""

import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.rig.worker import COMMAND, REPOSITORY

NOBODY = 65534
"""The user that the worker runs as."""
OTHER = "games"
"""Another user: of Debian's own, in every installation."""


def as_nobody(*capabilities: str) -> list[str]:
    """The words that go before a program's own, so that it runs as `NOBODY`. It keeps the process id.

    capabilities: that it has all the same, such as `setuid`.
    """
    kept = ",".join(f"+{one}" for one in capabilities)
    options = [f"--inh-caps={kept}", f"--ambient-caps={kept}"] if kept else []
    return _as(f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *options)


def as_root_with(*capabilities: str) -> list[str]:
    """As `as_nobody`, for root with these capabilities alone, as in a container."""
    return _as(f"--bounding-set={','.join(['-all', *(f'+{one}' for one in capabilities)])}", "--inh-caps=-all")


def _as(*options: str) -> list[str]:
    user = ["setpriv", *options, "--"]
    # setpriv itself may open what the user can't; `env` looks for the program once it can't any more.
    script = "\n".join(["set -e", *_opened(), f'exec {shlex.join(user)} env "$@"'])
    return ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh"]


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, and `NOBODY` owns; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="unprivileged-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        os.chown(folder, NOBODY, NOBODY)
        yield folder


def _opened() -> Iterator[str]:
    """The commands that open the closed folders on the way to Python, to the command and to the repository."""
    needed = {Path(sys.base_prefix), REPOSITORY, COMMAND.parents[1]}
    closed: dict[Path, list[Path]] = {}
    for path in sorted(needed):
        if (at := _closed_above(path)) is not None:
            closed.setdefault(at, []).append(path)
    if closed:
        yield "mount -t tmpfs -o mode=0755 none /mnt"
    for at, paths in closed.items():
        kept = [(path, f"/mnt/{number}-{at.name}") for number, path in enumerate(paths)]
        for path, behind in kept:
            yield shlex.join(["mkdir", behind])
            yield shlex.join(["mount", "--bind", str(path), behind])
        yield shlex.join(["mount", "-t", "tmpfs", "-o", "mode=0755", "none", str(at)])
        for path, behind in kept:
            yield shlex.join(["mkdir", "-p", str(path)])
            yield shlex.join(["mount", "--bind", behind, str(path)])


def _closed_above(path: Path) -> Path | None:
    """The outermost folder above a path that others can't enter."""
    above: Sequence[Path] = [path, *path.parents]
    return next((one for one in reversed(above) if not one.stat().st_mode & stat.S_IXOTH), None)
