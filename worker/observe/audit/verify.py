"""The check of the trail: every line against its hash, every chain against the journal."""

import hmac
from dataclasses import dataclass
from typing import Final

from worker.journal.audit_anchors import Head
from worker.observe.audit.lines import chained_mac, genesis, mac_of, number_of, sealed_part
from worker.observe.audit.trail import AuditTrail, unavailable
from worker.observe.audit.trail_folder import TrailFolder


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


def verify(trail: AuditTrail, *, shared: bool = False) -> Verification:
    """Check every chain of the trail's folder against itself and against the journal.

    shared: the journal serves other state folders too. A chain without a file here then belongs to another folder, and
    is verified there. This folder's own chain is missed in any case.

    Raises:
        AuditUnavailable: a file can't be read. What `anchors.heads()` raises comes through.
    """
    anchored = dict(trail.anchors.heads())  # read before the files: a line that is anchored meanwhile isn't missed
    here = trail.folder.chains()
    elsewhere = anchored.keys() - here - {trail.chain} if shared else set[str]()
    chains = sorted((here | anchored.keys()) - elsewhere)
    results = [_verify_chain(trail.folder, chain, anchored.get(chain)) for chain in chains]
    return Verification(
        chains=len(chains),
        records=sum(walk.records for walk in results),
        unanchored=sum(walk.unanchored for walk in results),
        findings=tuple(finding for walk in results for finding in walk.findings),
        elsewhere=tuple(sorted(elsewhere)),
    )


def _verify_chain(folder: TrailFolder, chain: str, anchored: Head | None) -> "Walk":
    walk = Walk(folder.key, chain, anchored)
    with unavailable(), folder.locked_to_read():
        for file in folder.files(chain):
            with file.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    walk.step(file.name, number, line)
    walk.end()
    return walk


class Walk:
    """Walks along one chain, and notes what is wrong."""

    def __init__(self, key: bytes, chain: str, anchored: Head | None) -> None:
        self._key = key
        self._chain = chain
        self._anchored = anchored
        self._file = ""
        self._vouched = anchored is None or anchored.count == 0
        self.head = Head(0, genesis(key, chain))
        self.records = 0
        self.findings: list[Finding] = []

    def step(self, file: str, number: int, line: bytes) -> None:
        self._file = file
        body = sealed_part(line)
        if body is None:
            self._note(number, "unreadable" if line.endswith(b"\n") else "torn")
            return
        self.records += 1
        count, mac = number_of(body), mac_of(line)
        if count != self.head.count + 1:
            self._note(number, "missing" if count > self.head.count else "misplaced")
        elif not hmac.compare_digest(chained_mac(self._key, self.head.mac, body), mac):
            self._note(number, "altered")
        # After a fault, go on from what the line itself says, so that later faults are found too.
        self.head = Head(count, mac)
        if self._anchored is not None and self.head == self._anchored:
            self._vouched = True

    @property
    def unanchored(self) -> int:
        """The lines at the end that the journal doesn't vouch for yet."""
        return max(0, self.head.count - (self._anchored.count if self._anchored else 0))

    def end(self) -> None:
        if self._vouched or self._anchored is None:
            return
        self._note(0, "cut" if self._anchored.count > self.head.count else "altered")

    def _note(self, line: int, what: str) -> None:
        self.findings.append(Finding(self._chain, self._file, line, what))
