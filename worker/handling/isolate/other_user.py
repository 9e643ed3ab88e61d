"""Another user for a child process: who that is, whether we may change to it, and the change itself."""

import ctypes
import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path

_NEEDED = {5: "CAP_KILL", 6: "CAP_SETGID", 7: "CAP_SETUID"}
"""The capabilities that it takes to become another user and to end that user's processes, by their bits."""
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_NO_ID = (1 << 32) - 1
"""The number that means "none" to the system, and is no user's."""


@dataclass(frozen=True, slots=True)
class OtherUser:
    """The user that a child process runs as. groups: all of its groups, the first one (`gid`) included."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def user_named(name: str) -> OtherUser:
    """The user of this name, or of this number, which needs no entry in /etc/passwd.

    Raises:
        LookupError: there is none.
    """
    number = int(name) if re.fullmatch(r"[0-9]{1,10}", name) else None
    try:
        entry = pwd.getpwnam(name) if number is None else pwd.getpwuid(number)
    except (KeyError, OverflowError, ValueError):
        if number is None or number >= _NO_ID:
            raise LookupError(name) from None
        return OtherUser(number, number, (number,), "/")
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return OtherUser(entry.pw_uid, entry.pw_gid, tuple(groups), entry.pw_dir)


def user_fault(name: str) -> str | None:
    """Why a handler can't run as this user, and what to do; None if it can."""
    try:
        user = user_named(name)
    except LookupError:
        return (
            f'there is no user "{name}" on this machine. Create it (adduser --system --no-create-home {name}), or name '
            "another."
        )
    if user.uid == 0:
        return "is root, who may read everything. Name a user that has no rights."
    if user.uid == os.geteuid():
        return "is the worker's own user, from whom nothing is kept. Name another."
    if lacking := lacking_capabilities():
        return (
            f"the worker may not run anything as another user: it lacks {', '.join(lacking)}. Start it, and this "
            "command, with the rights that docs/handlers.md names under 'Another user'. Or remove `user`: then the "
            "handler can read what the worker's user can read."
        )
    return None


def lacking_capabilities() -> list[str]:
    """The capabilities that this process needs to run a child as another user, and to end it, and doesn't have."""
    effective = _capabilities("CapEff")
    return [name for bit, name in _NEEDED.items() if not effective >> bit & 1]


def may_read(user: OtherUser, path: Path) -> bool:
    """Whether the modes let this user read a file. Access control lists aren't looked at."""
    try:
        steps = [*path.resolve().parents, path]
        return all(_has(user, step, 0o1 if step != path else 0o4) for step in steps)
    except OSError:
        return False  # it isn't there, or not even we may look


def _has(user: OtherUser, path: Path, bit: int) -> bool:
    status = path.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & bit << 6)
    return bool(status.st_mode & (bit << 3 if status.st_gid in user.groups else bit))


def become(user: OtherUser) -> None:
    """Change this process, for good, to the user, without any right that the worker has.

    Call it before any thread starts: capabilities are a thread's own.

    Raises:
        OSError: the system refused it. This process may be half changed: end it.
    """
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    # A worker that isn't root keeps its capabilities over the change, so they have to be given up.
    libc = ctypes.CDLL(None, use_errno=True)
    _must(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _must(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    header, none = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _must(libc.capset(header, none))


def _must(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _capabilities(which: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith(f"{which}:"))
