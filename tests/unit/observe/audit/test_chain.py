"""Lines are added at a chain's true end, after a sudden stop, beside others who write, and with the journal down."""

import tempfile
import threading
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.unit.conftest import Lines
from tests.unit.observe.audit.world import QUICK, Memory, journal_in, trail_in, whats, write
from worker.journal.audit_anchors import JournalAnchors
from worker.observe.audit.findings import Verification
from worker.observe.audit.verify import verify


def test_half_a_line_of_a_sudden_stop_is_cut_off_and_recorded(tmp_path: Path, anchors: Memory) -> None:
    write(trail_in(tmp_path, anchors), 2)
    with (tmp_path / "one.jsonl").open("ab") as file:
        file.write(b'{"n":3,"at":"2026')
    trail = trail_in(tmp_path, anchors)
    assert whats(verify(trail)) == {"torn"}
    write(trail, 1)
    assert verify(trail).ok
    assert [entry["kind"] for entry in trail.folder.entries()][2] == "audit.repaired"
    assert list(trail.folder.entries())[2]["bytes"] == 17


@pytest.mark.parametrize("restart", [False, True])
def test_a_tail_cut_while_the_journal_is_down_is_missed(
    tmp_path: Path, anchors: Memory, lines: Lines, restart: bool
) -> None:
    trail = trail_in(tmp_path, anchors)
    write(trail, 10)
    anchors.broken = True
    file = tmp_path / "one.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-3]))
    if restart:
        trail = trail_in(tmp_path, anchors)
    write(trail, 6)
    anchors.broken = False
    write(trail, 1)
    assert "audit.broken" in {line["event"] for line in lines.all}
    write(trail, 5)
    assert not verify(trail_in(tmp_path, anchors)).ok


def test_the_journal_is_not_told_of_an_end_that_could_not_be_looked_at(tmp_path: Path, anchors: Memory) -> None:
    """The journal comes back between the look and the anchoring: what it knows must not be overwritten unseen."""
    write(trail_in(tmp_path, anchors), 4)
    known = anchors.kept["one"]
    trail = trail_in(tmp_path, anchors)
    heads = anchors.heads
    anchors.heads = lambda: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    write(trail, 2)
    assert anchors.kept["one"] == known
    anchors.heads = heads  # type: ignore[method-assign]
    write(trail, 1)
    assert anchors.kept["one"].head.count == 7
    assert verify(trail).ok


def test_a_known_line_is_found_far_from_the_end(tmp_path: Path, anchors: Memory, lines: Lines) -> None:
    trail = trail_in(tmp_path, anchors)
    write(trail, 1)
    anchors.broken = True
    write(trail_in(tmp_path, anchors, rotate_at=10_000), 200)
    anchors.broken = False
    write(trail, 1)
    assert {line["event"] for line in lines.all} == {"audit.unanchored"}
    assert verify(trail) == Verification(chains=1, records=202, unanchored=0, findings=())


def test_threads_and_two_trails_of_one_chain_keep_it_whole(tmp_path: Path, anchors: Memory) -> None:
    trails = [trail_in(tmp_path, anchors, rotate_at=2000) for _ in range(2)]
    threads = [threading.Thread(target=write, args=(trail, 10)) for trail in trails for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(trails[0]) == Verification(chains=1, records=60, unanchored=0, findings=())


def _a_process(directory: str) -> None:
    with closing(journal_in(Path(directory))) as journal:
        write(trail_in(Path(directory) / "audit", JournalAnchors(journal.database)), 20)


def test_another_process_may_write_the_same_chain() -> None:
    with tempfile.TemporaryDirectory(dir=QUICK) as name:
        folder = Path(name)
        journal_in(folder).close()
        others = [get_context("spawn").Process(target=_a_process, args=(name,)) for _ in range(2)]
        for other in others:
            other.start()
        _a_process(name)
        for other in others:
            other.join()
            assert other.exitcode == 0
        with closing(journal_in(folder)) as journal:
            found = verify(trail_in(folder / "audit", JournalAnchors(journal.database)))
    assert found == Verification(chains=1, records=60, unanchored=0, findings=())
