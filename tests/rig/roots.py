"""Where the rig's servers keep their files: in memory where there is enough of it, and else below /tmp.

Nothing in them must outlive the machine. To remove a PostgreSQL's thousand files takes ten seconds on some disks.
"""

import shutil
import tempfile
from pathlib import Path

_IN_MEMORY, _ON_DISK = Path("/dev/shm"), Path("/tmp")  # noqa: S108 -- each root is mkdtemp's, for its owner alone
_ENOUGH = 8 << 30
"""Bytes. The largest mailboxes of the long tests take a gigabyte."""


def new_root(name: str) -> Path:
    """A new folder, which whoever asks for it removes.

    It isn't under pytest's tmp_path: a socket's path is limited to 107 bytes, and another user must reach it.
    """
    return Path(tempfile.mkdtemp(prefix=f"rig-{name}-", dir=_IN_MEMORY if _there_is_enough() else _ON_DISK))


def _there_is_enough() -> bool:
    try:
        return shutil.disk_usage(_IN_MEMORY).free >= _ENOUGH
    except OSError:
        return False
