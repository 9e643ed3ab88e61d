"""The audit trail: every kind of tampering is found, and nothing that isn't tampering."""

import ast
import itertools
import os
import random
import tempfile
import threading
from collections.abc import Iterator, Mapping
from multiprocessing import get_context
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import NOW, Lines
from worker.journal.anchors import Head
from worker.logs.redaction import FIELDS, Content
from worker.observe.audit.audit_kinds import KINDS, markdown
from worker.observe.audit.trail import AuditTrail, AuditUnavailable, person
from worker.observe.audit.verify import Verification

KEY = "abcdefghijklmnopqrstuvwxyz"
MARK = "Patient-Zebedee"


class Memory:
    """A journal's part in it."""

    def __init__(self) -> None:
        self.kept: dict[str, Head] = {}
        self.broken = False

    def heads(self) -> Mapping[str, Head]:
        if self.broken:
            raise OSError("lost")
        return dict(self.kept)

    def store(self, chain: str, head: Head) -> None:
        if self.broken:
            raise OSError("lost")
        if chain not in self.kept or self.kept[chain].count < head.count:
            self.kept[chain] = head


@pytest.fixture
def anchors() -> Memory:
    return Memory()


def trail_in(directory: Path, anchors: Memory, replica: str = "one", rotate_at: int = 10**9) -> AuditTrail:
    return AuditTrail(directory, replica=replica, anchors=anchors, clock=lambda: NOW, rotate_at=rotate_at)


def write(trail: AuditTrail, count: int) -> None:
    for number in range(count):
        trail.record("message.disposed", who="one", key=f"{KEY}-{number + 2}", path="clean", state="handled")


def whats(found: Verification) -> set[str]:
    return {finding.what for finding in found.findings}


def test_a_line_says_who_when_and_what(tmp_path: Path, anchors: Memory) -> None:
    trail_in(tmp_path, anchors).record("login.reset", who="operator", words="unlocked by\nthe LA", failures=5)
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
    assert anchors.kept == {"one": Head(1, mac)}


