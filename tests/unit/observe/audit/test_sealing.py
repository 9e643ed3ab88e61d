"""The folder of an earlier version, whose heads weren't sealed, is verified as it is and brought up to date."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.data.left_behind import HERE
from tests.unit.observe.audit.world import Memory, trail_in, whats, write
from worker.journal.audit_anchors import Anchor, Head
from worker.observe.audit.findings import Verification, What
from worker.observe.audit.lines import mac_of
from worker.observe.audit.trail import AuditTrail
from worker.observe.audit.trail_folder import TrailFiles, TrailFolder
from worker.observe.audit.trail_witness import NAME, TrailWitness
from worker.observe.audit.verify import TrailReader, verify


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(params=["sqlite", "postgresql"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path, anchors: Memory) -> Path:
    """What the last version left behind: its trail, its key, and the head in its journal."""
    folder = tmp_path / "audit"
    shutil.copytree(HERE / request.param / "state" / "audit", folder)
    name, value = _stored(request.param)
    count, _, mac = value.partition(" ")
    anchors.kept[name.removeprefix("audit.head.")] = Anchor(Head(int(count), mac))
    return folder


def _stored(kind: str) -> tuple[str, str]:
    if kind == "sqlite":
        with closing(sqlite3.connect(f"file:{HERE / kind / 'state' / 'journal.sqlite'}?mode=ro", uri=True)) as journal:
            row = journal.execute("SELECT name, value FROM fact WHERE name LIKE 'audit.head.%'").fetchone()
            return str(row[0]), str(row[1])
    found = re.search(r"\('(audit\.head\.[^']+)', '([^']+)'\)", (HERE / kind / "journal.sql").read_text())
    assert found is not None
    return found[1], found[2]


def _read(folder: Path, anchors: Memory) -> Verification:
    return verify(TrailReader(TrailFiles(folder), anchors, chain_of(folder)))


def chain_of(folder: Path) -> str:
    (file,) = folder.glob("*.jsonl")
    return file.stem


def _trail(folder: Path, anchors: Memory) -> AuditTrail:
    return trail_in(folder, anchors, chain_of(folder))


def test_an_earlier_versions_trail_is_verified_as_it_is(earlier: Path, anchors: Memory) -> None:
    names = {path.name for path in earlier.iterdir()}
    found = _read(earlier, anchors)
    assert found == Verification(chains=1, records=found.records, unanchored=0, findings=())
    assert found.records > 100
    assert {path.name for path in earlier.iterdir()} == names


def test_the_first_line_brings_it_up_to_date(earlier: Path, anchors: Memory) -> None:
    before = _read(earlier, anchors)
    assert not TrailFiles(earlier).keyed
    write(_trail(earlier, anchors), 1)
    assert TrailFiles(earlier).keyed
    assert anchors.kept[chain_of(earlier)].seal
    assert _read(earlier, anchors) == Verification(chains=1, records=before.records + 1, unanchored=0, findings=())
    assert (earlier / "audit.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("after", [0, 1])
def test_from_then_on_the_old_form_of_a_head_is_forged(earlier: Path, anchors: Memory, after: int) -> None:
    write(_trail(earlier, anchors), 3)
    file = earlier / f"{chain_of(earlier)}.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)[:-30]
    file.write_bytes(b"".join(lines))
    anchors.kept[chain_of(earlier)] = Anchor(Head(len(lines), mac_of(lines[-1])))
    assert whats(_read(earlier, anchors)) == {What.CUT, What.FORGED}
    (earlier / NAME).unlink()
    write(_trail(earlier, anchors), after)
    assert What.UNWITNESSED in whats(_read(earlier, anchors))


@pytest.mark.parametrize("point", ["head", "witness", "key", "key in place"])
def test_an_upgrade_that_is_interrupted_begins_anew(
    earlier: Path, anchors: Memory, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def killed(*_args: object, **_kwargs: object) -> None:
        raise Killed

    where, what = {
        "head": (Memory, "store"),
        "witness": (TrailWitness, "write"),
        "key": (TrailFolder, "mark_keyed"),
        "key in place": ("worker.observe.audit.trail.Chain", "extend"),
    }[point]
    with monkeypatch.context() as patched:
        if isinstance(where, str):
            patched.setattr(f"{where}.{what}", killed)
        else:
            patched.setattr(where, what, killed)
        with pytest.raises(Killed):
            write(_trail(earlier, anchors), 1)
    assert _read(earlier, anchors).ok
    write(_trail(earlier, anchors), 1)
    assert TrailFiles(earlier).keyed
    found = _read(earlier, anchors)
    assert (found.ok, found.notes) == (True, ())


def test_while_the_journal_is_down_it_stays_as_it_is(earlier: Path, anchors: Memory) -> None:
    anchors.broken = True
    write(_trail(earlier, anchors), 2)
    assert not TrailFiles(earlier).keyed
    anchors.broken = False
    found = _read(earlier, anchors)
    assert (found.ok, found.unanchored) == (True, 2)
    write(_trail(earlier, anchors), 1)
    assert TrailFiles(earlier).keyed
    found = _read(earlier, anchors)
    assert (found.ok, found.unanchored, found.notes) == (True, 0, ())


def test_a_chain_that_was_cut_before_stays_cut(earlier: Path, anchors: Memory) -> None:
    chain = chain_of(earlier)
    file = earlier / f"{chain}.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-10]))
    assert whats(_read(earlier, anchors)) == {What.CUT}
    write(trail_in(earlier, anchors, "another"), 1)
    found = verify(TrailReader(TrailFiles(earlier), anchors, "another"))
    assert {(finding.chain, finding.what) for finding in found.findings} == {(chain, What.CUT), (chain, What.FORGED)}


def test_chains_that_nobody_writes_any_more_are_sealed_too(earlier: Path, anchors: Memory) -> None:
    write(trail_in(earlier, anchors, "another"), 1)
    found = verify(TrailReader(TrailFiles(earlier), anchors, "another"))
    assert (found.ok, found.chains) == (True, 2)
    assert all(anchor.seal for anchor in anchors.kept.values())


@pytest.mark.parametrize("cut", range(0, 77, 6))
def test_a_key_whose_mark_is_cut_off_is_no_key_of_an_earlier_version(tmp_path: Path, anchors: Memory, cut: int) -> None:
    write(trail_in(tmp_path, anchors), 2)
    kept = (tmp_path / "audit.key").read_bytes()
    (tmp_path / "audit.key").write_bytes(kept[:cut])
    with pytest.raises(ValueError, match="not a key"):
        TrailFiles(tmp_path)


def test_a_process_that_began_before_the_upgrade_does_not_begin_the_witness_anew(
    earlier: Path, anchors: Memory
) -> None:
    began_before = _trail(earlier, anchors)
    write(_trail(earlier, anchors), 1)
    (earlier / NAME).unlink()
    write(began_before, 1)
    assert whats(_read(earlier, anchors)) == {What.UNWITNESSED}
