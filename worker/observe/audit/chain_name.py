"""The name of a replica's chain: kept over restarts, and safe as the name of a file."""

import hashlib
import os
import re
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from worker.private_files import owned


def installation(state_dir: Path) -> str:
    """The name of the installation that uses this state folder. It stays the same, so that the trail is one chain."""
    file = state_dir / "installation"
    try:
        return file.read_text("ascii").strip()
    except FileNotFoundError:
        name = f"worker-{secrets.token_hex(4)}"
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = _written(state_dir, name)
        with suppress(FileExistsError):  # another process was first: its name counts
            os.link(written, file)
        written.unlink()
        return file.read_text("ascii").strip()


def _written(folder: Path, text: str) -> Path:
    descriptor, path = tempfile.mkstemp(dir=folder, prefix=".installation")
    with os.fdopen(owned(descriptor, folder), "w") as file:
        file.write(text + "\n")
    return Path(path)


def chain_name(replica: str) -> str:
    """The chain of the replica of this name."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", replica).lstrip(".")[:80] or "replica"
    # Two replicas must not share a chain because their names became the same.
    return name if name == replica else f"{name}-{hashlib.sha256(replica.encode()).hexdigest()[:8]}"
