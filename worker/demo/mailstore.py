"""The demo's mail on disk, so that it is still there for the next command.

Messages are immutable files named by their digest. `index.json` says which folder each one is in, and is replaced
atomically, so a killed demo leaves the mailbox as its last IMAP command left it, as a real server would.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in a folder. received_at: seconds since the epoch; flags: as IMAP spells them."""

    uid: int
    digest: str
    received_at: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, with the numbers by which an IMAP client recognises it."""

    name: str
    uidvalidity: int
    uidnext: int
    letters: tuple[Letter, ...] = ()


class MailStore:
    """A directory that holds one mailbox."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._mail = directory / "mail"
        self._index = directory / "index.json"

    def exists(self) -> bool:
        """Whether a mailbox was ever saved here."""
        return self._index.exists()

    def clear(self) -> None:
        """Delete the mailbox."""
        self._index.unlink(missing_ok=True)
        shutil.rmtree(self._mail, ignore_errors=True)

    def put(self, raw: bytes) -> str:
        """Store a message; returns its digest, which is the key for `get`."""
        self._mail.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(raw).hexdigest()
        _replace(self._mail / f"{digest}.eml", raw)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of a stored message."""
        return (self._mail / f"{digest}.eml").read_bytes()

    def save(self, folders: Iterable[Folder]) -> None:
        """Replace the index atomically: a reader sees the old one or the new one."""
        self.directory.mkdir(parents=True, exist_ok=True)
        _replace(self._index, json.dumps([asdict(folder) for folder in folders], indent=1).encode())

    def load(self) -> Sequence[Folder]:
        """The folders as last saved."""
        return [
            Folder(
                name=entry["name"],
                uidvalidity=entry["uidvalidity"],
                uidnext=entry["uidnext"],
                letters=tuple(
                    Letter(letter["uid"], letter["digest"], letter["received_at"], tuple(letter["flags"]))
                    for letter in entry["letters"]
                ),
            )
            for entry in json.loads(self._index.read_bytes())
        ]

    @contextmanager
    def owned(self) -> Iterator[bool]:
        """Hold the lock on this mailbox inside the block. Yields False if another process has it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def _replace(path: Path, content: bytes) -> None:
    whole = path.with_name(path.name + ".partial")
    whole.write_bytes(content)
    whole.replace(path)
