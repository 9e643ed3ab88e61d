"""Puts the new configuration in its place: whole or not at all, and over another file only if that is wanted."""

import os
import tempfile
from pathlib import Path
from typing import Final

from worker.commands.exits import ExitCode, Failure
from worker.private_files import link_once, owned, sync

MODE: Final = 0o644
"""The worker's user reads it, whoever wrote it; it holds no secret."""
_ENOUGH: Final = bytes(65536)
"""More than a configuration takes. An empty file wouldn't do as a test: even a full disk has room for one."""


def refuse_taken(path: Path) -> None:
    """Refuse a name that is taken.

    Raises:
        Failure
    """
    if os.path.lexists(path):
        raise _taken(path)


def see_that_there_is_room(path: Path) -> None:
    """See that the file can be written, before anybody is asked anything.

    Raises:
        Failure
    """
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:
            file.write(_ENOUGH)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def put(path: Path, text: str, *, replace: bool) -> None:
    """Write the file. It is on the disk when this returns.

    Raises:
        Failure: it can't be written, or its name was taken meanwhile. Nothing is left of it.
    """
    target = Path(os.path.realpath(path)) if replace else path
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        new = Path(name)
        try:
            with os.fdopen(owned(descriptor, target.parent), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(descriptor, MODE)
                os.fsync(descriptor)
            if replace:
                new.replace(target)
            else:
                link_once(new, target)
        finally:
            new.unlink(missing_ok=True)
        sync(target.parent)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def _taken(path: Path) -> Failure:
    text = f"{path} already exists, and wasn't changed. --force replaces it; --config FILE names another file."
    return Failure(ExitCode.USAGE, text)


def _unwritable(path: Path, error: OSError | ValueError) -> Failure:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Failure(
        ExitCode.CONFIGURATION,
        f"{path} can't be written ({reason}). Nothing was written. Make its folder, with space on the disk and the "
        "right to write to it, or name another file with --config.",
    )
