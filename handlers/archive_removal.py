"""How `archive` removes old messages: `remove_after`.

A message is old when the server received it, and we archived it, before the time in question. What isn't exactly what
`archive` writes is left alone: other names, links, folders with a file that isn't in `message.json`.

In a folder, a message is renamed to `.removed/KEY`, the renames are synced, and only then are its files deleted. So at
KEY there is a whole message or none, whatever happens. What a crash leaves in `.removed` is deleted before the next
look through all copies.

On an object store, `message.json`, the mark that a message is whole, is deleted first. What a crash leaves has no mark:
it is no message to `archive`, which writes it anew if it comes again, and goes with a later look once it is old.
"""

import contextlib
import heapq
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from worker import Look, OldCopies, OldCopy, RemovedCopies
from worker.objects import Listed, Objects, ObjectsRefused

_NAME = re.compile(r"([a-z2-7]{26}(?:-[0-9]{1,6})?)(?:\.[0-9]{1,6})?")
"""A message's key, and the number of a later copy of it."""
_MARK, _MESSAGE, _ATTACHMENTS = "message.json", "message.eml", "attachments"
_REMOVED = ".removed"
_FOLDER_MODE = 0o750
_LARGEST_MARK = 16 * 1024 * 1024
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not hang us


class _NotOurs(Exception):
    """It isn't as `archive` made it."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a `message.json` says. files: the names of the attachments."""

    received_at: datetime
    files: frozenset[str]


def key_of(name: str) -> str | None:
    """The key of the message that a copy of this name is of; None if it can't be a copy."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


class FolderCopies:
    """The copies below a folder."""

    def __init__(self, root: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._monotonic = monotonic

    def old_copies(self, look: Look) -> OldCopies:
        """Look at copies in the order of their names. Raises OSError if the folder can't be read."""
        until = self._monotonic() + look.seconds
        with _entered(self._root) as root:
            names = _names_after(root, look.after, look.most + 1)
            seen = _Seen(look)
            for name in names[: look.most]:
                if seen.is_full or (seen.looked and self._monotonic() > until):
                    break
                seen.add(name, partial(_age, root, name, look.before))
        return seen.result(is_all=seen.looked == len(names))

    def remove_copies(self, names: Sequence[str], before: datetime) -> RemovedCopies:
        """Remove what a crash left, and those of these copies that are still old.

        Raises OSError if the folder can't be read, or `.removed` isn't a folder.
        """
        moved, refused = [], []
        with _entered(self._root) as root:
            with contextlib.suppress(FileExistsError):
                os.mkdir(_REMOVED, _FOLDER_MODE, dir_fd=root)
            with _entered(_REMOVED, root) as bin_:
                left = sum(not _deleted(bin_, name) for name in _kinds(bin_))
                if not names:
                    return RemovedCopies(left=left)
                for name in names:
                    try:
                        if key_of(name) is not None and _age(root, name, before) < before:
                            os.rename(name, name, src_dir_fd=root, dst_dir_fd=bin_)
                            moved.append(name)
                    except (FileNotFoundError, _NotOurs):
                        pass  # changed since the look
                    except OSError:
                        refused.append(name)
                os.fsync(bin_)
                os.fsync(root)
                removed = [name for name in moved if _deleted(bin_, name)]
                os.fsync(bin_)
        return RemovedCopies(tuple(removed), (*refused, *(name for name in moved if name not in removed)), left)