def test_words_that_are_no_utf8_are_written_as_far_as_they_can_be_read(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    trail.record("login.reset", who="operator", words="unlocked by J\udcfcrgen")
    trail.record("message.disposed", key=KEY, target="Process\udcfc")
    first, second = trail.entries()
    assert first["words"] == "unlocked by J?rgen"
    assert second["target"] == "<refused>"
    assert trail.verify().ok


def test_only_a_kinds_own_fields_get_in_and_only_in_their_form(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    trail.record("message.disposed", key=KEY, reason=f"as {MARK} said", subject=MARK, target=Content(MARK))
    with pytest.raises(ValueError, match="no such kind"):
        trail.record("message.invented")
    (entry,) = trail.entries()
    assert entry["dropped"] == ["subject"]
    assert entry["who"] == person()
    assert MARK not in (tmp_path / "one.jsonl").read_text()


def test_a_whole_trail_is_found_whole(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors, rotate_at=1000)
    write(trail, 20)
    write(trail_in(tmp_path, anchors, "two"), 3)
    found = trail.verify()
    assert found == Verification(chains=2, records=23, unanchored=0, findings=())
    assert found.ok
    assert len(list(tmp_path.glob("one~*.jsonl"))) > 2, "it was rotated, and the chain went on"
    assert [entry["n"] for entry in trail.entries()] == [*range(1, 21), 1, 2, 3]


def test_the_files_are_their_owners_alone(tmp_path: Path, anchors: Memory) -> None:
    write(trail_in(tmp_path / "audit", anchors), 1)
    assert {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "audit").iterdir()} == {
        "audit.key": 0o600,
        "audit.lock": 0o600,
        "one.jsonl": 0o600,
    }
    (tmp_path / "audit" / "audit.key").chmod(0o660)
    trail_in(tmp_path / "audit", anchors)
    assert (tmp_path / "audit" / "audit.key").stat().st_mode & 0o777 == 0o600


ROOT = Path(__file__).parents[4]
TRAILS = {"audit", "_audit", "trail", "_trail"}


def _recorded() -> Iterator[tuple[str, ast.Call]]:
    for file in sorted((ROOT / "worker").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "record":
                owner = node.func.value
                name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                if name in TRAILS:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_what_is_recorded_is_in_the_catalogue() -> None:
    for place, call in _recorded():
        kind = call.args[0] if call.args else None
        if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
            assert kind.value in KINDS, place
            given = {word.arg for word in call.keywords if word.arg} - {"who", "words", "durable"}
            assert given <= KINDS[kind.value][1], place


def test_every_kind_has_fields_that_exist_and_a_meaning() -> None:
    for meaning, fields in KINDS.values():
        assert meaning
        assert fields <= FIELDS.keys()


def test_the_documentation_is_the_catalogue() -> None:
    assert (ROOT / "docs" / "audit.md").read_text() == markdown(), "python -m worker.observe.audit > docs/audit.md"


# Tampering. Each example starts from a rotated trail of a dozen lines, anchored in full.


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


@given(tampering=tamperings(), more=st.integers(0, 3))
def test_tampering_is_found_whatever_is_written_afterwards(tampering: tuple[str, random.Random], more: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory, anchors = Path(name), Memory()
        trail = _whole(directory, anchors)
        assert trail.verify().ok
        _tamper(directory, *tampering)
        assert not trail.verify().ok
        write(trail_in(directory, anchors, rotate_at=1200), more)
        trail = trail_in(directory, anchors)
        # Half a line at the end may be a sudden stop's: it is cut off, and the trail says so.
        assert not trail.verify().ok or "audit.repaired" in {entry["kind"] for entry in trail.entries()}


@given(tampering=tamperings(), during=st.integers(0, 15), restart=st.booleans(), more=st.integers(0, 3))
def test_tampering_is_found_though_the_journal_was_down_at_the_next_writes(
    tampering: tuple[str, random.Random], during: int, restart: bool, more: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
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
        assert not trail.verify().ok or "audit.repaired" in {entry["kind"] for entry in trail.entries()}


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
    assert not trail_in(tmp_path, anchors).verify().ok


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
    assert anchors.kept["one"].count == 7
    assert trail.verify().ok


def test_a_known_line_is_found_far_from_the_end(tmp_path: Path, anchors: Memory, lines: Lines) -> None:
    trail = trail_in(tmp_path, anchors)
    write(trail, 1)
    write(trail_in(tmp_path, Memory(), rotate_at=10_000), 200)
    write(trail, 1)
    assert lines.all == []
    assert trail.verify() == Verification(chains=1, records=202, unanchored=0, findings=())


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
    found = trail.verify()
    assert whats(found) <= what
    assert whats(found)
    assert all(str(finding).startswith("one: ") for finding in found.findings)


def test_a_chain_that_is_gone_is_missed(tmp_path: Path, anchors: Memory) -> None:
    write(trail_in(tmp_path, anchors, "two"), 2)
    trail = trail_in(tmp_path, anchors)
    write(trail, 2)
    (tmp_path / "two.jsonl").unlink()
    (finding,) = trail.verify().findings
    assert str(finding) == "two: no file: the end is missing: the journal knows of later lines"


def test_other_hosts_chains_are_named_and_not_missed_where_the_journal_is_shared(
    tmp_path: Path, anchors: Memory
) -> None:
    here, there = trail_in(tmp_path / "a", anchors, "one"), trail_in(tmp_path / "b", anchors, "two")
    write(here, 2)
    write(there, 3)
    assert here.verify(shared=True) == Verification(chains=1, records=2, unanchored=0, findings=(), elsewhere=("two",))
    assert there.verify(shared=True).ok
    assert [finding.chain for finding in here.verify().findings] == ["two"]
    (tmp_path / "a" / "one.jsonl").unlink()
    found = trail_in(tmp_path / "a", anchors, "one").verify(shared=True)
    assert [(finding.chain, finding.what) for finding in found.findings] == [("one", "cut")]
    assert found.elsewhere == ("two",)


def test_one_chain_cannot_be_passed_off_as_another(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    write(trail, 2)
    (tmp_path / "one.jsonl").rename(tmp_path / "two.jsonl")
    anchors.kept["two"] = anchors.kept.pop("one")
    assert whats(trail.verify()) == {"altered"}


def test_an_old_copy_put_back_is_found(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    write(trail, 3)
    old = (tmp_path / "one.jsonl").read_bytes()
    write(trail, 3)
    (tmp_path / "one.jsonl").write_bytes(old)
    assert whats(trail.verify()) == {"cut"}


def test_without_its_key_nothing_is_vouched_for(tmp_path: Path, anchors: Memory, lines: Lines) -> None:
    write(trail_in(tmp_path, anchors), 2)
    (tmp_path / "audit.key").unlink()
    trail = trail_in(tmp_path, anchors)
    assert lines.one["event"] == "audit.broken"
    write(trail, 1)
    assert [(finding.what, finding.line) for finding in trail.verify().findings] == [("altered", 1), ("altered", 2)]


# What isn't tampering.


def test_half_a_line_of_a_sudden_stop_is_cut_off_and_recorded(tmp_path: Path, anchors: Memory) -> None:
    write(trail_in(tmp_path, anchors), 2)
    with (tmp_path / "one.jsonl").open("ab") as file:
        file.write(b'{"n":3,"at":"2026')
    trail = trail_in(tmp_path, anchors)
    assert whats(trail.verify()) == {"torn"}
    write(trail, 1)
    assert trail.verify().ok
    assert [entry["kind"] for entry in trail.entries()][2] == "audit.repaired"
    assert list(trail.entries())[2]["bytes"] == 17


def test_lines_of_a_batch_are_anchored_together(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    for _ in range(3):
        trail.record("message.disposed", key=KEY, durable=False)
    assert trail.verify() == Verification(chains=1, records=3, unanchored=3, findings=())
    trail.anchor()
    assert trail.verify() == Verification(chains=1, records=3, unanchored=0, findings=())
    trail.anchor()


def test_a_lost_journal_stops_no_line_and_the_next_anchors_it(tmp_path: Path, anchors: Memory, lines: Lines) -> None:
    trail = trail_in(tmp_path, anchors)
    anchors.broken = True
    write(trail, 2)
    assert [line["event"] for line in lines.all] == ["audit.unanchored"] * 2
    anchors.broken = False
    write(trail, 1)
    assert trail.verify() == Verification(chains=1, records=3, unanchored=0, findings=())


def test_a_rebuilt_journal_takes_the_trail_as_it_is(tmp_path: Path, anchors: Memory) -> None:
    write(trail_in(tmp_path, anchors), 2)
    anchors.kept.clear()
    trail = trail_in(tmp_path, anchors)
    write(trail, 1)
    assert trail.verify() == Verification(chains=1, records=3, unanchored=0, findings=())


def test_threads_and_two_trails_of_one_chain_keep_it_whole(tmp_path: Path, anchors: Memory) -> None:
    trails = [trail_in(tmp_path, anchors, rotate_at=2000) for _ in range(2)]
    threads = [threading.Thread(target=write, args=(trail, 10)) for trail in trails for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trails[0].verify() == Verification(chains=1, records=60, unanchored=0, findings=())


def _other_process(directory: str) -> None:
    write(trail_in(Path(directory), Memory()), 20)


def test_another_process_may_write_the_same_chain(tmp_path: Path, anchors: Memory) -> None:
    others = [get_context("spawn").Process(target=_other_process, args=(str(tmp_path),)) for _ in range(2)]
    for other in others:
        other.start()
    write(trail_in(tmp_path, anchors), 20)
    for other in others:
        other.join()
        assert other.exitcode == 0
    found = trail_in(tmp_path, anchors).verify()
    assert (found.records, found.findings) == (60, ())


def test_replicas_whose_names_look_alike_have_chains_of_their_own(tmp_path: Path, anchors: Memory) -> None:
    names = {trail_in(tmp_path, anchors, name).chain for name in ("a/b", "a_b", "a~b", "../a", "", "." * 3)}
    assert len(names) == 6
    assert not any("/" in name or name.startswith(".") for name in names)


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
    assert trail.verify() == Verification(chains=1, records=2, unanchored=0, findings=())


def test_a_key_that_cannot_be_read_says_so(tmp_path: Path, anchors: Memory) -> None:
    (tmp_path / "audit.key").write_text("no key")
    with pytest.raises(AuditUnavailable, match=r"audit\.key"):
        trail_in(tmp_path, anchors)


def test_a_link_in_the_trails_place_is_not_followed(tmp_path: Path, anchors: Memory) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "one.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditUnavailable):
        write(trail_in(tmp_path, anchors), 1)
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_lines_are_sent_on_as_written_and_a_lost_receiver_stops_nothing(
    tmp_path: Path, anchors: Memory, lines: Lines
) -> None:
    sent: list[bytes] = []
    trail = AuditTrail(tmp_path, replica="one", anchors=anchors, mirror=sent.append)
    write(trail, 2)
    assert b"".join(sent) == (tmp_path / "one.jsonl").read_bytes()
    lost: Iterator[bytes] = iter(())
    trail = AuditTrail(tmp_path, replica="one", anchors=anchors, mirror=lambda _line: next(lost))
    write(trail, 1)
    assert lines.one["event"] == "audit.mirror_failed"
    assert trail.verify().records == 3


def test_a_settings_fingerprint_shows_change_and_nothing_else(tmp_path: Path, anchors: Memory) -> None:
    trail = trail_in(tmp_path, anchors)
    assert trail.fingerprint("60s") == trail_in(tmp_path, anchors).fingerprint("60s") != trail.fingerprint("61s")
    assert len(trail.fingerprint("60s")) == 32
