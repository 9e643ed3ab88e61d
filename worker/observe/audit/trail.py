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
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from worker.observe.log import get_logger
from worker.observe.redact import as_word, cleaned, rfc3339
from worker.ownership import owned, owned_folder

log = get_logger()

ROTATE_AT = 64 * 1024 * 1024
MAC_LENGTH = 64
_TAIL = b'"}\n'
_MARK = b',"mac":"'
_END = len(_MARK) + MAC_LENGTH + len(_TAIL)
_LONGEST_LINE = 16 * 1024

KINDS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    kind: (meaning, frozenset(fields.split()))
    for kind, fields, meaning in (
        ("audit.repaired", "bytes", "a half-written line was cut off after a sudden stop"),
        ("configuration.changed", "setting", "a setting differs from the last start's"),
        ("configuration.loaded", "version python fingerprint", "the worker started with this configuration"),
        ("content.shown", "key command", "a person had a message's content shown"),
        ("journal.rebuilt", "count", "the journal was made anew from the mailbox"),
        ("lease.lost", "holder", "this replica no longer works on the mailbox"),
        ("lease.taken", "holder", "this replica works on the mailbox"),
        ("login.answered", "credential outcome failures remaining seconds", "what came of an attempt"),
        ("login.attempted", "credential method failures remaining", "a credential goes to the server now"),
        ("login.authorised", "method", "a person signed the worker in"),
        ("login.cooling", "failures remaining next_at reason", "no attempt before this time"),
        ("login.halted", "failures remaining reason", "no attempt until a person or a new credential changes things"),
        (
            "login.reset",
            "failures remaining",
            "a person vouched that the account was unlocked: so many `failures` are forgotten",
        ),
        ("login.resumed", "reason", "attempts are made again after a halt"),
        ("message.disposed", "key path state reason target", "a message came to its outcome"),
        ("message.released", "key", "a person said that junk is clean"),
        ("message.retried", "key", "a person asked for a dead letter to be tried again"),
        ("worker.paused", "", "a person paused the worker"),
        ("worker.resumed", "", "a person let the worker go on"),
        ("worker.started", "version run command", "a process began"),
        ("worker.stopped", "run exit reason", "a process ended in order"),
    )
}
"""What the trail can hold: kind, and the fields that may go with it. `words`, a person's own reason, goes with any."""


_PAGE: Final = """# Audit trail

In the state folder's `audit` lies one chain of lines for each replica: `REPLICA.jsonl`, and before it the rotated
`REPLICA~NUMBER.jsonl`, NUMBER being the file's last line. Each line is a JSON object with `n`, its number in the chain;
`at`; `chain`; `kind`; `who`, the replica or the operating-system user; the fields of its kind; `words`, where a person
gave a reason; and `mac`, a keyed hash over the line and the hash before it. `nhsmail-worker audit verify` checks every
chain, and compares its end with the head that the journal holds.

A chain is verified where it lies. Where several hosts share one journal (PostgreSQL), each has a state folder, a key
and a chain of its own: run `audit verify` on each of them. It checks the chains of that folder, misses the folder's own
chain if it is gone, and names the others' as `not in this folder`. With `--all` these are missed too: for one folder
into which all were brought together, or where none but this one should be. With SQLite all chains lie in the one
folder, and each that is gone is missed.

## What shows, and what doesn't

| done to the trail | shows as |
|---|---|
| a line edited | `altered` |
| lines deleted | `missing`; at the end `cut` |
| lines in another order, or twice | `misplaced` |
| something inserted | `unreadable`, `misplaced` or `altered` |
| the end cut off, an old copy put back, a chain removed | `cut` |
| half a line at the end | `torn`, until the next line is written; then `audit.repaired` stands in the trail |

These don't show, as whoever owns the state folder can do them: with the key (`audit.key`) *and* the journal, a whole
new trail can be forged; with the journal removed or restored from a backup, lines cut off the end aren't missed; with a
shared journal, neither is a chain that was removed together with the file `installation`, unless `--all` is given;
lines that the journal doesn't vouch for yet (`unanchored`, at most those of the batch in hand) can be cut. Send the
lines on as they are written, to syslog or standard output, and keep those where the owner of the folder can't reach
them.

Rotated files may be archived elsewhere, but `audit verify` then reports them as `missing`: bring them back beside the
others to verify.

## Kinds

| kind | means | fields |
|---|---|---|
"""


def markdown() -> str:
    """The trail as a page of the documentation."""
    rows = [
        f"| `{kind}` | {meaning} | {', '.join(f'`{name}`' for name in sorted(fields)) or '–'} |"
        for kind, (meaning, fields) in KINDS.items()
    ]
    return _PAGE + "\n".join(rows) + "\n"


