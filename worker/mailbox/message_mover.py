"""Moving, copying and removing messages of the selected folder."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from worker.mailbox import uid_sets
from worker.mailbox.imap_connection import ImapConnection


@dataclass(frozen=True, slots=True)
class Moved:
    """Where messages went: their UIDs in the target by their old ones, as far as the server told."""

    uidvalidity: int | None
    uids: dict[int, int]


class MessageMover:
    """MOVE, COPY and UID EXPUNGE on the selected folder."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection

    def move(self, wanted: Sequence[int], target: str) -> Moved:
        """MOVE messages of the selected folder (RFC 6851). UIDs that aren't there any more are passed over."""
        client = self._connection.client
        client.untagged("COPYUID")
        self._connection.on_those_left(lambda: client.move(uid_sets.compress(wanted), target))
        client.untagged("EXPUNGE")  # our own doing is no news
        client.untagged("VANISHED")
        return _moved(client.untagged("COPYUID"))

    def copy(self, wanted: Sequence[int], target: str) -> Moved:
        """COPY messages of the selected folder."""
        client = self._connection.client
        client.untagged("COPYUID")
        self._connection.on_those_left(lambda: client.copy(uid_sets.compress(wanted), target))
        return _moved(client.untagged("COPYUID"))

    def delete(self, wanted: Sequence[int]) -> None:
        """Remove messages of the selected folder, these alone: `\\Deleted` and UID EXPUNGE (UIDPLUS, RFC 4315)."""
        client = self._connection.client
        self._connection.on_those_left(lambda: client.add_flags(uid_sets.compress(wanted), [b"\\Deleted"], silent=True))
        self._connection.on_those_left(lambda: client.uid_expunge(uid_sets.compress(wanted)))
        client.untagged("EXPUNGE")
        client.untagged("VANISHED")


_COPYUID = re.compile(rb"(\d+) ([\d:,]+) ([\d:,]+)")


def _moved(copyuid: list[object]) -> Moved:
    """COPYUID (RFC 4315), which Exchange can malform: then we don't know, and look for the messages when needed."""
    uidvalidity: int | None = None
    pairs: dict[int, int] = {}
    for line in copyuid:
        match = _COPYUID.fullmatch(line.strip()) if isinstance(line, bytes) else None
        if match is None:
            return Moved(None, {})
        with suppress(ValueError):
            old, new = (uid_sets.expand(match[group].decode()) for group in (2, 3))
            if len(old) == len(new):
                uidvalidity = int(match[1])
                pairs.update(zip(old, new, strict=True))
    return Moved(uidvalidity, pairs)
