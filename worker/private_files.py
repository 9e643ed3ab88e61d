"""What lies in the state folder belongs to the folder's owner, whoever makes it.

A person runs a command as root beside a worker that isn't: what root made for itself alone, the worker could neither
read nor write from then on, and would stand still.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path


def owned(descriptor: int, folder: Path) -> int:
    """Give an open file of ours to the owner of its folder, where we are root. Returns the descriptor.

    Only what is root's own and has no second name: whoever owns the folder could put a link to something else there.
    """
    if os.geteuid() == 0:
        with suppress(OSError):  # root without that right, as in a container: it stays root's, as it was made
            file, owner = os.fstat(descriptor), folder.stat()
            if file.st_uid == 0 and (stat.S_ISDIR(file.st_mode) or file.st_nlink == 1):
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def owned_folder(path: Path) -> None:
    """The same for a folder within another."""
    if os.geteuid() == 0:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                owned(descriptor, path.parent)
            finally:
                os.close(descriptor)
