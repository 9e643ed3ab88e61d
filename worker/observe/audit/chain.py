"""One chain of the trail: lines are added at its true end, whoever else has written to the files or cut them."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import orjson

from worker.journal.audit_anchors import Anchor, Head
from worker.logs.log import get_logger
from worker.logs.printable import printable_json
from worker.logs.redaction import rfc3339
from worker.observe.audit.files import cut_torn, holds, inode_and_size, last_head, write_all
from worker.observe.audit.findings import What
from worker.observe.audit.lines import MARK, TAIL, chained_mac, genesis, head_seal, is_ours
from worker.observe.audit.trail_folder import TrailFolder
from worker.observe.audit.trail_witness import Seen, Statement
from worker.private_files import owned, sync

log = get_logger()


class Heads(Protocol):
    """Where heads are kept outside the trail: the journal, to be read."""

    def heads(self) -> Mapping[str, Anchor]:
        """All anchored chains."""


class Anchors(Heads, Protocol):
    """The same, to be written as well."""

    def store(self, chain: str, anchor: Anchor, *, instead_of: Anchor | None = None) -> None:
        """Keep this head, durably, unless the one kept has a higher count. Raises when it can't.

        instead_of: what is replaced whatever its count is.
        """


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
        self._left: tuple[int, int] | None = None  # inode and size after our last line
        self._stated: Statement | None = None  # what the witness said before our last line
        self._stored = 0  # the highest count that the journal took from us
        self._forged: Anchor | None = None
        self._set_back = False  # the journal is older than the witness

    def extend(self, bodies: Sequence[Mapping[str, object]]) -> bytes:
        """Add lines at the chain's true end, in one write. Returns them as written."""
        torn, doubts = self._catch_up()
        found: list[Mapping[str, object]] = [
            {"kind": "audit.doubted", "who": self.name, "reason": str(doubt)} for doubt in doubts
        ]
        if torn:
            log.warning("audit.repaired", chain=self.name, bytes=torn)
            found.insert(0, {"kind": "audit.repaired", "who": self.name, "bytes": torn})
        bodies = [*found, *bodies]
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

    def witness(self) -> None:
        """Let the folder's witness see how far the chain has come. Call it when the lines are on the disk."""
        if not self._folder.keyed:  # brought up to date as soon as the journal can be asked
            return
        before = {} if self._stated is None else self._stated.seen
        seen = {chain: Seen(one.head) for chain, one in before.items()} if self._copied else dict(before)
        kept = seen[self.name].anchored if self.name in seen and not self._set_back else 0
        seen[self.name] = Seen(self.head, max(kept, self._stored))
        try:
            self._folder.witness.write(seen)
        except OSError:  # the line stands, and the journal knows of it
            log.warning("audit.unanchored", chain=self.name, exc_info=True)

    @property
    def anchor(self) -> Anchor:
        """The head, sealed for the journal."""
        return Anchor(self.head, head_seal(self._folder.key, self.name, self.head) if self._folder.keyed else "")

    @property
    def forged(self) -> Anchor | None:
        """What somebody else put in the place of the journal's head."""
        return self._forged

    def anchored(self, anchor: Anchor) -> None:
        """The journal keeps this head now."""
        self._stored = max(self._stored, anchor.head.count)

    def _sealed(self, body: Mapping[str, object], before: Head) -> tuple[bytes, Head]:
        at = rfc3339(datetime.fromtimestamp(self._clock(), UTC))
        sealed = printable_json(orjson.dumps({"n": before.count + 1, "at": at, "chain": self.name, **body}))[:-1]
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
        self._left = (status.st_ino, status.st_size)

    def _catch_up(self) -> tuple[int, list[What]]:
        """Find the chain's end, if it isn't where we left it.

        Returns the bytes of half a line that were cut off, and what casts doubt on the chain's end.
        """
        self._stated = self._folder.witness.read() if self._folder.keyed else None
        self._set_back = False
        unsure = self._folder.keyed and (self._stated is None or self._stated.copied)
        status = inode_and_size(self._current)
        if self.end_is_known and status == self._left and not unsure:  # nobody else has written since
            return 0, []
        head, torn = self._read_end()
        known, doubts = self._known()
        missed = [one for one in known if not self._reaches(head, one)]
        if missed:
            # Continue from the known head: the gap stays for good, and `verify` finds it.
            log.error("audit.broken", chain=self.name, reason="end-missing")
            head = max(missed, key=lambda one: one.count)
        self.head = head
        self._report(doubts)
        return torn, doubts

    @property
    def _copied(self) -> bool:
        return self._stated is not None and self._stated.copied

    def _known(self) -> tuple[list[Head], list[What]]:
        """The heads that the chain must contain: the one this process wrote, the witness's, and the journal's.

        If the journal doesn't answer, the end has to be compared again before anything is anchored. Also returns what
        is wrong with witness and journal.
        """
        known, doubts = [self.head], list[What]()
        seen = Seen(Head(0, "")) if self._stated is None else self._stated.seen.get(self.name, Seen(Head(0, "")))
        known.append(seen.head)
        if self._folder.keyed and self._stated is None:
            doubts.append(What.UNWITNESSED)
        elif self._copied:
            doubts.append(What.COPIED)
        try:
            kept = self._anchors.heads().get(self.name)
        except Exception:  # noqa: BLE001 -- whatever the trouble with the journal is, the trail is written
            self.end_is_known = False
            return known, doubts
        self.end_is_known = True
        self._forged = None
        if kept is not None and self._folder.keyed and not is_ours(self._folder.key, self.name, kept):
            self._forged = kept
            return known, [*doubts, What.FORGED]
        if kept is not None:
            known.append(kept.head)
        count = 0 if kept is None else kept.head.count
        if not self._copied and count < seen.anchored:
            self._set_back, self._stored = True, count
            doubts.append(What.SET_BACK)
        self._stored = max(self._stored, count)
        return known, doubts

    def _report(self, doubts: Sequence[What]) -> None:
        for doubt in doubts:
            if doubt in {What.UNWITNESSED, What.FORGED}:
                log.error("audit.broken", chain=self.name, reason=str(doubt))
            else:
                log.warning("audit.doubted", chain=self.name, reason=str(doubt))

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
        status = inode_and_size(self._current)
        if status is None or status[1] < self._rotate_at:
            return
        sync(self._current)
        self._folder.rotate(self.name, self.head.count)
