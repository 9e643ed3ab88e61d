"""Who acts: the user, the host and the process, as the audit trail, the lease and the log name them."""

import getpass
import os
import socket


def actor() -> str:
    """Who acts, for the audit trail and the lease: the operating-system user, the host and the process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an arbitrary user id in a container has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def replica() -> str:
    """This process among all that may share the journal."""
    return f"{socket.gethostname()}:{os.getpid()}"
