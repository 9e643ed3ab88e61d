"""The audit trail: who did what and when, in files that can't be changed without its showing.

One chain of lines for each replica, each line carrying a keyed hash (HMAC-SHA256) over itself and the hash of the line
before. The newest line's number and hash, the chain's *head*, is kept in the journal as well (*anchored*), so that a
cut tail shows. Half a line at the very end, as a sudden stop leaves it, is a finding until the next line is written:
then it is cut off, and the trail says so.

The key lies in the state folder, readable by its owner alone: whoever can read it, and write files and journal, can
forge the trail; what is sent on at once (syslog, standard output) is out of their reach.
"""

import fcntl
import getpass
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import orjson

from worker.journal.anchors import Head
from worker.logs.log import get_logger
from worker.logs.redaction import as_word, cleaned, rfc3339
from worker.observe.audit.audit_kinds import KINDS
from worker.observe.audit.files import (
    age,
    chain_files,
    chain_name,
    cut_torn,
    holds,
    identity,
    last_head,
    load_key,
    order,
    sync,
    write_all,
)
from worker.observe.audit.lines import MARK, TAIL, chained_mac, genesis, sealed_part
from worker.observe.audit.verify import Finding, Verification, Walk
from worker.private_files import owned, owned_folder

log = get_logger()

ROTATE_AT = 64 * 1024 * 1024


class AuditUnavailable(Exception):
    """The trail can't be written: what has to be audited must not be done now."""

    log_safe = True


class Anchors(Protocol):
    """Where heads are kept outside the trail: the journal."""

    def heads(self) -> Mapping[str, Head]:
        """All anchored chains."""

    def store(self, chain: str, head: Head) -> None:
        """Keep this head, durably, unless the one kept has a higher count. Raises when it can't."""


