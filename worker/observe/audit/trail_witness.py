"""The trail's witness: a file beside the chains that records how far each of them had come.

It is signed with the trail's key, so nobody else can make one. It also holds the identity of the very file that it was
written to (inode and generation), so an older copy that was put back is recognised, and so is a folder that was copied
or restored as a whole. The file that a new witness replaces is emptied, so that a second name for it (a hard link)
keeps nothing that could be put back.

What a witness saw stays true wherever it is read: a chain that has come less far was cut. Only whether there was a
later witness can't be told from a copy.

A disk, a volume or a virtual machine that was rolled back to a snapshot has every byte as it was, this file included.
"""

import hashlib
import hmac
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from worker.journal.audit_anchors import Head
from worker.private_files import identity, written_whole

NAME: Final = "audit.witness"
_NOTHING_SEEN: Final = b'"seen":{}}'
_LARGEST: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a chain had come. anchored: the highest count that the journal was known to have kept by then."""

    head: Head
    anchored: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """What the witness says of each chain. copied: it is a copy of the file that we wrote."""

    seen: Mapping[str, Seen]
    copied: bool


class TrailWitness:
    """The witness's file. Use it only under the folder's lock."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.path = folder / NAME
        self._key = key

    def read(self) -> Statement | None:
        """What it saw; None if there is none, or it wasn't made with our key.

        Raises:
            OSError: there is one, but it can't be read.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except PermissionError:
            raise
        except OSError:  # none, or a link
            return None
        try:
            return self._stated(descriptor)
        finally:
            os.close(descriptor)

    def is_of_a_first_start(self) -> bool:
        """Whether there is none, or the empty one that is made before the key. Its signature isn't looked at."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            return stat.S_ISREG(os.fstat(descriptor).st_mode) and _NOTHING_SEEN in os.pread(descriptor, 1000, 0)
        finally:
            os.close(descriptor)

    def write(self, seen: Mapping[str, Seen]) -> None:
        """Replace what it saw. After a power cut the file has either its old or its new content.

        Raises:
            OSError: the file has either its old or its new content.
        """
        old = self._ours()
        try:
            with written_whole(self.path) as file:
                chains = {chain: [one.head.count, one.head.mac, one.anchored] for chain, one in seen.items()}
                body = orjson.dumps({"identity": identity(file.fileno()), "seen": chains})
                file.write(body + b"\n" + self._signature(body) + b"\n")
            if old is not None:
                os.ftruncate(old, 0)  # by then it has no name of ours
        finally:
            if old is not None:
                os.close(old)

    def _ours(self) -> int | None:
        """The file to be replaced, open for writing, if it is the very one that we wrote."""
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            stated = self._stated(descriptor)
            if stated is not None and not stated.copied:  # anything else may be a link to somebody's file
                return descriptor
            os.close(descriptor)
        return None

    def _stated(self, descriptor: int) -> Statement | None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            return None
        content = os.pread(descriptor, status.st_size, 0)
        body, _, rest = content.partition(b"\n")
        if not hmac.compare_digest(rest, self._signature(body) + b"\n"):
            return None
        stated = orjson.loads(body)
        seen = {chain: Seen(Head(count, mac), anchored) for chain, (count, mac, anchored) in stated["seen"].items()}
        return Statement(seen, copied=stated["identity"] != identity(descriptor))

    def _signature(self, body: bytes) -> bytes:
        return hmac.new(self._key, b"witness\0" + body, hashlib.sha256).hexdigest().encode()
