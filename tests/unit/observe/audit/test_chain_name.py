"""The names of chains."""

from pathlib import Path

from tests.unit.observe.audit.world import Memory, trail_in


def test_replicas_whose_names_look_alike_have_chains_of_their_own(tmp_path: Path, anchors: Memory) -> None:
    names = {trail_in(tmp_path, anchors, name).chain for name in ("a/b", "a_b", "a~b", "../a", "", "." * 3)}
    assert len(names) == 6
    assert not any("/" in name or name.startswith(".") for name in names)
