"""Who acts: the user, the host and the process, as the audit trail, the lease and the log name them."""

import os
import pwd
import socket

from worker.logs.redaction import as_word


def actor() -> str:
    """Who acts, for the audit trail and the lease: the operating-system user, the host and the process."""
    return f"{_user() or os.getuid()}@{socket.gethostname()}"


def replica() -> str:
    """The name of this process among all that may share the journal."""
    return f"{socket.gethostname()}:{os.getpid()}"


def person() -> str:
    """The operating-system user of this process, as a word; its number where it has no name."""
    user = _user()
    return f"uid-{os.getuid()}" if user is None else as_word(user)


def _user() -> str | None:
    """The name of this process's user; None for an arbitrary user id of a container, which has none.

    It is the system's word. LOGNAME and USER, which the standard library asks first, are whatever somebody says there.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return None