class AuditTrail:
    """One replica's chain, and the check of all chains of the folder. Safe between threads and processes.

    directory: made if need be; holds the key and the chains. replica: whose chain lines go to.
    anchors: keeps the heads. Never call `record` inside a transaction of the journal: anchoring is one of its own.
    mirror: also gets each line, as written. account: the only address that may appear.
    """

    def __init__(
        self,
        directory: Path,
        *,
        replica: str,
        anchors: Anchors,
        clock: Callable[[], float] = time.time,
        account: str | None = None,
        mirror: Callable[[bytes], object] | None = None,
        rotate_at: int = ROTATE_AT,
    ) -> None:
        self.chain = chain_name(replica)
        self._directory = directory
        self._anchors = anchors
        self._clock = clock
        self._account = account
        self._mirror = mirror
        self._rotate_at = rotate_at
        self._current = directory / f"{self.chain}.jsonl"
        self._thread_lock = threading.Lock()
        self._seen: tuple[int, int] | None = None  # inode and size after our last line: anything else was somebody else
        self._head = Head(0, "")
        self._anchored = 0
        self._checked = False
        with _unavailable():
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            owned_folder(directory)
            self._key, new = load_key(directory / "audit.key")
        if new and any(chain_files(directory)):
            log.error("audit.broken", chain=self.chain, reason="key-missing")

    def record(
        self, kind: str, /, *, who: str | None = None, words: str = "", durable: bool = True, **fields: Any
    ) -> None:
        """Add a line.

        kind: one of `KINDS`, with its fields. who: the replica or the person (default: this operating-system user).
        words: a person's own reason for what they do.
        durable: on return it is on the disk and anchored; else that waits for the next durable line, or `anchor()`.

        Raises:
            AuditUnavailable: the line can't be written.
            ValueError: no such kind.
        """
        body = self._body(kind, who, words, fields)
        with _unavailable(), self._thread_lock, self._locked(fcntl.LOCK_EX):
            lines = self._extend([body])
            if durable:
                sync(self._current)
            head = self._head
        self._send_on(lines)
        if durable:
            self._store(head)

    def record_all(self, kind: str, entries: Sequence[Mapping[str, Any]], /, *, who: str) -> None:
        """Add a line of one kind for each of these, at a fraction of the cost, on the disk and anchored on return.

        Raises:
            AuditUnavailable: as `record`; the lines before the one that can't be written may stand.
            ValueError: no such kind.
        """
        if not entries:
            return
        bodies = [self._body(kind, who, "", fields) for fields in entries]
        with _unavailable(), self._thread_lock, self._locked(fcntl.LOCK_EX):
            lines = self._extend(bodies)
            sync(self._current)
            head = self._head
        self._send_on(lines)
        self._store(head)

    def anchor(self) -> None:
        """Bring all lines so far to the disk and their head into the journal: once a batch.

        Raises:
            AuditUnavailable: the trail can't be brought to the disk.
        """
        with _unavailable(), self._thread_lock, self._locked(fcntl.LOCK_EX):
            if not self._current.exists() or self._head.count <= self._anchored:
                return
            sync(self._current)
            head = self._head
        self._store(head)

    def fingerprint(self, text: str) -> str:
        """A keyed hash of a setting's value (32 hexadecimal digits): shows that it changed, not what it is."""
        return hmac.new(self._key, b"value\0" + text.encode(), hashlib.sha256).hexdigest()[:32]

    def verify(self, *, shared: bool = False) -> Verification:
        """Check every chain of the folder against itself and against the journal.

        shared: the journal serves other state folders too. A chain of which nothing lies here is then another folder's,
        to be verified there; not so this folder's own, which is missed.

        Raises:
            AuditUnavailable: a file can't be read. What `anchors.heads()` raises comes through.
        """
        anchored = dict(self._anchors.heads())  # before the files: what is anchored later isn't missed now
        here = {chain for chain, _ in chain_files(self._directory)}
        elsewhere = anchored.keys() - here - {self.chain} if shared else set[str]()
        chains = sorted((here | anchored.keys()) - elsewhere)
        results = [self._verify_chain(chain, anchored.get(chain)) for chain in chains]
        return Verification(
            chains=len(chains),
            records=sum(records for records, _, _ in results),
            unanchored=sum(unanchored for _, unanchored, _ in results),
            findings=tuple(finding for _, _, findings in results for finding in findings),
            elsewhere=tuple(sorted(elsewhere)),
        )

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every readable line, one chain after another, oldest first, without its hash."""
        for _, file in sorted(chain_files(self._directory), key=order):
            with file.open("rb") as lines:
                for line in lines:
                    if (body := sealed_part(line)) is not None:
                        yield orjson.loads(body + b"}")

    # Writing

    def _body(self, kind: str, who: str | None, words: str, fields: Mapping[str, Any]) -> dict[str, object]:
        if kind not in KINDS:
            raise ValueError(f"no such kind of audit line: {kind}")
        body = {"kind": kind, "who": as_word(who or person()), **cleaned(fields, KINDS[kind][1], account=self._account)}
        if words:
            readable = words.encode("utf-8", "replace").decode()  # a terminal may have sent bytes that are no UTF-8
            body["words"] = " ".join(readable.split())[:500]
        return body

    def _extend(self, bodies: Sequence[Mapping[str, object]]) -> bytes:
        """Add lines at the chain's true end, in one write."""
        torn = self._catch_up()
        if torn:
            log.warning("audit.repaired", chain=self.chain, bytes=torn)
            bodies = [{"kind": "audit.repaired", "who": self.chain, "bytes": torn}, *bodies]
        self._rotate_if_full()
        head, lines = self._head, []
        for body in bodies:
            line, head = self._sealed(body, head)
            lines.append(line)
        written = b"".join(lines)
        self._append(written, head)
        return written

    def _sealed(self, body: Mapping[str, object], before: Head) -> tuple[bytes, Head]:
        at = rfc3339(datetime.fromtimestamp(self._clock(), UTC))
        sealed = orjson.dumps({"n": before.count + 1, "at": at, "chain": self.chain, **body})[:-1]
        mac = chained_mac(self._key, self._before(before), sealed)
        return sealed + MARK + mac.encode() + TAIL, Head(before.count + 1, mac)

    def _append(self, lines: bytes, head: Head) -> None:
        fresh = not self._current.exists()
        descriptor = os.open(self._current, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            write_all(owned(descriptor, self._directory), lines)
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            sync(self._directory)
        self._head = head
        self._seen = (status.st_ino, status.st_size)

    def _before(self, head: Head) -> str:
        return head.mac or genesis(self._key, self.chain)

    def _catch_up(self) -> int:
        """Find the chain's end, if it isn't where we left it. Returns the bytes of half a line that were cut off."""
        status = identity(self._current)
        if self._checked and status == self._seen:
            return 0
        head, torn = self._read_end()
        missed = [known for known in self._known_heads() if not self._reaches(head, known)]
        if missed:
            # Going on from what is known leaves the gap for `verify` to find, for good.
            log.error("audit.broken", chain=self.chain, reason="end-missing")
            head = max(missed, key=lambda known: known.count)
        self._head = head
        return torn

    def _known_heads(self) -> list[Head]:
        """What the chain is known to have in it: by what this process wrote, and by the journal.

        Where the journal doesn't answer, the end has to be looked at again before anything is anchored.
        """
        try:
            anchored = self._anchors.heads().get(self.chain)
        except Exception:  # noqa: BLE001 -- whatever the journal's trouble is, the trail is written
            self._checked = False
            return [self._head]
        self._checked = True
        return [self._head] if anchored is None else [self._head, anchored]

    def _reaches(self, head: Head, known: Head) -> bool:
        """Whether the chain that ends with `head` has `known` in it."""
        if known.count == 0 or head == known:
            return True
        return head.count > known.count and any(holds(file, known) for file in self._files())

    def _read_end(self) -> tuple[Head, int]:
        torn = cut_torn(self._current)
        for file in self._files():
            if (head := last_head(file)) is not None:
                return head, torn
        return Head(0, ""), torn

    def _files(self) -> list[Path]:
        """The chain's files: the current one first, then the newest."""
        files = sorted((file for chain, file in chain_files(self._directory) if chain == self.chain), reverse=True)
        files.sort(key=lambda file: file != self._current)
        return files

    def _rotate_if_full(self) -> None:
        status = identity(self._current)
        if status is None or status[1] < self._rotate_at:
            return
        sync(self._current)
        self._current.rename(self._directory / f"{self.chain}~{self._head.count:012d}.jsonl")

    def _store(self, head: Head) -> None:
        if not self._checked:  # what the journal knows of the end isn't to be overwritten before it was looked at
            log.warning("audit.unanchored", chain=self.chain)
            return
        try:
            self._anchors.store(self.chain, head)
            self._anchored = max(self._anchored, head.count)
        except Exception:  # whatever the journal's trouble is: the line is written, and the next one anchors it
            log.warning("audit.unanchored", chain=self.chain, exc_info=True)

    def _send_on(self, lines: bytes) -> None:
        if self._mirror is None:
            return
        try:
            for line in lines.splitlines(keepends=True):
                self._mirror(line)
        except Exception:  # a copy that can't be sent on stops nothing
            log.warning("audit.mirror_failed", exc_info=True)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        descriptor = os.open(self._directory / "audit.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(owned(descriptor, self._directory), how)
            yield
        finally:
            os.close(descriptor)

    # Checking

    def _verify_chain(self, chain: str, anchored: Head | None) -> tuple[int, int, list[Finding]]:
        walk = Walk(self._key, chain, anchored)
        with _unavailable(), self._locked(fcntl.LOCK_SH):
            files = sorted((file for owner, file in chain_files(self._directory) if owner == chain), key=age)
            for file in files:
                with file.open("rb") as lines:
                    for number, line in enumerate(lines, 1):
                        walk.step(file.name, number, line)
        walk.end()
        return walk.records, max(0, walk.head.count - (anchored.count if anchored else 0)), walk.findings


# The form of a line: {"n":1,…,"mac":"64 digits"} and a newline; the hash covers every byte before `,"mac"`.


# Files


def person() -> str:
    """The operating-system user of this process, as a word; its number where it has no name."""
    try:
        return as_word(getpass.getuser())
    except (KeyError, OSError):  # no entry for an arbitrary user id of a container
        return f"uid-{os.getuid()}"


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise AuditUnavailable(f"the audit trail can't be used: {reason}; see to the state folder") from error
    except ValueError as error:
        raise AuditUnavailable("the audit trail's key can't be read: bring audit.key back from a backup") from error
