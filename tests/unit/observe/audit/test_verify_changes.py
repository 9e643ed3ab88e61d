"""Whatever can be done to a trail without its key is found: at once, and in what the trail says ever after."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.observe.audit.changes import CHANGES, Attacker, History, NothingLeft, history, what_counts
from tests.unit.observe.audit.world import QUICK, Memory, trail_in, write
from worker.observe.audit.audit_kinds import markdown
from worker.observe.audit.findings import Verification, What
from worker.observe.audit.trail import AuditUnavailable, unavailable
from worker.observe.audit.trail_folder import TrailFiles
from worker.observe.audit.trail_witness import NAME
from worker.observe.audit.verify import TrailReader, verify

FOR_GOOD = {What.ALTERED, What.MISSING, What.MISPLACED, What.UNREADABLE, What.CUT, What.UNWITNESSED, What.KEYLESS}


@pytest.fixture(scope="module")
def past() -> Iterator[History]:
    with tempfile.TemporaryDirectory(dir=QUICK) as name:
        yield history(Path(name))


def looked_at(folder: Path, anchors: Memory) -> Verification | None:
    """What `audit verify` finds; None if it can't even begin, and says so."""
    try:
        with unavailable():
            files = TrailFiles(folder)
        return verify(TrailReader(files, anchors, "one"))
    except AuditUnavailable:
        return None


def as_after_a_kill(past: History, folder: Path, anchors: Memory, before: object) -> bool:
    """Whether all that differs is that the journal lacks a chain's last head, as when a process is killed before it."""
    mine, kept = anchors.kept, past.states[-1][1]
    anchors.kept = dict(kept)
    same = what_counts(folder, anchors) == before
    anchors.kept = mine
    earlier = {chain: [heads.get(chain) for _, heads in past.states] for chain in kept}
    last = {chain: [one for one in earlier[chain] if one != kept[chain]][-1:] for chain in kept}
    return same and mine.keys() == kept.keys() and all(mine[one] in (kept[one], *last[one]) for one in kept)


def as_before_the_first_start(folder: Path, anchors: Memory) -> bool:
    """Whether no lines, key, heads or witness are left: the page says that it looks like a first start."""
    written = any(path.stat().st_size for path in folder.glob("*.jsonl"))
    witness = folder / NAME
    seen = witness.exists() and not (witness.is_file() and b'"seen":{}' in witness.read_bytes())
    return not written and not seen and not anchors.kept and not (folder / "audit.key").exists()


@settings(max_examples=max(200, settings().max_examples))
@given(
    names=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),  # not `randoms`: what is drawn also depends on the inode that the witness names
    more=st.integers(1, 3),
)
def test_no_change_without_the_key_goes_unnoticed(past: History, names: list[str], seed: int, more: int) -> None:
    with tempfile.TemporaryDirectory(dir=QUICK) as name:
        folder = Path(name)
        anchors = past.put_up(folder)
        assert looked_at(folder, anchors) == Verification(chains=2, records=18, unanchored=0, findings=())
        before = what_counts(folder, anchors)
        attacker = Attacker(folder, anchors, past, random.Random(seed))
        try:
            for each in names:
                attacker.change(each)
        except (NothingLeft, FileNotFoundError, IsADirectoryError):
            assume(False)
        assume(what_counts(folder, anchors) != before)
        assume(not as_before_the_first_start(folder, anchors))
        found = looked_at(folder, anchors)
        if found is None:
            return
        if as_after_a_kill(past, folder, anchors, before):
            assert found.ok
            assert found.unanchored
            return
        assert not found.ok

        try:
            write(trail_in(folder, anchors, rotate_at=1500), more)
        except AuditUnavailable:  # the worker's log says so
            return
        later = looked_at(folder, anchors)
        assert later is not None
        for_good = {finding.what for finding in found.findings} & FOR_GOOD
        said = {entry["kind"] for entry in TrailFiles(folder).entries()}
        assert not later.ok if for_good else not later.ok or {"audit.doubted", "audit.repaired"} & said


@pytest.mark.parametrize("count", [3, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", sorted(CHANGES))
def test_each_kind_of_change_is_found_by_itself(past: History, name: str, count: int) -> None:
    """So many of each that come to something, so that no kind is one that never does."""
    found = 0
    for seed in range(100 * count):
        with tempfile.TemporaryDirectory(dir=QUICK) as directory:
            folder = Path(directory)
            anchors = past.put_up(folder)
            before = what_counts(folder, anchors)
            Attacker(folder, anchors, past, random.Random(seed)).change(name)
            if what_counts(folder, anchors) == before or as_after_a_kill(past, folder, anchors, before):
                continue
            verified = looked_at(folder, anchors)
            assert verified is None or not verified.ok, seed
        found += 1
        if found == count:
            return
    raise AssertionError(f"{name} changed something only {found} times")


def test_all_of_it_made_anew_with_another_key_is_not_found_as_the_page_says(tmp_path: Path) -> None:
    """Nothing is left to compare it with, but the copies that were sent on."""
    anchors = Memory()
    write(trail_in(tmp_path, anchors), 3)
    old = (tmp_path / "audit.key").read_bytes()
    for path in tmp_path.iterdir():
        path.unlink()
    anchors.kept.clear()
    write(trail_in(tmp_path, anchors), 2)
    assert (tmp_path / "audit.key").read_bytes() != old
    found = looked_at(tmp_path, anchors)
    assert found is not None
    assert found.ok
    assert "somebody who replaces the key and makes the trail" in " ".join(markdown().split())


def test_a_second_name_for_an_old_witness_keeps_nothing(tmp_path: Path) -> None:
    """A hard link has the very inode that the witness names. It is emptied when the next witness takes its place."""
    anchors = Memory()
    trail = trail_in(tmp_path, anchors)
    write(trail, 3)
    (tmp_path / "kept").hardlink_to(tmp_path / NAME)
    files, kept = (tmp_path / "one.jsonl").read_bytes(), dict(anchors.kept)
    write(trail, 3)
    (tmp_path / "kept").rename(tmp_path / NAME)
    (tmp_path / "one.jsonl").write_bytes(files)
    anchors.kept = kept
    found = looked_at(tmp_path, anchors)
    assert found is not None
    assert {finding.what for finding in found.findings} == {What.UNWITNESSED}
    write(trail_in(tmp_path, anchors), 1)
    found = looked_at(tmp_path, anchors)
    assert found is not None
    assert {finding.what for finding in found.findings} == {What.UNWITNESSED}, "for good"


def test_what_lies_in_the_witness_s_place_isn_t_emptied(tmp_path: Path) -> None:
    anchors = Memory()
    trail = trail_in(tmp_path, anchors)
    write(trail, 1)
    (tmp_path / "somebody's").write_text("precious")
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).hardlink_to(tmp_path / "somebody's")
    write(trail, 1)
    assert (tmp_path / "somebody's").read_text() == "precious"
