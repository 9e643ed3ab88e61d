"""The name of a replica's chain: kept over restarts, and safe as the name of a file."""

import hashlib
import re
import secrets
from pathlib import Path

from worker.private_files import write_once


def known_installation(state_dir: Path) -> str | None:
    """As `installation`, but makes none."""
    try:
        return (state_dir / "installation").read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None


def installation(state_dir: Path) -> str:
    """The name of the installation that uses this state folder. It stays the same, so that the trail is one chain."""
    file = state_dir / "installation"
    try:
        return file.read_text("ascii").strip()
    except FileNotFoundError:
        write_once(file, f"worker-{secrets.token_hex(4)}\n")  # by another process, if that was quicker
        return file.read_text("ascii").strip()


def chain_name(replica: str) -> str:
    """The chain of the replica of this name."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", replica).lstrip(".")[:80] or "replica"
    # Two replicas must not share a chain because their names became the same.
    return name if name == replica else f"{name}-{hashlib.sha256(replica.encode()).hexdigest()[:8]}"
