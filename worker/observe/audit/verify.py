"""The check of the trail: every line against its hash, every chain against the witness and the journal."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from worker.journal.audit_anchors import Anchor, Head
from worker.observe.audit.chain import Heads
from worker.observe.audit.findings import Finding, Note, Verification, What
from worker.observe.audit.lines import chained_mac, genesis, is_ours, mac_of, number_of, sealed_part
from worker.observe.audit.trail import unavailable
from worker.observe.audit.trail_folder import NotAFile, TrailFiles
from worker.observe.audit.trail_witness import NAME, Seen, Statement

_DOUBTED = b'"kind":"audit.doubted"'


class Trail(Protocol):
    """What is verified: an `AuditTrail`, or one that is only read."""

    @property
    def folder(self) -> TrailFiles:
        """The files and their key."""

    @property
    def anchors(self) -> Heads:
        """What the journal keeps."""

    @property
    def chain(self) -> str:
        """This folder's own chain; empty if it never had one."""


@dataclass(frozen=True, slots=True)
class TrailReader:
    """A trail that is only read."""

    folder: TrailFiles
    anchors: Heads
    chain: str


def verify(
    trail: Trail, *, shared: bool = False, copy: bool = False, set_back: bool = False, begun: bool = False
) -> Verification:
    """Check every chain of the trail's folder against itself, the witness and the journal.

    shared: the journal serves other state folders too. A chain without a file here then belongs to another folder, and
    is verified there. This folder's own chain is missed in any case.
    copy: the folder is known to be a copy, so that alone is no finding.
    set_back: something else, such as the login's witness, knows that the journal is older than it should be.
    begun: something else knows that lines were written to this folder.

    Raises:
        AuditUnavailable: a file can't be read. What `anchors.heads()` raises comes through.
    """
    folder = trail.folder
    # The witness is read before the journal, and the journal before the files: what is written meanwhile isn't missed.
    with unavailable(), folder.locked_to_read():
        stated = folder.witness.read() if folder.key else None
    anchored = dict(trail.anchors.heads())
    here = folder.chains()
    witnessed = {} if stated is None else stated.seen
    elsewhere = anchored.keys() - here - witnessed.keys() - {trail.chain} if shared else set[str]()
    chains = sorted((here | anchored.keys() | witnessed.keys()) - elsewhere)
    findings = list(_of_the_folder(folder, stated, chains, copy=copy))
    if set_back:
        findings.append(Finding("journal", "", 0, What.SET_BACK))
    if begun and not chains:
        findings.append(Finding("trail", "", 0, What.CUT))
    walks = [
        _verify_chain(folder, chain, anchored.get(chain), witnessed.get(chain), copied=stated is None or stated.copied)
        for chain in (chains if folder.key else ())
    ]
    return Verification(
        chains=len(chains),
        records=sum(walk.records for walk in walks),
        unanchored=sum(walk.unanchored for walk in walks),
        findings=(*findings, *(finding for walk in walks for finding in walk.findings)),
        elsewhere=tuple(sorted(elsewhere)),
        copied=copy and stated is not None and stated.copied,
        notes=tuple(note for walk in walks for note in walk.notes),
    )


def _of_the_folder(
    folder: TrailFiles, stated: Statement | None, chains: Iterable[str], *, copy: bool
) -> Iterable[Finding]:
    if not folder.key:
        if chains or not folder.witness.is_of_a_first_start():
            yield Finding("trail", "audit.key", 0, What.KEYLESS)
    elif folder.keyed and stated is None:
        yield Finding("trail", NAME, 0, What.UNWITNESSED)
    elif stated is not None and stated.copied and not copy:
        yield Finding("trail", NAME, 0, What.COPIED)


def _verify_chain(
    folder: TrailFiles, chain: str, anchored: Anchor | None, seen: Seen | None, *, copied: bool
) -> "Walk":
    known: list[Head] = [] if seen is None else [seen.head]
    files = folder.files(chain)
    # Where there is no file, it is the chain that is missed: its head may have been sealed with another host's key.
    forged = anchored is not None and folder.keyed and bool(files) and not is_ours(folder.key, chain, anchored)
    kept = None if anchored is None or forged else anchored.head
    walk = Walk(folder.key, chain, [*known, *([] if kept is None else [kept])], kept)
    with unavailable(), folder.locked_to_read():
        for file in folder.files(chain):
            try:
                for number, line in enumerate(folder.lines(file), 1):
                    walk.step(file.name, number, line)
            except NotAFile:
                walk.note(file.name, 0, What.UNREADABLE)
    walk.end()
    if forged:
        walk.note("", 0, What.FORGED)
    elif seen is not None and not copied and (0 if kept is None else kept.count) < seen.anchored:
        walk.note("", 0, What.SET_BACK)
    return walk


class Walk:
    """Walks along one chain, and notes what is wrong.

    known: heads that must be in it. kept: the one of these that the journal keeps.
    """

    def __init__(self, key: bytes, chain: str, known: Iterable[Head], kept: Head | None) -> None:
        self._key = key
        self._chain = chain
        self._file = ""
        self._kept = kept
        self._missed = {head for head in known if head.count}
        self.head = Head(0, genesis(key, chain))
        self.records = 0
        self.findings: list[Finding] = []
        self.notes: list[Note] = []

    def step(self, file: str, number: int, line: bytes) -> None:
        """Check the next line. file, number: where it lies."""
        self._file = file
        body = sealed_part(line)
        if body is None:
            self.note(file, number, What.UNREADABLE if line.endswith(b"\n") else What.TORN)
            return
        self.records += 1
        count, mac = number_of(body), mac_of(line)
        if count != self.head.count + 1:
            self.note(file, number, What.MISSING if count > self.head.count else What.MISPLACED)
        elif not hmac.compare_digest(chained_mac(self._key, self.head.mac, body), mac):
            self.note(file, number, What.ALTERED)
        elif _DOUBTED in body:
            self._doubted(file, number, orjson.loads(body + b"}"))
        # After a fault, go on from what the line itself says, so that later faults are found too.
        self.head = Head(count, mac)
        self._missed.discard(self.head)

    @property
    def unanchored(self) -> int:
        """The lines at the end that the journal doesn't vouch for yet."""
        return max(0, self.head.count - (self._kept.count if self._kept else 0))

    def end(self) -> None:
        """Say which heads weren't passed."""
        for what in sorted({What.CUT if head.count > self.head.count else What.ALTERED for head in self._missed}):
            self.note(self._file, 0, what)

    def note(self, file: str, line: int, what: What) -> None:
        """Add a finding."""
        self.findings.append(Finding(self._chain, file, line, what))

    def _doubted(self, file: str, number: int, entry: Mapping[str, object]) -> None:
        """What the worker doubted when it wrote this line. A witness that was taken away stays a finding for good."""
        reason = str(entry.get("reason"))
        if reason == What.UNWITNESSED:
            self.note(file, number, What.UNWITNESSED)
        elif reason in tuple(What):  # else a later version's
            self.notes.append(Note(self._chain, file, number, What(reason)))
