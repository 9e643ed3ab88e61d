"""A journal's part in the trail, and what the tests write to it."""

from collections.abc import Mapping
from pathlib import Path

from tests.unit.conftest import NOW
from worker.journal.audit_anchors import Head
from worker.observe.audit.trail import AuditTrail
from worker.observe.audit.verify import Verification

KEY = "abcdefghijklmnopqrstuvwxyz"

MARK = "Patient-Zebedee"


class Memory:
    """A journal's part in it."""

    def __init__(self) -> None:
        self.kept: dict[str, Head] = {}
        self.broken = False

    def heads(self) -> Mapping[str, Head]:
        if self.broken:
            raise OSError("lost")
        return dict(self.kept)

    def store(self, chain: str, head: Head) -> None:
        if self.broken:
            raise OSError("lost")
        if chain not in self.kept or self.kept[chain].count < head.count:
            self.kept[chain] = head


def trail_in(directory: Path, anchors: Memory, replica: str = "one", rotate_at: int = 10**9) -> AuditTrail:
    return AuditTrail(directory, replica=replica, anchors=anchors, clock=lambda: NOW, rotate_at=rotate_at)


def write(trail: AuditTrail, count: int) -> None:
    for number in range(count):
        trail.record("message.disposed", who="one", key=f"{KEY}-{number + 2}", path="clean", state="handled")


def whats(found: Verification) -> set[str]:
    return {finding.what for finding in found.findings}
