"""The audit trail: who did what and when, in files that can't be changed without being noticed.

There is one chain of lines for each replica. Each line carries a keyed hash (HMAC-SHA256) over itself and the hash of
the line before. The newest line's number and hash, the chain's *head*, are kept in the folder's witness and, sealed
with the key, in the journal (*anchored*), so that a cut tail is noticed. Half a line at the very end, as a sudden stop
leaves it, is a finding until the next line is written; then it is cut off, and the trail says so.

A line is on the disk before the witness sees it, and the witness before the journal. So wherever a process is killed,
the trail has every line that the others know of.

The key lies in the state folder, readable by its owner alone. Whoever can read it, and can write the files and the
journal, can forge the trail; copies that are sent on at once (syslog, standard output) are out of their reach.
"""

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from worker.journal.audit_anchors import Anchor
from worker.logs.log import get_logger
from worker.logs.redaction import as_word, cleaned
from worker.logs.who import person
from worker.observe.audit.audit_kinds import KINDS
from worker.observe.audit.chain import Anchors, Chain
from worker.observe.audit.chain_name import chain_name
from worker.observe.audit.sealing import seal_heads
from worker.observe.audit.trail_folder import TrailFolder

log = get_logger()

ROTATE_AT = 64 * 1024 * 1024


class AuditUnavailable(Exception):
    """The trail can't be written: what has to be audited must not be done now."""

    log_safe = True


class Mirror(Protocol):
    """Gets a copy of each line as soon as it is written."""

    def send(self, line: bytes, /) -> None:
        """Pass the line on. May raise anything."""


class AuditTrail:
    """Writes one replica's chain. Safe between threads and processes.

    directory: made if need be; holds the key and the chains. replica: the lines go to its chain.
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
        mirror: Mirror | None = None,
        rotate_at: int = ROTATE_AT,
    ) -> None:
        self.chain = chain_name(replica)
        self.anchors = anchors
        with unavailable():
            self.folder = TrailFolder(directory)
        self._chain = Chain(self.folder, self.chain, anchors=anchors, clock=clock, rotate_at=rotate_at)
        self._account = account
        self._mirror = mirror
        self._thread_lock = threading.Lock()
        if self.folder.key_is_new and self.folder.chains():
            log.error("audit.broken", chain=self.chain, reason="key-missing")

    def record(self, kind: str, /, *, who: str | None = None, words: str = "", **fields: Any) -> None:
        """Add a line. On return it is on the disk and anchored.

        kind: one of `KINDS`, with its fields. who: the replica or the person (default: this operating-system user).
        words: a person's own reason for what they do.

        Raises:
            AuditUnavailable: the line can't be written.
            ValueError: no such kind.
        """
        self._add([self._body(kind, who, words, fields)])

    def record_all(self, kind: str, entries: Sequence[Mapping[str, Any]], /, *, who: str) -> None:
        """Add a line of one kind for each entry, on the disk and anchored on return; much cheaper than one at a time.

        Raises:
            AuditUnavailable: as `record`; the lines before the one that can't be written may stand.
            ValueError: no such kind.
        """
        if entries:
            self._add([self._body(kind, who, "", fields) for fields in entries])

    def _add(self, bodies: Sequence[dict[str, object]]) -> None:
        with self._writing():
            seal_heads(self.folder, self.anchors)
            lines = self._chain.extend(bodies)
            self._chain.sync()
            self._chain.witness()
            anchor, forged = self._chain.anchor, self._chain.forged
        self._send_on(lines)
        self._store(anchor, forged)

    def fingerprint(self, text: str) -> str:
        """A keyed hash of a setting's value (32 hexadecimal digits): shows that it changed, not what it is."""
        return hmac.new(self.folder.key, b"value\0" + text.encode(), hashlib.sha256).hexdigest()[:32]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with unavailable(), self._thread_lock, self.folder.locked_to_write():
            yield

    def _body(self, kind: str, who: str | None, words: str, fields: Mapping[str, Any]) -> dict[str, object]:
        if kind not in KINDS:
            raise ValueError(f"no such kind of audit line: {kind}")
        body = {"kind": kind, "who": as_word(who or person()), **cleaned(fields, KINDS[kind][1], account=self._account)}
        if words:
            readable = words.encode("utf-8", "replace").decode()  # a terminal may have sent bytes that are no UTF-8
            body["words"] = " ".join(readable.split())[:500]
        return body

    def _store(self, anchor: Anchor, forged: Anchor | None) -> None:
        if not self._chain.end_is_known:  # don't overwrite what the journal knows of an end that wasn't compared yet
            log.warning("audit.unanchored", chain=self.chain)
            return
        try:
            self.anchors.store(self.chain, anchor, instead_of=forged)
        except Exception:  # any trouble with the journal: the line is written, and the next one anchors it
            log.warning("audit.unanchored", chain=self.chain, exc_info=True)
            return
        with self._thread_lock:
            self._chain.anchored(anchor)

    def _send_on(self, lines: bytes) -> None:
        if self._mirror is None:
            return
        try:
            for line in lines.splitlines(keepends=True):
                self._mirror.send(line)
        except Exception:  # a copy that can't be sent on stops nothing
            log.warning("audit.mirror_failed", exc_info=True)


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn a failure to use the trail's files into `AuditUnavailable`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise AuditUnavailable(f"the audit trail can't be used: {reason}. Check the state folder") from error
    except ValueError as error:
        raise AuditUnavailable("the audit trail's key can't be read: restore audit.key from a backup") from error
