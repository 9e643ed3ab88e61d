"""The witness: a small file beside the journal that records the number of the last row in the ledger of attempts.

If the ledger has lost rows, the witness reveals it before the worker makes an attempt too many. Before a credential
leaves the process, the ledger's row is written, and then the witness: which journal it is, the row's number, and how
many failures there would be if this attempt failed. A journal that is missing, rebuilt or restored from an older copy
is behind its witness. That is a reason to halt only if attempts had failed: otherwise nothing was forgotten. The
witness also holds its own inode number, so a state folder that was restored or copied as a whole, witness included, is
recognised too. Where the file system has extended attributes, the folder itself carries a copy of the witness, which
stays when a volume is emptied.

Where hosts share a journal, each host has its own witness. It is brought up to date whenever the host looks at the
ledger, so it knows of every host's attempts. The ledger also records which database it was written in, so every host,
even one that has no witness yet, recognises rows that were restored into another database.

Three things can't be detected. A disk, volume or virtual machine that was rolled back to a snapshot has every byte as
it was. A state folder that was removed and created again, or emptied on a file system without extended attributes,
looks like a first start, and so does a second folder for the same account. Rows that were restored into the same
database or cluster go unnoticed if no host is left whose witness had seen the later rows. After any of these, run
`login reset` only once the account is known to be unlocked.
"""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from worker.journal.attempts import History
from worker.journal.database import JournalUnavailable
from worker.private_files import identity, link_once, sync, written_whole

NAME: Final = "login.witness"
MARK: Final = "user.nhsmail-worker.login"
"""The state folder's extended attribute."""


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the witness saw last. failures: the most that may count since the last success or reset."""

    epoch: str
    number: int
    failures: int


class Untrusted(Exception):
    """The witness exists, but is damaged, or is a copy of the file that we wrote."""


class Witness:
    """The witness's file. Use it only under the attempt mutex."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME

    def read(self) -> Testimony | None:
        """Return what it saw last; if its file is gone, the folder's copy; None if there is no witness.

        Raises:
            Untrusted: there is a witness, but it can't be relied on.
            JournalUnavailable: it can't be read now.
        """
        try:
            with self._path.open("rb") as file:
                written_to, content = identity(file.fileno()), file.read()
        except FileNotFoundError:
            mark = self._mark()
            return None if mark is None else _parsed(mark)[0]
        except OSError as error:
            raise JournalUnavailable(f"the guard's file {NAME} can't be read: {error.strerror}") from error
        testimony, written_as = _parsed(content)
        if written_as != written_to:
            raise Untrusted("the state folder was restored or copied")
        return testimony

    def begin(self, epoch: str) -> None:
        """Create the first witness of a state folder, before its first attempt. An existing one stays.

        Raises:
            JournalUnavailable: there may be no witness.
        """
        with suppress(FileExistsError):
            self._put(Testimony(epoch, number=0, failures=0), link_once)

    def write(self, testimony: Testimony) -> None:
        """Replace what it saw. It is on the disk when this returns.

        Raises:
            JournalUnavailable: the file has either its old or its new content.
        """
        try:
            self._put(testimony, os.replace)
        except FileExistsError as error:  # another process made the new file, which the mutex should have prevented
            raise JournalUnavailable(f"the guard's file {NAME} is being written by another process") from error

    def _put(self, testimony: Testimony, place: Callable[[Path, Path], None]) -> None:
        try:
            with written_whole(self._path, place) as file:
                content = json.dumps(asdict(testimony) | {"identity": identity(file.fileno())}).encode()
                file.write(content)
            with suppress(OSError):  # attributes aren't supported, or there is no room: the file is enough
                os.setxattr(self._path.parent, MARK, content)
            sync(self._path.parent)
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
    """Return why the ledger may have lost attempts; None if it hasn't.

    None too at a first start, for a journal of other hosts, and where the witness saw nothing that must be remembered.

    shared: hosts share the journal, and this host's witness may not have seen the newest attempts yet.
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


def is_behind(history: History, seen: Testimony) -> bool:
    """Whether the journal lacks rows that the witness has seen, so that it is an older copy, or another journal."""
    return seen.number > 0 and (history.epoch != seen.epoch or history.head < seen.number)


def _parsed(content: bytes) -> tuple[Testimony, str]:
    """Return a testimony, and the identity of the file that it was written to."""
    try:
        stored = json.loads(content)
        written_as = stored.pop("identity")
        return Testimony(**stored), written_as
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Untrusted("the guard's file is damaged") from error
