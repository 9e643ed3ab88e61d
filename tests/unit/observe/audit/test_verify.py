"""The check of the trail: every kind of tampering is found."""

import itertools
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import Lines
from tests.unit.observe.audit.world import QUICK, Memory, trail_in, whats, write
from worker.observe.audit.findings import Verification
from worker.observe.audit.trail import AuditTrail
from worker.observe.audit.verify import verify


def _whole(directory: Path, anchors: Memory) -> AuditTrail:
    trail = trail_in(directory, anchors, rotate_at=1200)
    write(trail, 12)
    return trail


@st.composite
def tamperings(draw: st.DrawFn) -> tuple[str, random.Random]:
    kind = draw(
        st.sampled_from(["edit", "delete", "reorder", "truncate", "insert", "duplicate", "remove-file", "empty"])
    )
    return kind, draw(st.randoms(use_true_random=False))


def _tamper(directory: Path, kind: str, chance: random.Random) -> None:
    files = sorted(directory.glob("*.jsonl"))
    file = chance.choice(files)
    data = file.read_bytes()
    lines = data.splitlines(keepends=True)
    if kind == "edit":
        place = chance.randrange(len(data))
        changed = data[:place] + bytes([data[place] ^ chance.randrange(1, 256)]) + data[place + 1 :]
    elif kind == "delete":
        gone = set(chance.sample(range(len(lines)), chance.randrange(1, len(lines) + 1)))
        changed = b"".join(line for number, line in enumerate(lines) if number not in gone)
    elif kind == "reorder":
        # Over all files: a line may also change places with one of another file.
        _swap(files, chance)
        return
    elif kind == "truncate":
        changed = data[: chance.randrange(len(data))]
    elif kind == "insert":
        place = chance.choice([*itertools.accumulate(map(len, lines)), 0, chance.randrange(len(data))])
        changed = data[:place] + chance.randbytes(chance.randrange(1, 400)) + data[place:]
    elif kind == "duplicate":
        number = chance.randrange(len(lines) + 1)
        other = chance.choice([line for each in files for line in each.read_bytes().splitlines(keepends=True)])
        changed = b"".join([*lines[:number], other, *lines[number:]])
    elif kind == "remove-file":
        file.unlink()
        return
    else:
        changed = b""
    file.write_bytes(changed)


def _swap(files: list[Path], chance: random.Random) -> None:
    texts = [file.read_bytes().splitlines(keepends=True) for file in files]
    places = [(number, line) for number, lines in enumerate(texts) for line in range(len(lines))]
    (a, b), (c, d) = chance.sample(places, 2)
    texts[a][b], texts[c][d] = texts[c][d], texts[a][b]
    for file, lines in zip(files, texts, strict=True):
        file.write_bytes(b"".join(lines))


def test_a_whole_trail_is_found_whole(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors, rotate_at=1000)
    write(trail, 20)
    write(trail_in(tmp_path, anchors, "two"), 3)
    found = verify(trail)
    assert found == Verification(chains=2, records=23, unanchored=0, findings=())
    assert found.ok
    assert len(list(tmp_path.glob("one~*.jsonl"))) > 2, "it was rotated, and the chain went on"
    assert [entry["n"] for entry in trail.folder.entries()] == [*range(1, 21), 1, 2, 3]


@given(tampering=tamperings(), more=st.integers(0, 3))
def test_tampering_is_found_whatever_is_written_afterwards(tampering: tuple[str, random.Random], more: int) -> None:
    with tempfile.TemporaryDirectory(dir=QUICK) as name:
        directory, anchors = Path(name), Memory()
        trail = _whole(directory, anchors)
        assert verify(trail).ok
        _tamper(directory, *tampering)
        assert not verify(trail).ok
        write(trail_in(directory, anchors, rotate_at=1200), more)
        trail = trail_in(directory, anchors)
        # Half a line at the end may be a sudden stop's: it is cut off, and the trail says so.
        assert not verify(trail).ok or "audit.repaired" in {entry["kind"] for entry in trail.folder.entries()}


