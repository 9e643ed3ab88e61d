"""How much the mailbox holds, as the server says it: its quota (RFC 9208), and the sizes of folders and messages.

Nobody needs the size to get at the mail, so an odd answer about the quota never costs the connection: it counts as no
answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worker.mailbox import uid_sets
from worker.mailbox.errors import CommandRefused, ProtocolFault
from worker.mailbox.fetch_answers import answers
from worker.mailbox.imap_connection import ImapConnection
from worker.mailbox.imap_exceptions import session_error
from worker.mailbox.wire import ImapError

UNIT: Final = 1024
"""Bytes in the unit that servers count storage in (RFC 9208, 5.1)."""
MOST: Final = 2**53
"""The most bytes that are believed. A server may report a number that no journal can hold."""
# The root's name is an atom, a quoted string or a literal, which may hold parentheses itself.
_QUOTA: Final = re.compile(rb'\s*(?:"(?:[^"\\]|\\.)*"|\{[0-9]+\+?\}|[^\s()"{]*)\s*\(([^()]*)\)\s*', re.DOTALL)
_NUMBER: Final = re.compile(rb"[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class Storage:
    """What the server says of the mailbox's storage, in bytes. limit: None: it tells none."""

    used: int
    limit: int | None


def storage_of(lines: Sequence[object]) -> Storage | None:
    """Read the answers to GETQUOTAROOT, as imaplib gives them. None: none of them tells of storage.

    Of several roots it is the one that is closest to its limit, since the first that is full bounces mail; of roots
    without a limit the one that holds most. An answer that isn't as RFC 9208 says is left out. A limit of 0 is none:
    servers write it for "unlimited", and a mailbox that may hold nothing would have no mail.
    """
    roots = [found for answer in answers(lines) if (found := _root(answer)) is not None]
    return max(roots, key=_fullness, default=None)


def _fullness(root: Storage) -> tuple[float, int]:
    return (0.0 if root.limit is None else root.used / root.limit, root.used)


def _root(answer: Sequence[object]) -> Storage | None:
    # of a part with a literal, imaplib gives the line and the literal; a root's name doesn't matter
    parts = [part[0] if isinstance(part, tuple) else part for part in answer]
    if not all(isinstance(part, bytes) for part in parts):
        return None
    match = _QUOTA.fullmatch(b"".join(part for part in parts if isinstance(part, bytes)))
    words = [] if match is None else match[1].split()
    if len(words) % 3:
        return None
    for name, used, limit in zip(words[::3], words[1::3], words[2::3], strict=True):
        if name.upper() == b"STORAGE":
            return _storage(used, limit)
    return None


def _storage(used: bytes, limit: bytes) -> Storage | None:
    if not (_NUMBER.fullmatch(used) and _NUMBER.fullmatch(limit)):
        return None
    used_bytes, limit_bytes = int(used) * UNIT, int(limit) * UNIT
    if used_bytes > MOST:
        return None
    return Storage(used_bytes, limit_bytes if 0 < limit_bytes <= MOST else None)


class SizeCommands:
    """Runs GETQUOTAROOT, STATUS (SIZE) and FETCH (RFC822.SIZE) on one connection."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection

    def storage(self) -> Storage | None:
        """Ask for the quota of INBOX. None: the server refuses, or says nothing that can be used."""
        try:
            with self._connection.translated():
                return storage_of(self._asked())
        except CommandRefused:
            return None

    def _asked(self) -> list[object]:
        try:
            return self._connection.client.inbox_quota()
        except ImapError as error:
            fault = session_error(error, {})
            if isinstance(fault, ProtocolFault) and fault.by_server:
                return []  # BAD, from a server that announces QUOTA and doesn't know it
            raise

    def folder_size(self, folder: str) -> int | None:
        """The bytes in a folder, by STATUS=SIZE (RFC 8438). None: the answer doesn't say, although the server can."""
        with self._connection.translated():
            return _believed(self._connection.client.folder_status(folder, ("SIZE",)).get(b"SIZE"))

    def message_sizes(self, wanted: Sequence[int]) -> dict[int, int]:
        """The bytes of these messages of the selected folder, by UID, without those of which the server doesn't say."""
        if not wanted:
            return {}
        answer = self._connection.on_those_left(
            lambda: self._connection.client.fetch_by_uid(uid_sets.compress(wanted), ("RFC822.SIZE",))
        )
        asked = set(wanted)
        sizes = {uid: _believed(items.get(b"RFC822.SIZE")) for uid, items in answer.items() if uid in asked}
        return {uid: size for uid, size in sizes.items() if size is not None}


def _believed(size: object) -> int | None:
    return min(max(size, 0), MOST) if isinstance(size, int) else None