class StoreCopies:
    """The copies in a folder of an object store."""

    def __init__(self, objects: Objects, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._objects = objects
        self._monotonic = monotonic

    def old_copies(self, look: Look) -> OldCopies:
        """Look at copies in the order of the objects' names. Raises Retry, ObjectsRefused."""
        until = self._monotonic() + look.seconds
        seen = _Seen(look)
        # "0" is the character after "/": so the rest of the last copy's objects doesn't come again.
        after = None if look.after is None else f"{look.after}0"
        for name, objects in groupby(self._objects.listed(after=after), lambda one: one.name.partition("/")[0]):
            if seen.is_full or seen.looked >= look.most or (seen.looked and self._monotonic() > until):
                return seen.result(is_all=False)
            if key_of(name) is not None:
                found = list(objects)
                seen.add(name, partial(self._age, name, found, look.before))
        return seen.result(is_all=True)

    def remove_copies(self, names: Sequence[str], before: datetime) -> RemovedCopies:
        """Remove those of these copies that are still old. Raises Retry, ObjectsRefused."""
        going: dict[str, list[str]] = {}
        for name in names:
            found = list(self._objects.listed(name))
            with contextlib.suppress(_NotOurs):
                if found and self._age(name, found, before) < before:
                    going[name] = sorted((one.name for one in found), key=lambda one: one != f"{name}/{_MARK}")
        versions = any(self._objects.keeps_versions(copy[0]) for copy in list(going.values())[:1])
        try:
            self._delete(going.values())
        except ObjectsRefused:  # which of them, the store doesn't say
            refused = tuple(name for name in going if not self._is_deleted(going[name]))
        else:
            refused = ()
        return RemovedCopies(tuple(name for name in going if name not in refused), refused, versions=versions)

    def _delete(self, copies: Iterable[Sequence[str]]) -> None:
        """Delete the marks of all copies, then the rest."""
        copies = list(copies)
        for batch in ([one[0] for one in copies], [name for one in copies for name in one[1:]]):
            if batch:
                self._objects.delete(batch)

    def _is_deleted(self, copy: Sequence[str]) -> bool:
        try:
            self._delete([copy])
        except ObjectsRefused:
            return False
        return True

    def _age(self, name: str, objects: Sequence[Listed], before: datetime) -> datetime:
        """When the message was received or archived, whichever is later. Raises _NotOurs."""
        newest = max(one.modified for one in objects)
        if newest >= before:
            return newest
        there = {one.name.removeprefix(f"{name}/") for one in objects}
        files = {one.removeprefix(f"{_ATTACHMENTS}/") for one in there if one.startswith(f"{_ATTACHMENTS}/")}
        if any("/" in one for one in files) or len(there - {_MARK, _MESSAGE}) != len(files):
            raise _NotOurs
        if _MARK not in there:
            return newest  # the rest of one that was removed, or of a message that never became whole
        mark = _mark_in(self._objects.get(f"{name}/{_MARK}"), name)
        if not files <= mark.files:
            raise _NotOurs
        return max(newest, mark.received_at)


class _Seen:
    """What a look has seen so far."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._copies: list[OldCopy] = []
        self._oldest: datetime | None = None
        self._left = 0
        self._after = look.after
        self.looked = 0

    @property
    def is_full(self) -> bool:
        return len(self._copies) >= self._look.found

    def add(self, name: str, age: Callable[[], datetime]) -> None:
        """Look at the copy of this name. age: when it was received or archived; raises if it isn't ours."""
        self.looked += 1
        self._after = name
        try:
            at = age()
        except FileNotFoundError:
            return  # removed by somebody meanwhile
        except (OSError, _NotOurs):
            self._left += 1
            return
        if at < self._look.before:
            self._copies.append(OldCopy(str(key_of(name)), name))
        elif self._oldest is None or at < self._oldest:
            self._oldest = at

    def result(self, *, is_all: bool) -> OldCopies:
        """is_all: nothing is left to look at."""
        after = None if is_all else self._after
        return OldCopies(tuple(self._copies), after, self.looked, self._oldest, self._left)


@contextmanager
def _entered(folder: Path | str, parent: int | None = None) -> Iterator[int]:
    """Open a folder. Below a parent, a link isn't followed."""
    flags = _ENTER if parent is not None else _ENTER & ~os.O_NOFOLLOW
    opened = os.open(folder, flags, dir_fd=parent)
    try:
        yield opened
    finally:
        os.close(opened)


def _names_after(root: int, after: str | None, most: int) -> list[str]:
    """The first names of copies after this one. Reads the names of the whole folder, and opens nothing."""
    with os.scandir(root) as entries:
        return heapq.nsmallest(
            most, (one.name for one in entries if (after is None or one.name > after) and key_of(one.name) is not None)
        )


def _age(root: int, name: str, before: datetime) -> datetime:
    """When the message was received or archived, whichever is later. Raises _NotOurs, OSError."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=root, follow_symlinks=False).st_mode):
        raise _NotOurs
    with _entered(name, root) as folder:
        try:
            status = os.stat(_MARK, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            raise _NotOurs from None  # somebody has taken files out of it: what is left is theirs
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_MARK:
            raise _NotOurs
        archived = datetime.fromtimestamp(status.st_mtime, UTC)
        if archived >= before:
            return archived
        with os.fdopen(os.open(_MARK, _READ, dir_fd=folder), "rb") as file:
            mark = _mark_in(file.read(_LARGEST_MARK), name)
        if mark.received_at < before:
            _must_be_ours(folder, mark)
        return max(archived, mark.received_at)


def _must_be_ours(folder: int, mark: _Mark) -> None:
    """Raise _NotOurs if the folder has anything that `archive` didn't write."""
    kinds = _kinds(folder)
    if not kinds.keys() <= {_MARK, _MESSAGE, _ATTACHMENTS}:
        raise _NotOurs
    files = {}
    if _ATTACHMENTS in kinds:
        if not stat.S_ISDIR(kinds.pop(_ATTACHMENTS)):
            raise _NotOurs
        with _entered(_ATTACHMENTS, folder) as attachments:
            files = _kinds(attachments)
    if not files.keys() <= mark.files or not all(map(stat.S_ISREG, [*kinds.values(), *files.values()])):
        raise _NotOurs


def _kinds(folder: int) -> dict[str, int]:
    """The modes of what lies in the folder, by name."""
    with os.scandir(folder) as entries:
        return {one.name: one.stat(follow_symlinks=False).st_mode for one in entries}


def _deleted(bin_: int, name: str) -> bool:
    """Delete what lies here, without following links. Returns whether it is gone."""
    try:
        if stat.S_ISDIR(os.stat(name, dir_fd=bin_, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=bin_)
        else:
            os.unlink(name, dir_fd=bin_)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _mark_in(data: bytes, name: str) -> _Mark:
    """What this `message.json` of the copy of this name says. Raises _NotOurs."""
    try:
        told: Any = json.loads(data)
        received_at = datetime.fromisoformat(told["received_at"])
        files = [file["file"] for file in told["attachments"] or ()]
        is_ours = told["key"] == key_of(name) and isinstance(told["sha256"], str) and received_at.tzinfo is not None
        names = frozenset(file.removeprefix(f"{_ATTACHMENTS}/") for file in files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _NotOurs from None
    if not is_ours:
        raise _NotOurs
    return _Mark(received_at, names)
