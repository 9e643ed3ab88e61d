"""What an earlier version left behind: its state folder, its journal, its archive, its settings, and the mailbox.

`write.py` made it, with the program of that time; it isn't made anew for a later one. `put` takes a copy into use.
"""

import fcntl
import json
import os
import shutil
import struct
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.rig.dovecot import Kept, Seed

HERE = Path(__file__).parent
ADDRESS = "pathology.results@nhs.net"
PASSWORD = "Bright-Harbour-92"
NAMES = {"seen": "S", "flagged": "F", "answered": "R", "deleted": "T", "draft": "D"}
"""Flags of IMAP, and their letters in a maildir."""

_GENERATION = 0x80087601  # FS_IOC_GETVERSION


@dataclass(frozen=True)
class LeftBehind:
    """One kind of journal's: `sqlite` or `postgresql`."""

    kind: str

    @property
    def folder(self) -> Path:
        return HERE / self.kind

    @property
    def expected(self) -> Any:
        """What the earlier version said of it, and what is to become of each message."""
        return json.loads((self.folder / "expected.json").read_text())

    @property
    def journal(self) -> str:
        """The journal's tables as SQL; of PostgreSQL only."""
        return (self.folder / "journal.sql").read_text()

    def mailbox(self) -> dict[str, Kept]:
        """The folders of the mailbox as they were."""
        stored = json.loads((self.folder / "mailbox.json").read_text())
        return {name: _kept(folder) for name, folder in stored.items()}

    def put(self, folder: Path, *, port: int, ca_file: Path, journal_url: str | None = None) -> None:
        """Copy it all, as a restored backup: files that only their owner may read, and places as they are now."""
        for name in ("state", "archive", "ledger"):
            source = self.folder / name
            if source.is_dir():
                shutil.copytree(source, folder / name)
            else:
                shutil.copyfile(source, folder / name)
        for path in [folder / "state", *(folder / "state").rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)
        shutil.copyfile(ca_file, folder / "ca.pem")
        config = (self.folder / "worker.toml").read_text()
        (folder / "worker.toml").write_text(config.replace("@FOLDER@", str(folder)).replace("@PORT@", str(port)))
        write_secret(folder / "password", PASSWORD)
        if journal_url is not None:
            write_secret(folder / "journal", journal_url)


def stay(state: Path) -> None:
    """Make a copied state folder pass for the very one that was written: an upgrade in place, and no restored backup.

    The witness of the login attempts names its own inode.
    """
    file = state / "login.witness"
    said = json.loads(file.read_text())
    with file.open("r+") as opened:
        generation = 0
        with suppress(OSError):
            answer = fcntl.ioctl(opened.fileno(), _GENERATION, struct.pack("l", 0))
            generation = struct.unpack("l", answer)[0] & 0xFFFFFFFF
        said["identity"] = f"{os.fstat(opened.fileno()).st_ino}.{generation}"
        json.dump(said, opened)
        opened.truncate()


STAY = """\
UPDATE fact SET value = (SELECT system_identifier FROM pg_control_system())::text || ' '
|| (SELECT oid FROM pg_database WHERE datname = current_database())::text WHERE name = 'login.database'"""
"""The same for a restored database: the journal names the one that it was written in."""


def write_secret(path: Path, secret: str) -> None:
    path.touch(mode=0o600)
    path.write_text(secret)


def _kept(folder: Any) -> Kept:
    return Kept(
        folder["uidvalidity"],
        folder["uidnext"],
        {
            message["uid"]: Seed(
                message["raw"].encode("latin-1"),
                "".join(NAMES[flag] for flag in message["flags"]),
                datetime.fromisoformat(message["received_at"]),
            )
            for message in folder["messages"]
        },
    )
