"""A journal's part in the trail, and what the tests write to it."""

from collections.abc import Mapping
from pathlib import Path

from tests.unit.conftest import NOW
from worker.journal.audit_anchors import Anchor
from worker.journal.store import Journal
from worker.observe.audit.chain import Anchors
from worker.observe.audit.findings import Verification
from worker.observe.audit.trail import AuditTrail

KEY = "abcdefghijklmnopqrstuvwxyz"

MARK = "Patient-Zebedee"

SHM = Path("/dev/shm")  # noqa: S108 -- tests make folders of their own in it
QUICK = SHM if SHM.is_dir() else None
"""Where tests that write hundreds of trails put them: no disk to wait for."""


class Memory:
    """A journal's part in it."""

    def __init__(self) -> None:
        self.kept: dict[str, Anchor] = {}
        self.broken = False

    def heads(self) -> Mapping[str, Anchor]:
        if self.broken:
            raise OSError("lost")
        return dict(self.kept)

    def store(self, chain: str, anchor: Anchor, *, instead_of: Anchor | None = None) -> None:
        if self.broken:
            raise OSError("lost")
        kept = self.kept.get(chain)
        if kept is None or kept.head.count <= anchor.head.count or kept == instead_of:
            self.kept[chain] = anchor


def journal_in(state_dir: Path) -> Journal:
    """A real one, opened; the caller closes it."""
    journal = Journal(state_dir, None, lambda: NOW)
    journal.open("pathology.results@nhs.net")
    return journal


def trail_in(directory: Path, anchors: Anchors, replica: str = "one", rotate_at: int = 10**9) -> AuditTrail:
    return AuditTrail(directory, replica=replica, anchors=anchors, clock=lambda: NOW, rotate_at=rotate_at)


def write(trail: AuditTrail, count: int) -> None:
    for number in range(count):
        trail.record("message.disposed", who="one", key=f"{KEY}-{number + 2}", path="clean", state="handled")


def whats(found: Verification) -> set[str]:
    return {finding.what for finding in found.findings}
