"""The state of the worker, from the journal alone: what `status` prints and the status page shows."""

import getpass
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from worker.journal.journal import Journal
from worker.journal.lease import current_holder
from worker.outcome import State


def status(
    journal: Journal, address: str, login: Callable[[], tuple[dict[str, Any], dict[str, Any]]], now: float
) -> dict[str, Any]:
    """The contract's shape of `status --json`.

    login: gives the login's and the password's part, as the guard sees them.
    now: epoch s.
    """
    counts = journal.messages.counts()
    poll = journal.facts.last_poll()
    holder = current_holder(journal.database, now)
    login_part, password_part = login()
    oldest = counts.oldest_pending_at
    return {
        "account": address,
        "login": login_part,
        "password": password_part,
        "messages": {
            **{state.value: counts.by_state[state] for state in State},
            "released": counts.released,
            "oldest_pending_seconds": 0 if oldest is None else max(0, int(now - oldest)),
        },
        "last_poll": {
            "at": None if poll is None else rfc3339(poll.at),
            "ok": poll is not None and poll.ok,
            "new": 0 if poll is None else poll.new,
        },
        "lease": {
            "holder": None if holder is None else holder.name,
            "expires_at": None if holder is None else rfc3339(holder.expires_at),
        },
        "paused": journal.facts.paused() is not None,
    }


def rfc3339(epoch: float) -> str:
    """A time in UTC, whole seconds, as RFC 3339 writes it."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


def installation(state_dir: Path) -> str:
    """The name of whatever works with this state folder, over all restarts: its audit trail is one chain."""
    file = state_dir / "installation"
    try:
        return file.read_text("ascii").strip()
    except FileNotFoundError:
        name = f"worker-{secrets.token_hex(4)}"
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = _written(state_dir, name)
        with suppress(FileExistsError):  # another process was quicker: its name is the one
            os.link(written, file)
        written.unlink()
        return file.read_text("ascii").strip()


def _written(folder: Path, text: str) -> Path:
    descriptor, path = tempfile.mkstemp(dir=folder, prefix=".installation")
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    return Path(path)
