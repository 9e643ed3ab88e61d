"""A witness beside the journal: a small file that knows how far the ledger had come, so that a ledger which forgot is
found out before it gives the server a ninth attempt.

Before a credential leaves the process, the ledger's row is written, and then the witness: which journal it is, the
row's number, and how many failures there would be if the attempt failed. A journal that is missing, rebuilt or restored
from an older copy is behind its witness. The witness also holds its own inode, so that a state folder that was restored
or copied as a whole, witness and all, is recognised too. The folder itself bears the same testimony, as an extended
attribute, where the file system has these: a volume that was emptied is still the same volume.

Where a journal is shared between hosts, each has a witness of its own, which is raised to what the ledger says at every
look, so that it knows of the attempts of all. The ledger also knows which database it was written in: rows that were
restored into another one are recognised by every host, also by one that has no witness yet.

What can't be found out: a disk, volume or virtual machine set back to a snapshot, where every byte is as it was; and a
state folder that was removed and made anew, which is what a first start looks like. After either, `login reset` is only
right once the account is known to be unlocked. Nor can rows that were restored into the very same database, or cluster,
where no host is left whose witness had seen the later ones.
"""

import errno
import fcntl
import json
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from worker.journal.attempts import History
from worker.journal.database import JournalUnavailable
from worker.private_files import link_once, written_whole

NAME: Final = "login.witness"
MARK: Final = "user.nhsmail-worker.login"
"""The folder's extended attribute."""
_GENERATION: Final = 0x80087601
"""FS_IOC_GETVERSION: the inode's generation, where the file system has one (linux/fs.h)."""


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the witness saw last. failures: at most so many count since the last success or reset."""

    epoch: str
    number: int
    failures: int


class Untrusted(Exception):
    """The witness is there, but damaged, or not the file that we wrote: a copy."""


class Witness:
    """The file. Used under the attempt mutex."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME

    def read(self) -> Testimony | None:
        """What it saw last, or, where its file is gone, what the folder bears; None: there is no witness.

        Raises:
            Untrusted: there is one that can't be believed.
            JournalUnavailable: it can't be read now.
        """
        try:
            with self._path.open("rb") as file:
                identity, content = _identity(file.fileno()), file.read()
        except FileNotFoundError:
            mark = self._mark()
            return None if mark is None else _parsed(mark)[0]
        except OSError as error:
            raise JournalUnavailable(f"the guard's file {NAME} can't be read: {error.strerror}") from error
        testimony, written_as = _parsed(content)
        if written_as != identity:
            raise Untrusted("the state folder was restored or copied")
        return testimony

    def begin(self, epoch: str) -> None:
        """Make the first witness of a state folder, before its first attempt; one that is there already stays.

        Raises:
            JournalUnavailable: there may be no witness.
        """
        with suppress(FileExistsError):
            self._put(Testimony(epoch, number=0, failures=0), link_once)

    def write(self, testimony: Testimony) -> None:
        """Replace what it saw, on the disk when this returns.

        Raises:
            JournalUnavailable: the file is as it was, or already as it should be.
        """
        try:
            self._put(testimony, os.replace)
        except FileExistsError as error:  # of the new file: another process, which the mutex should have kept out
            raise JournalUnavailable(f"the guard's file {NAME} is being written by another process") from error

    def _put(self, testimony: Testimony, place: Callable[[Path, Path], None]) -> None:
        try:
            with written_whole(self._path, place) as file:
                content = json.dumps(asdict(testimony) | {"identity": _identity(file.fileno())}).encode()
                file.write(content)
            with suppress(OSError):  # no attributes, or no room for one: the file is the witness that must be there
                os.setxattr(self._path.parent, MARK, content)
            _sync_folder(self._path.parent)
        except FileExistsError:
            raise
        except OSError as error:
            raise JournalUnavailable(f"the guard's file {NAME} can't be written: {error.strerror}") from error

    def _mark(self) -> bytes | None:
        try:
            return os.getxattr(self._path.parent, MARK)
        except OSError as error:
            if error.errno in {errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOENT}:
                return None
            raise JournalUnavailable(f"the guard's mark on the state folder can't be read: {error.strerror}") from error


def doubt(history: History, witness: Testimony | Untrusted | None, *, shared: bool) -> str | None:
    """Why the ledger may have forgotten attempts; None: it hasn't, or what it forgot can't matter.

    shared: the journal is shared between hosts, each with a witness of its own that may not have seen the newest
    attempts yet.
    """
    if history.moved:
        return "the journal lies in another database than it was written in: restored or moved"
    if witness is None:
        if shared or history.head == 0:
            return None  # a first start, or another host's journal
        return "the journal has attempts, but the guard's file beside it is missing"
    if isinstance(witness, Untrusted):
        return str(witness)
    if witness.epoch == history.epoch and history.head >= witness.number:
        return None
    nothing_to_forget = witness.number == 0 if shared else witness.failures == 0
    if nothing_to_forget:
        return None
    return "the journal is older than the last attempt, or another one: emptied, restored or rebuilt"


def _parsed(content: bytes) -> tuple[Testimony, str]:
    """A testimony, and the identity of the file that it was written to."""
    try:
        stored = json.loads(content)
        written_as = stored.pop("identity")
        return Testimony(**stored), written_as
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Untrusted("the guard's file is damaged") from error


def _identity(descriptor: int) -> str:
    generation = 0
    with suppress(OSError):
        answer = fcntl.ioctl(descriptor, _GENERATION, struct.pack("l", 0))
        generation = struct.unpack("l", answer)[0] & 0xFFFFFFFF
    return f"{os.fstat(descriptor).st_ino}.{generation}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