@given(tampering=tamperings(), during=st.integers(0, 15), restart=st.booleans(), more=st.integers(0, 3))
def test_tampering_is_found_though_the_journal_was_down_at_the_next_writes(
    tampering: tuple[str, random.Random], during: int, restart: bool, more: int
) -> None:
    with tempfile.TemporaryDirectory(dir=QUICK) as name:
        directory, anchors = Path(name), Memory()
        trail = _whole(directory, anchors)
        anchors.broken = True
        _tamper(directory, *tampering)
        if restart:
            trail = trail_in(directory, anchors, rotate_at=1200)
        write(trail, during)
        anchors.broken = False
        write(trail, more)
        trail = trail_in(directory, anchors)
        assert not verify(trail).ok or "audit.repaired" in {entry["kind"] for entry in trail.folder.entries()}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda lines: [lines[0].replace(b"handled", b"failed_"), *lines[1:]], {"altered"}),
        (lambda lines: [lines[0], *lines[2:]], {"missing"}),
        (lambda lines: [lines[1], lines[0], *lines[2:]], {"missing", "misplaced"}),
        (lambda lines: lines[:-1], {"cut"}),
        (lambda lines: [*lines[:-1], lines[-1][:50]], {"torn", "cut"}),
        (lambda lines: [lines[0], b"hello\n", *lines[1:]], {"unreadable"}),
        (lambda lines: [*lines, lines[1]], {"misplaced", "altered"}),
        (lambda _lines: [], {"cut"}),
    ],
)  # fmt: skip
def test_a_finding_says_what_is_wrong(tmp_path: Path, anchors: Memory, change: object, what: set[str]) -> None:
    trail = trail_in(tmp_path, anchors)
    write(trail, 4)
    file = tmp_path / "one.jsonl"
    assert callable(change)
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))
    found = verify(trail)
    assert whats(found) <= what
    assert whats(found)
    assert all(str(finding).startswith("one: ") for finding in found.findings)


def test_a_chain_that_is_gone_is_missed(tmp_path: Path, anchors: Memory) -> None:
    write(trail_in(tmp_path, anchors, "two"), 2)
    trail = trail_in(tmp_path, anchors)
    write(trail, 2)
    (tmp_path / "two.jsonl").unlink()
    (finding,) = verify(trail).findings
    assert str(finding) == "two: no file: cut: the end is missing: the journal or the witness knows of later lines"


def test_other_hosts_chains_are_named_and_not_missed_where_the_journal_is_shared(
    tmp_path: Path, anchors: Memory
) -> None:
    here, there = trail_in(tmp_path / "a", anchors, "one"), trail_in(tmp_path / "b", anchors, "two")
    write(here, 2)
    write(there, 3)
    assert verify(here, shared=True) == Verification(chains=1, records=2, unanchored=0, findings=(), elsewhere=("two",))
    assert verify(there, shared=True).ok
    assert [(finding.chain, finding.what) for finding in verify(here).findings] == [("two", "cut")]
    (tmp_path / "a" / "one.jsonl").unlink()
    found = verify(trail_in(tmp_path / "a", anchors, "one"), shared=True)
    assert [(finding.chain, finding.what) for finding in found.findings] == [("one", "cut")]
    assert found.elsewhere == ("two",)


def test_one_chain_cannot_be_passed_off_as_another(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    write(trail, 2)
    (tmp_path / "one.jsonl").rename(tmp_path / "two.jsonl")
    anchors.kept["two"] = anchors.kept.pop("one")
    assert whats(verify(trail)) == {"altered", "forged", "cut", "set-back"}
    two = [finding for finding in verify(trail).findings if finding.chain == "two"]
    assert {finding.what for finding in two} == {"altered", "forged"}


def test_an_old_copy_put_back_is_found(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    write(trail, 3)
    old = (tmp_path / "one.jsonl").read_bytes()
    write(trail, 3)
    (tmp_path / "one.jsonl").write_bytes(old)
    assert whats(verify(trail)) == {"cut"}


def test_without_its_key_nothing_is_vouched_for(tmp_path: Path, anchors: Memory, lines: Lines) -> None:
    write(trail_in(tmp_path, anchors), 2)
    (tmp_path / "audit.key").unlink()
    trail = trail_in(tmp_path, anchors)
    assert lines.one["event"] == "audit.broken"
    write(trail, 1)
    assert [(finding.what, finding.line) for finding in verify(trail).findings] == [("altered", 1), ("altered", 2)]
