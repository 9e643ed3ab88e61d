"""The trail's folder, and the key in it."""

from pathlib import Path

import pytest

from tests.unit.observe.audit.world import Memory, trail_in, write
from worker.observe.audit.trail import AuditUnavailable


def test_the_files_are_their_owners_alone(tmp_path: Path, anchors: Memory) -> None:
    write(trail_in(tmp_path / "audit", anchors), 1)
    assert {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "audit").iterdir()} == {
        "audit.key": 0o600,
        "audit.lock": 0o600,
        "audit.witness": 0o600,
        "one.jsonl": 0o600,
    }
    (tmp_path / "audit" / "audit.key").chmod(0o660)
    trail_in(tmp_path / "audit", anchors)
    assert (tmp_path / "audit" / "audit.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_cannot_be_read_says_so(tmp_path: Path, anchors: Memory) -> None:
    (tmp_path / "audit.key").write_text("no key")
    with pytest.raises(AuditUnavailable, match=r"audit\.key"):
        trail_in(tmp_path, anchors)
