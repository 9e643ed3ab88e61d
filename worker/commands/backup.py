"""`journal backup`: a copy to go back to, made beside a running worker.

In it: the journal, the audit trail with its key, and the key by which senders are known again. Left out on purpose:

- `login.witness`. It vouches for the count of attempts in this very folder; in another one it must not. The copied
  journal says by itself that it is in doubt.
- `installation`, the name of this folder's chain in the trail. A restored copy begins a chain of its own. Otherwise two
  workers could write the same chain, and a mirror would get two lines of one number, which looks like a forgery.
- The token cache: a secret. A person signs in again.
- The lease and the locks: they belong to running processes.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.journal.database import CopyFailed
from worker.journal.online_copy import copy_journal
from worker.journal.store import FILE
from worker.login.advice import moment
from worker.logs.who import actor
from worker.observe.audit.trail import AuditUnavailable
from worker.observe.audit.trail_folder import copy_trail
from worker.pipeline.known_senders import KEY_FILE
from worker.private_files import create, folder_written_whole, owned, owned_folder, read_key, write_once

AUDIT = "audit"
_LOCK = ".lock"

_ON_A_SERVER = (
    "The journal is in PostgreSQL, so this command copied nothing. Dump it with the database's own tools (`pg_dump "
    "--format=custom --file=nhsmail.dump DATABASE`), or back up the whole cluster. Copy `audit` and `senders.key` "
    "from each host's state folder as well. After a restore the worker doesn't log in until you run `nhsmail-worker "
    "login reset`."
)


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy. path: its folder. audited: whether the audit trail shows that it was made."""

    path: Path
    audited: bool


def back_up(context: Context, directory: Path) -> Backup:
    """Copy what a new state folder needs into a new folder in `directory`, which is made if need be.

    Raises:
        Failure: no copy was made; the text says why.
    """
    journal = context.parts.journal
    with context.explained():
        if journal.path is None:
            raise Failure(ExitCode.CONFIGURATION, _ON_A_SERVER)
        if not journal.exists:
            raise Failure(
                ExitCode.CONFIGURATION,
                f"There is no journal in {journal.state_dir}, so there is nothing to copy. Check [state] dir.",
            )
        try:
            with _alone_in(directory):
                audited = _audited(context)
                path = _free(directory, context.parts.clock())
                with folder_written_whole(path) as new:
                    _fill(context, journal.path, new)
                return Backup(path, audited)
        except (OSError, CopyFailed, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise Failure(
                ExitCode.CONFIGURATION,
                f"No copy was made in {directory}: {why}. The journal, the mail and a running worker are unchanged. "
                "Check that folder's disk, owner and mode, then run the command again.",
            ) from error


def _audited(context: Context) -> bool:
    """Record the copy before it is made, so that it is in the copied trail. False if the trail can't be written."""
    try:
        context.parts.announcer().copied(actor())
    except (AuditUnavailable, OSError):  # a copy is wanted most of all when the disk is failing
        return False
    return True


def _fill(context: Context, journal: Path, new: Path) -> None:
    """Copy the journal first: the trail then has every line that the copied journal knows of."""
    now = context.parts.clock()
    os.close(create(new / FILE))
    copy_journal(
        journal,
        new / FILE,
        context.settings.account.address,
        actor=actor(),
        now=now,
        doubt=f"it is a copy made at {moment(now)}, and can't know of attempts since then",
        copied=moment(now),
    )
    state = context.parts.journal.state_dir
    copy_trail(state / AUDIT, new / AUDIT)
    if (state / KEY_FILE).exists():
        write_once(new / KEY_FILE, read_key(state / KEY_FILE).hex() + "\n")


def _free(directory: Path, now: float) -> Path:
    """A name in the directory that nothing has yet."""
    name = f"nhsmail-worker-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(path for name in names if not (path := directory / name).exists())


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keep other backups from the directory."""
    if not directory.exists():
        directory.mkdir(mode=0o700)
        owned_folder(directory)
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(owned(descriptor, directory), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(
                ExitCode.NOT_NOW, f"Another backup is in progress in {directory}. Nothing was done."
            ) from None
        yield
    finally:
        os.close(descriptor)
