"""Without tampering `verify` finds nothing: generated histories of starts, kills, outages and backups."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.observe.audit.world import QUICK, Memory, trail_in, write
from worker.observe.audit.findings import What
from worker.observe.audit.trail import AuditTrail
from worker.observe.audit.trail_folder import copy_trail
from worker.observe.audit.trail_witness import TrailWitness
from worker.observe.audit.verify import verify

POINTS = {
    "line written": ("worker.observe.audit.chain", "sync"),
    "line synced": (TrailWitness, "write"),
    "witness written": (os, "ftruncate"),
    "before the head": (Memory, "store"),
}
STEPS = ["write", "write many", "restart", "journal down", "journal up", "backup", *POINTS]


class Killed(BaseException):
    """The process ends here."""


def _killed(*_args: object, **_kwargs: object) -> None:
    raise Killed


class World:
    """Two chains, each with a process that writes it, and their journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.anchors = Memory()
        self.trails = [self.started(name) for name in ("one", "two")]

    def started(self, name: str) -> AuditTrail:
        return trail_in(self.folder / "audit", self.anchors, name, rotate_at=1500)

    def step(self, what: str, which: int) -> None:
        trail = self.trails[which]
        match what:
            case "write":
                write(trail, 1)
            case "write many":
                trail.record_all("message.disposed", [{"key": "abcdefghijklmnopqrstuvwxyz"}] * 4, who="one")
            case "restart":
                self.trails[which] = self.started(trail.chain)
            case "journal down" | "journal up":
                self.anchors.broken = what == "journal down"
            case "backup":
                self.check_backup()
            case _:
                self.killed_at(what, which)

    def killed_at(self, point: str, which: int) -> None:
        where, what = POINTS[point]
        with pytest.MonkeyPatch.context() as patched:
            if isinstance(where, str):
                patched.setattr(f"{where}.{what}", _killed)
            else:
                patched.setattr(where, what, _killed)
            with suppress(Killed):  # while the journal is down, it isn't asked to keep a head
                write(self.trails[which], 1)
        self.trails[which] = self.started(self.trails[which].chain)

    def check_backup(self) -> None:
        """The journal is copied first. The copy is sound, and so is the chain that a restored one begins."""
        kept, copy = Memory(), self.folder / "copy"
        kept.kept = dict(self.anchors.kept)
        copy_trail(self.folder / "audit", copy)
        trail = trail_in(copy, kept, "restored")
        found = verify(trail)
        assert (found.findings, found.notes) == ((), ())
        write(trail, 1)
        assert verify(trail).ok
        shutil.rmtree(copy)


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 1)), max_size=25))
def test_no_history_without_tampering_has_a_finding(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory(dir=QUICK) as name:
        world = World(Path(name))
        for what, which in steps:
            world.step(what, which)
            if not world.anchors.broken:
                found = verify(world.trails[0])
                assert (found.findings, found.notes) == ((), ()), what


def test_a_folder_that_was_copied_is_noted_and_no_finding_from_then_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    write(world.trails[0], 3)
    shutil.move(tmp_path / "audit", tmp_path / "moved away")
    shutil.copytree(tmp_path / "moved away", tmp_path / "audit")
    trail = world.started("one")
    assert {finding.what for finding in verify(trail).findings} == {What.COPIED}
    write(trail, 2)
    found = verify(trail)
    assert (found.ok, [note.what for note in found.notes]) == (True, [What.COPIED])
