"""Who acts: the user, the host and the process, as the audit trail, the lease and the log name them."""

import getpass
import os
import socket

from worker.logs.redaction import as_word


def actor() -> str:
    """Who acts, for the audit trail and the lease: the operating-system user, the host and the process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an arbitrary user id in a container has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def replica() -> str:
    """The name of this process among all that may share the journal."""
    return f"{socket.gethostname()}:{os.getpid()}"


def person() -> str:
    """The operating-system user of this process, as a word; its number where it has no name."""
    try:
        return as_word(getpass.getuser())
    except (KeyError, OSError):  # no entry for an arbitrary user id of a container
        return f"uid-{os.getuid()}"
