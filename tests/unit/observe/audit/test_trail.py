"""The audit trail: what is written, where it goes, and what stops nothing."""

import os
from pathlib import Path

import orjson
import pytest

from tests.unit.conftest import Lines
from tests.unit.observe.audit.world import KEY, MARK, Memory, trail_in, write
from worker.journal.audit_anchors import Anchor, Head
from worker.logs.redaction import Content
from worker.logs.who import person
from worker.observe.audit.findings import Note, Verification, What
from worker.observe.audit.lines import head_seal
from worker.observe.audit.trail import AuditTrail, AuditUnavailable
from worker.observe.audit.verify import verify


def test_a_line_says_who_when_and_what(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    trail.record("login.reset", who="operator", words="unlocked by\nthe LA", failures=5)
    line = orjson.loads((tmp_path / "one.jsonl").read_bytes())
    mac = line.pop("mac")
    assert line == {
        "n": 1,
        "at": "2026-11-18T11:06:40.000Z",
        "chain": "one",
        "kind": "login.reset",
        "who": "operator",
        "failures": 5,
        "words": "unlocked by the LA",
    }
    head, key = Head(1, mac), trail.folder.key
    assert anchors.kept == {"one": Anchor(head, head_seal(key, "one", head))}


def test_words_that_are_no_utf8_are_written_as_far_as_they_can_be_read(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    trail.record("login.reset", who="operator", words="unlocked by J\udcfcrgen")
    trail.record("message.disposed", key=KEY, target="Process\udcfc")
    first, second = trail.folder.entries()
    assert first["words"] == "unlocked by J?rgen"
    assert second["target"] == "<refused>"
    assert verify(trail).ok


def test_only_a_kinds_own_fields_get_in_and_only_in_their_form(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    trail.record("message.disposed", key=KEY, reason=f"as {MARK} said", subject=MARK, target=Content(MARK))
    with pytest.raises(ValueError, match="no such kind"):
        trail.record("message.invented")
    (entry,) = trail.folder.entries()
    assert entry["dropped"] == ["subject"]
    assert entry["who"] == person()
    assert MARK not in (tmp_path / "one.jsonl").read_text()


def test_lines_of_a_batch_are_anchored_together(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    anchors.broken = True
    trail.record_all("message.disposed", [{"key": KEY}] * 3, who="worker-1")
    anchors.broken = False
    assert verify(trail) == Verification(chains=1, records=3, unanchored=3, findings=())
    trail.record_all("message.disposed", [{"key": KEY}] * 3, who="worker-1")
    assert verify(trail) == Verification(chains=1, records=6, unanchored=0, findings=())


def test_a_lost_journal_stops_no_line_and_the_next_anchors_it(tmp_path: Path, anchors: Memory, lines: Lines) -> None:
    trail = trail_in(tmp_path, anchors)
    anchors.broken = True
    write(trail, 2)
    assert [line["event"] for line in lines.all] == ["audit.unanchored"] * 2
    anchors.broken = False
    write(trail, 1)
    assert verify(trail) == Verification(chains=1, records=3, unanchored=0, findings=())


def test_a_rebuilt_journal_takes_the_trail_as_it_is_and_the_trail_says_so(tmp_path: Path, anchors: Memory) -> None:
    write(trail_in(tmp_path, anchors), 2)
    anchors.kept.clear()
    trail = trail_in(tmp_path, anchors)
    write(trail, 1)
    noted = (Note("one", "one.jsonl", 3, What.SET_BACK),)
    assert verify(trail) == Verification(chains=1, records=4, unanchored=0, findings=(), notes=noted)


def test_a_trail_that_cannot_be_written_says_so(
    tmp_path: Path, anchors: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = trail_in(tmp_path, anchors)
    write(trail, 1)
    real, calls = os.write, iter([0])

    def full(descriptor: int, data: bytes) -> int:
        if next(calls, None) is None:
            raise OSError(28, "No space left on device")
        return real(descriptor, bytes(data)[:10])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(AuditUnavailable, match="No space left on device"):
        write(trail, 1)
    monkeypatch.undo()
    write(trail, 1)
    assert verify(trail) == Verification(chains=1, records=2, unanchored=0, findings=())


def test_a_link_in_the_trails_place_is_not_followed(tmp_path: Path, anchors: Memory) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "one.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditUnavailable):
        write(trail_in(tmp_path, anchors), 1)
    assert (tmp_path / "elsewhere").read_bytes() == b""


class Receiver:
    """Keeps the lines that it is sent."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.broken = False

    def send(self, line: bytes, /) -> None:
        if self.broken:
            raise StopIteration
        self.got.append(line)


def test_lines_are_sent_on_as_written_and_a_lost_receiver_stops_nothing(
    tmp_path: Path, anchors: Memory, lines: Lines
) -> None:
    receiver = Receiver()
    trail = AuditTrail(tmp_path, replica="one", anchors=anchors, mirror=receiver)
    write(trail, 2)
    assert b"".join(receiver.got) == (tmp_path / "one.jsonl").read_bytes()
    receiver.broken = True
    trail = AuditTrail(tmp_path, replica="one", anchors=anchors, mirror=receiver)
    write(trail, 1)
    assert lines.one["event"] == "audit.mirror_failed"
    assert verify(trail).records == 3


def test_a_settings_fingerprint_shows_change_and_nothing_else(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    assert trail.fingerprint("60s") == trail_in(tmp_path, anchors).fingerprint("60s") != trail.fingerprint("61s")
    assert len(trail.fingerprint("60s")) == 32