class AuditUnavailable(Exception):
    """The trail can't be written: what has to be audited must not be done now."""

    log_safe = True


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: its lines so far, and the keyed hash of the last one (64 hexadecimal digits)."""

    count: int
    mac: str


class Anchors(Protocol):
    """Where heads are kept outside the trail: the journal."""

    def heads(self) -> Mapping[str, Head]:
        """All anchored chains."""

    def store(self, chain: str, head: Head) -> None:
        """Keep this head, durably, unless the one kept has a higher count. Raises when it can't."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with the trail. line: in that file, from 1; 0: the file as a whole."""

    chain: str
    file: str
    line: int
    what: str
    """altered, missing, misplaced, unreadable, torn or cut."""

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file or "no file"
        return f"{self.chain}: {place}: {_SAYS[self.what]}"


_SAYS: Final = {
    "altered": "the line, or the one before it, isn't what was written",
    "missing": "lines before this one are missing",
    "misplaced": "this line doesn't belong here: out of order, or twice",
    "unreadable": "this isn't a line of the trail",
    "torn": "half a line at the end: the process was stopped suddenly, or somebody cut it",
    "cut": "the end is missing: the journal knows of later lines",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found. unanchored: good lines at the ends of chains that the journal doesn't vouch for yet.

    elsewhere: chains that the journal knows of, and that lie in the state folders of other installations.
    """

    chains: int
    records: int
    unanchored: int
    findings: tuple[Finding, ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every line is as it was written, and none is missing."""
        return not self.findings


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
        self.chain = _chain_name(replica)
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
            self._key, new = _load_key(directory / "audit.key")
        if new and any(_chain_files(directory)):
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
                _sync(self._current)
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
            _sync(self._current)
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
            _sync(self._current)
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
        here = {chain for chain, _ in _chain_files(self._directory)}
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
        for _, file in sorted(_chain_files(self._directory), key=_order):
            with file.open("rb") as lines:
                for line in lines:
                    if (body := _body(line)) is not None:
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
        mac = _mac(self._key, self._before(before), sealed)
        return sealed + _MARK + mac.encode() + _TAIL, Head(before.count + 1, mac)

    def _append(self, lines: bytes, head: Head) -> None:
        fresh = not self._current.exists()
        descriptor = os.open(self._current, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            _write_all(owned(descriptor, self._directory), lines)
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            _sync(self._directory)
        self._head = head
        self._seen = (status.st_ino, status.st_size)

    def _before(self, head: Head) -> str:
        return head.mac or _genesis(self._key, self.chain)

    def _catch_up(self) -> int:
        """Find the chain's end, if it isn't where we left it. Returns the bytes of half a line that were cut off."""
        status = _status(self._current)
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
        return head.count > known.count and any(_holds(file, known) for file in self._files())

    def _read_end(self) -> tuple[Head, int]:
        torn = _cut_torn(self._current)
        for file in self._files():
            if (head := _last_head(file)) is not None:
                return head, torn
        return Head(0, ""), torn

    def _files(self) -> list[Path]:
        """The chain's files: the current one first, then the newest."""
        files = sorted((file for chain, file in _chain_files(self._directory) if chain == self.chain), reverse=True)
        files.sort(key=lambda file: file != self._current)
        return files

    def _rotate_if_full(self) -> None:
        status = _status(self._current)
        if status is None or status[1] < self._rotate_at:
            return
        _sync(self._current)
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
        walk = _Walk(self._key, chain, anchored)
        with _unavailable(), self._locked(fcntl.LOCK_SH):
            files = sorted((file for owner, file in _chain_files(self._directory) if owner == chain), key=_age)
            for file in files:
                with file.open("rb") as lines:
                    for number, line in enumerate(lines, 1):
                        walk.step(file.name, number, line)
        walk.end()
        return walk.records, max(0, walk.head.count - (anchored.count if anchored else 0)), walk.findings


class _Walk:
    """Goes along one chain, and notes what is wrong."""

    def __init__(self, key: bytes, chain: str, anchored: Head | None) -> None:
        self._key = key
        self._chain = chain
        self._anchored = anchored
        self._file = ""
        self._vouched = anchored is None or anchored.count == 0
        self.head = Head(0, _genesis(key, chain))
        self.records = 0
        self.findings: list[Finding] = []

    def step(self, file: str, number: int, line: bytes) -> None:
        self._file = file
        body = _body(line)
        if body is None:
            self._note(number, "unreadable" if line.endswith(b"\n") else "torn")
            return
        self.records += 1
        count, mac = _number_of(body), _mac_of(line)
        if count != self.head.count + 1:
            self._note(number, "missing" if count > self.head.count else "misplaced")
        elif not hmac.compare_digest(_mac(self._key, self.head.mac, body), mac):
            self._note(number, "altered")
        # After a fault, go on from what the line says of itself: every further fault is found too.
        self.head = Head(count, mac)
        if self._anchored is not None and self.head == self._anchored:
            self._vouched = True

    def end(self) -> None:
        if self._vouched or self._anchored is None:
            return
        self._note(0, "cut" if self._anchored.count > self.head.count else "altered")

    def _note(self, line: int, what: str) -> None:
        self.findings.append(Finding(self._chain, self._file, line, what))


# The form of a line: {"n":1,…,"mac":"64 digits"} and a newline; the hash covers every byte before `,"mac"`.


def _body(line: bytes) -> bytes | None:
    """What the hash covers, or None where this isn't a line of the trail."""
    if len(line) <= _END or not line.endswith(_TAIL) or line[-_END : -_END + len(_MARK)] != _MARK:
        return None
    if not re.fullmatch(rb"[0-9a-f]{64}", line[-_END + len(_MARK) : -len(_TAIL)]):
        return None
    body = line[:-_END]
    try:
        number = orjson.loads(body + b"}")["n"]
    except (ValueError, TypeError, KeyError):
        return None
    return body if isinstance(number, int) else None


def _number_of(body: bytes) -> int:
    return int(orjson.loads(body + b"}")["n"])


def _mac_of(line: bytes) -> str:
    return line[-_END + len(_MARK) : -len(_TAIL)].decode()


def _mac(key: bytes, before: str, body: bytes) -> str:
    return hmac.new(key, b"line\0" + before.encode() + b"\0" + body, hashlib.sha256).hexdigest()


def _genesis(key: bytes, chain: str) -> str:
    """What the first line follows: a chain's lines can't be passed off as another's."""
    return hmac.new(key, b"chain\0" + chain.encode(), hashlib.sha256).hexdigest()


# Files


def _chain_name(replica: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", replica).lstrip(".")[:80] or "replica"
    # Two replicas must not share a chain because their names were tidied alike.
    return name if name == replica else f"{name}-{hashlib.sha256(replica.encode()).hexdigest()[:8]}"


def _chain_files(directory: Path) -> Iterable[tuple[str, Path]]:
    for file in directory.glob("*.jsonl"):
        yield file.name.removesuffix(".jsonl").partition("~")[0], file


def _age(file: Path) -> tuple[bool, str]:
    return "~" not in file.name, file.name  # the current one last


def _order(item: tuple[str, Path]) -> tuple[str, bool, str]:
    return item[0], *_age(item[1])


def _status(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size


def _cut_torn(file: Path) -> int:
    """Cut half a line off the end; the bytes cut."""
    try:
        with file.open("r+b") as opened:
            size = opened.seek(0, os.SEEK_END)
            start = max(0, size - _LONGEST_LINE)
            opened.seek(start)
            tail = opened.read()
            whole = start + tail.rfind(b"\n") + 1
            if whole < size:
                opened.truncate(whole)
            return size - whole
    except FileNotFoundError:
        return 0


def _last_head(file: Path) -> Head | None:
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - _LONGEST_LINE))
            lines = opened.read().splitlines(keepends=True)
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        if (body := _body(line)) is not None:
            return Head(_number_of(body), _mac_of(line))
    return None


def _holds(file: Path, head: Head) -> bool:
    """Whether the file has this very line. It is most often near the end."""
    begin, end = b'{"n":%d,' % head.count, _MARK + head.mac.encode() + _TAIL
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            for start in (max(0, size - _LONGEST_LINE), 0):
                opened.seek(start)
                if any(line.startswith(begin) and line.endswith(end) for line in opened):
                    return True
    except FileNotFoundError:
        pass
    return False


def _write_all(descriptor: int, data: bytes) -> None:
    start = os.fstat(descriptor).st_size
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, start)  # a full disk leaves no half line
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load_key(file: Path) -> tuple[bytes, bool]:
    """The key, and whether it was made just now."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        # A volume's owner may have been changed by whoever mounted it: ours alone again, where we may.
        if file.stat().st_uid == os.getuid():
            file.chmod(0o600)
        key = bytes.fromhex(file.read_text())
        if len(key) != 32:
            raise ValueError("not 32 bytes") from None
        return key, False
    key = secrets.token_bytes(32)
    with os.fdopen(owned(descriptor, file.parent), "w") as opened:
        opened.write(key.hex())
        opened.flush()
        os.fsync(opened.fileno())
    return key, True


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
