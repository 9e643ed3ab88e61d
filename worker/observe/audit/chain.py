"""One chain of the trail: lines are added at its true end, whoever else has written to the files or cut them."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import orjson

from worker.journal.audit_anchors import Head
from worker.logs.log import get_logger
from worker.logs.redaction import rfc3339
from worker.observe.audit.files import cut_torn, holds, identity, last_head, sync, write_all
from worker.observe.audit.lines import MARK, TAIL, chained_mac, genesis
from worker.observe.audit.trail_folder import TrailFolder
from worker.private_files import owned

log = get_logger()


class Anchors(Protocol):
    """Where heads are kept outside the trail: the journal."""

    def heads(self) -> Mapping[str, Head]:
        """All anchored chains."""

    def store(self, chain: str, head: Head) -> None:
        """Keep this head, durably, unless the one kept has a higher count. Raises when it can't."""


class Chain:
    """Not safe between threads or processes: whoever writes holds the folder's lock. Methods may raise OSError."""

    def __init__(
        self, folder: TrailFolder, name: str, *, anchors: Anchors, clock: Callable[[], float], rotate_at: int
    ) -> None:
        self.name = name
        self.head = Head(0, "")
        self.end_is_known = False
        """Whether the end was compared with what the journal knows of it."""
        self._folder = folder
        self._anchors = anchors
        self._clock = clock
        self._rotate_at = rotate_at
        self._current = folder.current(name)
        self._seen: tuple[int, int] | None = None  # inode and size after our last line

    def extend(self, bodies: Sequence[Mapping[str, object]]) -> bytes:
        """Add lines at the chain's true end, in one write. Returns them as written."""
        torn = self._catch_up()
        if torn:
            log.warning("audit.repaired", chain=self.name, bytes=torn)
            bodies = [{"kind": "audit.repaired", "who": self.name, "bytes": torn}, *bodies]
        self._rotate_if_full()
        head, lines = self.head, []
        for body in bodies:
            line, head = self._sealed(body, head)
            lines.append(line)
        written = b"".join(lines)
        self._append(written, head)
        return written

    def sync(self) -> None:
        """Wait until the current file is on the disk."""
        sync(self._current)

    def _sealed(self, body: Mapping[str, object], before: Head) -> tuple[bytes, Head]:
        at = rfc3339(datetime.fromtimestamp(self._clock(), UTC))
        sealed = orjson.dumps({"n": before.count + 1, "at": at, "chain": self.name, **body})[:-1]
        mac = chained_mac(self._folder.key, before.mac or genesis(self._folder.key, self.name), sealed)
        return sealed + MARK + mac.encode() + TAIL, Head(before.count + 1, mac)

    def _append(self, lines: bytes, head: Head) -> None:
        fresh = not self._current.exists()
        descriptor = os.open(self._current, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            write_all(owned(descriptor, self._folder.path), lines)
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            sync(self._folder.path)
        self.head = head
        self._seen = (status.st_ino, status.st_size)

    def _catch_up(self) -> int:
        """Find the chain's end, if it isn't where we left it. Returns the bytes of half a line that were cut off."""
        status = identity(self._current)
        if self.end_is_known and status == self._seen:  # nobody else has written since
            return 0
        head, torn = self._read_end()
        missed = [known for known in self._known_heads() if not self._reaches(head, known)]
        if missed:
            # Continue from the known head: the gap stays for good, and `verify` finds it.
            log.error("audit.broken", chain=self.name, reason="end-missing")
            head = max(missed, key=lambda known: known.count)
        self.head = head
        return torn

    def _known_heads(self) -> list[Head]:
        """The heads that the chain must contain: the one that this process wrote, and the one in the journal.

        If the journal doesn't answer, the end has to be compared again before anything is anchored.
        """
        try:
            anchored = self._anchors.heads().get(self.name)
        except Exception:  # noqa: BLE001 -- whatever the trouble with the journal is, the trail is written
            self.end_is_known = False
            return [self.head]
        self.end_is_known = True
        return [self.head] if anchored is None else [self.head, anchored]

    def _reaches(self, head: Head, known: Head) -> bool:
        """Whether the chain that ends with `head` has `known` in it."""
        if known.count == 0 or head == known:
            return True
        return head.count > known.count and any(holds(file, known) for file in self._newest_first())

    def _read_end(self) -> tuple[Head, int]:
        torn = cut_torn(self._current)
        for file in self._newest_first():
            if (head := last_head(file)) is not None:
                return head, torn
        return Head(0, ""), torn

    def _newest_first(self) -> list[Path]:
        return self._folder.files(self.name)[::-1]

    def _rotate_if_full(self) -> None:
        status = identity(self._current)
        if status is None or status[1] < self._rotate_at:
            return
        sync(self._current)
        self._folder.rotate(self.name, self.head.count)
