"""A process that is killed anywhere between a line and its head leaves nothing that looks like tampering."""

import os
import random
import signal
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.unit.observe.audit.world import Memory, journal_in, trail_in, write
from worker.journal.audit_anchors import JournalAnchors
from worker.observe.audit.findings import What
from worker.observe.audit.trail_witness import TrailWitness
from worker.observe.audit.verify import verify

ROUNDS = 12


class Killed(BaseException):
    """The process ends here."""


def _killed(*_args: object, **_kwargs: object) -> None:
    raise Killed


def _after(real: Callable[..., object]) -> Callable[..., object]:
    def called(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)
        raise Killed

    return called


@pytest.mark.parametrize("lines", [1, 5])
@pytest.mark.parametrize(
    "point", ["line written", "line synced", "new witness written", "witness in place", "old witness emptied", "head"]
)
def test_a_kill_at_each_step_is_no_tampering(
    tmp_path: Path, anchors: Memory, monkeypatch: pytest.MonkeyPatch, point: str, lines: int
) -> None:
    trail = trail_in(tmp_path, anchors, rotate_at=1500)
    write(trail, 8)
    with monkeypatch.context() as patched:
        match point:
            case "line written":
                patched.setattr("worker.observe.audit.chain.sync", _killed)
            case "line synced":
                patched.setattr(TrailWitness, "write", _killed)
            case "new witness written":
                patched.setattr(os, "replace", _killed)
                patched.setattr("worker.private_files.written_whole.__wrapped__.__defaults__", (_killed,))
            case "witness in place":
                patched.setattr(os, "ftruncate", _killed)
            case "old witness emptied":
                patched.setattr(os, "ftruncate", _after(os.ftruncate))
            case "head":
                patched.setattr(anchors, "store", _killed)
        with pytest.raises(Killed):
            trail.record_all("message.disposed", [{"key": "abcdefghijklmnopqrstuvwxyz"}] * lines, who="one")
    found = verify(trail_in(tmp_path, anchors))
    assert (found.ok, found.records, found.unanchored) == (True, 8 + lines, lines)
    write(trail_in(tmp_path, anchors), 1)
    found = verify(trail_in(tmp_path, anchors))
    assert (found.ok, found.records, found.unanchored, found.notes) == (True, 9 + lines, 0, ())


def test_a_kill_before_the_first_key_or_line_is_no_tampering(
    tmp_path: Path, anchors: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("worker.observe.audit.trail_folder.write_once", _killed)
        with pytest.raises(Killed):
            trail_in(tmp_path, anchors)
    trail_in(tmp_path, anchors)
    assert verify(trail_in(tmp_path, anchors)).ok
    write(trail_in(tmp_path, anchors), 1)
    assert verify(trail_in(tmp_path, anchors)).ok


def _writes(state: str, told: Connection) -> None:
    with closing(journal_in(Path(state))) as journal:
        trail = trail_in(Path(state) / "audit", JournalAnchors(journal.database), rotate_at=3000)
        while True:
            trail.record_all("message.disposed", [{"key": "abcdefghijklmnopqrstuvwxyz"}] * 3, who="one")
            told.send(True)


def test_a_process_that_is_killed_while_it_writes_leaves_a_sound_trail(tmp_path: Path) -> None:
    chance = random.Random(7)
    journal_in(tmp_path).close()
    fork, written = get_context("fork"), 0
    for _ in range(ROUNDS):
        told, tells = fork.Pipe(duplex=False)
        process = fork.Process(target=_writes, args=(str(tmp_path), tells))
        process.start()
        tells.close()
        for _ in range(chance.randrange(1, 6)):
            assert told.recv()
            written += 3
        while chance.random() < 0.9:  # somewhere in the next record
            pass
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        told.close()
        with closing(journal_in(tmp_path)) as journal:
            found = verify(trail_in(tmp_path / "audit", JournalAnchors(journal.database)))
        assert {finding.what for finding in found.findings} <= {What.TORN}
        assert found.notes == ()
        assert found.records >= written
        written = found.records
