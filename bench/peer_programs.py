"""Other programs that fetch mail, each in its own careful mode: what it stores is on the disk before it goes on.

mbsync (Debian's package isync), fetchmail, and imap_tools in the Python that `BENCH_PEERS_PYTHON` names.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from bench.process import ROOT, Measured, run
from bench.site import PASSWORD, target
from tests.rig.dovecot import Mailbox

_MBSYNC = """
FSync yes
IMAPStore far
Host {host}
Port {port}
User {user}
Pass {password}
TLSType IMAPS
SystemCertificates no
CertificateFile {ca_file}

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
Sync Pull New
SyncState *
"""
_FETCHMAIL = """
set no bouncemail
poll {host} service {port} protocol IMAP auth password no dns
    user "{user}" password "{password}" ssl sslcertck sslcertfile "{ca_file}" keep fetchall no rewrite
    mda "f={folder}/mail-$$; [ -e $f ] && f=$f+; exec dd of=$f conv=fsync bs=1M iflag=fullblock status=none"
"""


class Peer(Protocol):
    """A program. absent: what is missing for it on this machine, if anything."""

    @property
    def name(self) -> str:
        """What it is, and what it does with a message."""

    @property
    def absent(self) -> str:
        """Empty if it can run."""

    def take(self, user: Mailbox, folder: Path) -> tuple[Measured, int]:
        """Let it take a mailbox into an empty folder. Returns how many messages it took."""


@dataclass(frozen=True)
class ImapTools:
    """imap_tools, in a loop as its users write it."""

    what: Literal["parse", "store"]
    python: str

    @property
    def name(self) -> str:
        """With or without storing."""
        return {"parse": "imap_tools, only parses", "store": "imap_tools, parses and stores"}[self.what]

    @cached_property
    def absent(self) -> str:
        """Ask that Python."""
        asked = shutil.which(self.python) and subprocess.run(
            [self.python, "-c", "import imap_tools"], capture_output=True
        )
        return "" if asked and asked.returncode == 0 else "BENCH_PEERS_PYTHON must name a Python that has imap_tools"

    def take(self, user: Mailbox, folder: Path) -> tuple[Measured, int]:
        """It says itself how many it took."""
        script = ROOT / "bench" / "imap_tools_peer.py"
        measured = run([self.python, str(script), self.what, *target(user), str(folder)])
        return measured, int(measured.output)


def _missing(program: str, *, package: str) -> str:
    return "" if shutil.which(program) else f"no {program} on this machine (Debian's package {package})"


def _configured(folder: Path, template: str, user: Mailbox) -> Path:
    """Write a program's configuration, which has the password in it."""
    file = folder / "configuration"
    file.touch(mode=0o600)
    values = {"host": user.host, "port": user.port, "user": user.address, "ca_file": user.ca_file, "folder": folder}
    file.write_text(template.format(password=PASSWORD, **values))
    return file


class Fetchmail:
    """fetchmail, which starts a program for each message that it delivers."""

    name = "fetchmail, delivers to dd, which syncs"

    @property
    def absent(self) -> str:
        """Look for it in PATH."""
        return _missing("fetchmail", package="fetchmail")

    def take(self, user: Mailbox, folder: Path) -> tuple[Measured, int]:
        """It leaves the mail on the server, as seen."""
        own = ["--fetchmailrc", str(_configured(folder, _FETCHMAIL, user)), "--idfile", str(folder / "ids")]
        measured = run(["fetchmail", "--silent", *own, "--pidfile", str(folder / "pid")])
        return measured, len(list(folder.glob("mail-*")))


class Mbsync:
    """mbsync, from INBOX into a Maildir."""

    name = "mbsync, to a Maildir, syncs"

    @property
    def absent(self) -> str:
        """Look for it in PATH."""
        return _missing("mbsync", package="isync")

    def take(self, user: Mailbox, folder: Path) -> tuple[Measured, int]:
        """It leaves the mail on the server."""
        measured = run(["mbsync", "-q", "-c", str(_configured(folder, _MBSYNC, user)), "all"])
        return measured, sum(1 for part in ("new", "cur") for _ in (folder / "INBOX" / part).iterdir())


def peers() -> Sequence[Peer]:
    """All of them, in the order of the table."""
    python = os.environ.get("BENCH_PEERS_PYTHON", "python3")
    return ImapTools("parse", python), ImapTools("store", python), Fetchmail(), Mbsync()
