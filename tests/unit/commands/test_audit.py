"""`audit verify` and `audit show`, as typed: they write nothing, work on a copy, and command no terminal."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.unit.commands.configured import ADDRESS, configured
from worker.cli import main as cli
from worker.journal.audit_anchors import Anchor, Head, JournalAnchors
from worker.journal.store import FILE, Journal
from worker.login.witness import NAME as LOGIN
from worker.login.witness import Testimony as Seen  # a name that pytest doesn't take for a test
from worker.login.witness import Witness
from worker.observe.audit.chain_name import installation
from worker.observe.audit.findings import What
from worker.observe.audit.lines import mac_of
from worker.observe.audit.trail import AuditTrail

NOBODY = 65534
HOSTILE = "sound\x1b[2J\x9b31m\u202egnp.exe\u2066 \x07\u200b, says \U000e0041Ann"
FORMS = ((), ("--json",), ("--csv",))
PRINTS = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\U000e0000-\U000e0fff]*")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of a worker that wrote ten lines. Other users can reach it."""
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", "Bright-Harbour-92")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        configured(folder).parts.close()
        with closing(opened(folder)) as journal:
            trail = trail_of(folder, journal)
            for _ in range(9):
                trail.record("worker.paused", who="operator", words="a reason")
            trail.record("login.reset", who="operator", words=HOSTILE, failures=3)
        (folder / "worker.toml").chmod(0o644)
        yield folder
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o700)


def opened(folder: Path) -> Journal:
    journal = Journal(folder / "state", None, time.time)
    journal.open(ADDRESS)
    return journal


def trail_of(folder: Path, journal: Journal) -> AuditTrail:
    state = folder / "state"
    return AuditTrail(state / "audit", replica=installation(state), anchors=JournalAnchors(journal.database))


def typed(folder: Path, *arguments: str) -> int:
    return cli.run(["audit", *arguments, "--config", str(folder / "worker.toml")])


def everything(folder: Path) -> dict[str, object]:
    """All but what SQLite keeps beside a journal that it reads."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(f"{FILE}-")
    }


def chain_of(folder: Path) -> Path:
    (file,) = (folder / "state" / "audit").glob("*.jsonl")
    return file


def cut(folder: Path, keep: int) -> list[bytes]:
    lines = chain_of(folder).read_bytes().splitlines(keepends=True)[:keep]
    chain_of(folder).write_bytes(b"".join(lines))
    return lines


# -- they write nothing ------------------------------------------------------------------------------------------------


def test_neither_command_writes_or_makes_anything(folder: Path) -> None:
    before = everything(folder)
    assert typed(folder, "verify") == 0
    assert typed(folder, "show") == 0
    assert everything(folder) == before


def test_before_the_first_start_there_is_nothing_and_nothing_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(folder / "state")
    assert typed(folder, "verify") == 0
    assert typed(folder, "show") == 0
    assert not (folder / "state").exists()
    assert capsys.readouterr().out == "0 lines in 0 chains, 0 findings.\n"


@pytest.mark.parametrize("option", [(), ("--copy",)])
def test_a_read_only_copy_is_verified_and_shown(
    folder: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    shutil.move(folder / "state", folder / "original")
    shutil.copytree(folder / "original", folder / "state")
    state = folder / "state"
    for path in (*state.rglob("*"), state):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, -1)
        path.chmod(0o500 if path.is_dir() else 0o400)
    before = everything(folder)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        verified, shown = typed(folder, "verify", *option), typed(folder, "show")
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
    assert (verified, shown) == (0, 0)
    said = capsys.readouterr().out
    assert "10 lines in 1 chain, 0 findings." in said
    assert "This is a copy: the worker can't notice missing lines that were written after the copy." in said
    assert said.count("\tworker.paused\t") == 9
    assert everything(folder) == before


def test_a_copy_that_can_be_written_is_told_until_it_is_said_to_be_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(folder / "state", folder / "original")
    shutil.copytree(folder / "original", folder / "state")
    assert typed(folder, "verify") == 1
    assert "trail: audit.witness: copied: the folder was restored or copied" in capsys.readouterr().out
    assert typed(folder, "verify", "--copy") == 0
    cut(folder, 6)
    assert typed(folder, "verify", "--copy") == 1
    assert ": cut: " in capsys.readouterr().out, "what the copied witness saw still holds"


# -- what is found, in the words of the page ---------------------------------------------------------------------------


@pytest.mark.parametrize("sealed", [False, True])
def test_a_mac_that_was_copied_into_the_journal_after_a_cut_is_found(
    folder: Path, capsys: pytest.CaptureFixture[str], sealed: bool
) -> None:
    lines = cut(folder, 6)
    mac = mac_of(lines[-1])
    with closing(opened(folder)) as journal:
        anchors = JournalAnchors(journal.database)
        (chain,) = anchors.heads()
        anchors.store(chain, Anchor(Head(6, mac), mac if sealed else ""), instead_of=anchors.heads()[chain])
    assert typed(folder, "verify") == 1
    said = capsys.readouterr().out
    assert f"{chain}: {chain}.jsonl: cut: " in said
    assert f"{chain}: no file: forged: the head that the journal keeps wasn't made with the trail's key" in said


def test_a_cut_with_an_old_journal_put_back_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in ("", "-wal", "-shm"):
        if (folder / "state" / (FILE + suffix)).exists():
            shutil.copy(folder / "state" / (FILE + suffix), folder / (FILE + suffix))
    old = chain_of(folder).read_bytes()
    with closing(opened(folder)) as journal:
        for _ in range(5):
            trail_of(folder, journal).record("worker.resumed", who="operator")
    for suffix in ("", "-wal", "-shm"):
        (folder / "state" / (FILE + suffix)).unlink(missing_ok=True)
        if (folder / (FILE + suffix)).exists():
            shutil.copy(folder / (FILE + suffix), folder / "state" / (FILE + suffix))
    assert typed(folder, "verify") == 1
    assert ": set-back: " in capsys.readouterr().out
    chain_of(folder).write_bytes(old)
    assert typed(folder, "verify") == 1
    said = capsys.readouterr().out
    assert ": set-back: " in said
    assert ": cut: " in said


@pytest.mark.parametrize("lost", ["older", "another", "none"])
def test_the_login_s_witness_is_asked_whether_the_journal_is_the_right_one(
    folder: Path, capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    with closing(opened(folder)) as journal, journal.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO fact (name, value) VALUES ('login.epoch', 'e')")
    Witness(folder / "state").begin("e")
    assert typed(folder, "verify") == 0
    Witness(folder / "state").write(Seen("e" if lost == "older" else "another", 3, 0))
    if lost == "none":
        for path in (folder / "state").glob(f"{FILE}*"):
            path.unlink()
    capsys.readouterr()
    assert typed(folder, "verify") == 1
    assert "journal: no file: set-back: " in capsys.readouterr().out


def test_a_trail_that_is_gone_as_a_whole_is_missed_by_the_login_s_witness(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Witness(folder / "state").write(Seen("e", 3, 0))
    shutil.rmtree(folder / "state" / "audit")
    for path in (folder / "state").glob(f"{FILE}*"):
        path.unlink()
    assert typed(folder, "verify") == 1
    assert "trail: no file: cut: " in capsys.readouterr().out
    assert (folder / "state" / LOGIN).exists()


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (lambda folder: (folder / "state" / "audit" / "audit.witness").unlink(), What.UNWITNESSED),
        (lambda folder: (folder / "state" / "audit" / "audit.key").unlink(), What.KEYLESS),
        (lambda folder: chain_of(folder).unlink(), What.CUT),
        (lambda folder: (folder / "state" / "audit" / "x\x1b[2J\n.jsonl").write_bytes(b"{}\n"), What.UNREADABLE),
        (lambda folder: os.mkfifo(folder / "state" / "audit" / "x.jsonl"), What.UNREADABLE),
        (lambda folder: (folder / "state" / "audit" / os.fsdecode(b"\xff.jsonl")).write_bytes(b"x\n"), What.UNREADABLE),
    ],
)
def test_a_finding_is_printed_by_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], object], what: What
) -> None:
    harm(folder)
    assert typed(folder, "verify") == 1
    said = capsys.readouterr()
    assert f": {what}: " in said.out
    assert "tell the information governance lead" in said.err
    assert PRINTS.fullmatch(said.out)


def test_half_a_line_alone_isn_t_called_tampering(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with chain_of(folder).open("ab") as file:
        file.write(b'{"n":11,"at":"20')
    assert typed(folder, "verify") == 1
    said = capsys.readouterr()
    assert ": torn: half a line at the end" in said.out
    assert "A sudden stop leaves half a line." in said.err
    assert "governance" not in said.err


def test_a_line_that_the_journal_doesn_t_know_yet_is_unanchored(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(opened(folder)) as journal:
        trail = trail_of(folder, journal)
        with monkeypatch.context() as patched:
            patched.setattr(JournalAnchors, "store", lambda *_, **__: 1 / 0)
            trail.record("worker.resumed", who="operator")
    capsys.readouterr()
    assert typed(folder, "verify") == 0
    assert "unanchored: 1 line at the end is newer" in capsys.readouterr().out


def test_what_the_worker_noted_is_named_ever_after(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.move(folder / "state", folder / "original")
    shutil.copytree(folder / "original", folder / "state")
    with closing(opened(folder)) as journal:
        trail_of(folder, journal).record("worker.resumed", who="operator")
    capsys.readouterr()
    for _ in range(2):
        assert typed(folder, "verify") == 0
        assert "line 11: noted by the worker: copied: " in capsys.readouterr().out


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_a_reason_can_t_command_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in FORMS:
        assert typed(folder, "show", "--kind", "login.reset", *form) == 0
        said = capsys.readouterr().out
        assert PRINTS.fullmatch(said.replace("\t", " "))
        assert "\\u202e" in said
    assert typed(folder, "show", "--kind", "login.reset", "--json") == 0
    said = capsys.readouterr().out
    assert orjson.loads(said)["words"] == " ".join(HOSTILE.split()), "the same words, to a program"
    assert PRINTS.fullmatch(chain_of(folder).read_text()), "nor to whoever prints the file or its mirror"


def test_a_reason_in_a_trail_of_an_earlier_version_can_t_either(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There the words stood in the file as they were."""
    line = orjson.dumps({"n": 1, "at": "2026", "kind": "login.reset", "words": HOSTILE})[:-1]
    chain_of(folder).write_bytes(line + b',"mac":"' + b"0" * 64 + b'"}\n')
    for form in FORMS:
        assert typed(folder, "show", *form) == 0
        assert PRINTS.fullmatch(capsys.readouterr().out.replace("\t", " "))


def test_a_trail_that_was_tampered_with_is_shown_as_far_as_it_can_be_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mac = b',"mac":"' + b"0" * 64 + b'"}\n'
    with chain_of(folder).open("ab") as file:
        file.write(b'{"n":11' + mac + b'{"n":12,"kind":7,"at":{}' + mac + b"junk\n" + b'{"n":"13"' + mac + b"[1]\n")
        file.write(b'{"n":14')
    os.mkfifo(folder / "state" / "audit" / "pipe.jsonl")
    assert typed(folder, "show", "--since", "2026-01-01") == 0
    said = capsys.readouterr()
    assert said.out.count("\n") == 11, "the ten lines, and the one whose `at` reads as later"
    assert said.err.startswith("4 lines can't be read: run `nhsmail-worker audit verify --config ")
    assert typed(folder, "show", "--kind", "worker") == 0
    assert capsys.readouterr().out.count("\n") == 9


def test_verify_doesn_t_name_a_journal_of_another_account(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (folder / "worker.toml").read_text().replace(ADDRESS, "another@nhs.net")
    (folder / "worker.toml").write_text(text)
    assert typed(folder, "verify") == 78
    assert "The state belongs to" in capsys.readouterr().err


def test_the_lines_are_chosen_by_time_kind_key_actor_and_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "abcd" + "e" * 22
    with closing(opened(folder)) as journal:
        trail = trail_of(folder, journal)
        for one, reason in ((key, "archive:OSError"), (f"{key}-2", "oversize"), ("k" * 26, "archive:TimeoutError")):
            trail.record("message.disposed", who="pathology-3:7", key=one, reason=reason)
        trail.record("message.released", who="ann", key=key, words="The supplier is ours")

    def numbers(*options: str) -> list[int]:
        assert typed(folder, "show", "--json", *options) == 0
        return [orjson.loads(line)["n"] for line in capsys.readouterr().out.splitlines()]

    assert numbers("--kind", "message.d") == [11, 12, 13]
    assert numbers("--key", key) == [11, 14], "a whole key isn't the beginning of its look-alike's"
    assert numbers("--key", "ABCDEE") == [11, 12, 14]
    assert numbers("--key", "abcd-2") == [12]
    assert numbers("--who", "Pathology") == [11, 12, 13]
    assert numbers("--reason", "oserror") == [11]
    assert numbers("--reason", "supplier") == [14], "a person's own words"
    assert numbers("--since", "2100-01-01") == []
    assert len(numbers("--since", "1h")) == 14


def test_the_newest_lines_and_how_many_come_before_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(folder, "show", "--limit", "2") == 0
    said = capsys.readouterr()
    assert [line.split("\t")[7] for line in said.out.splitlines()] == ["9", "10"]
    assert said.err == "8 earlier lines are not shown: `--limit 10` shows all.\n"
    assert typed(folder, "show", "--limit", "10") == 0
    assert capsys.readouterr().err == ""


def test_a_folder_without_a_trail_is_refused_and_one_inside_it_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("show", "verify"):
        assert typed(folder, command, "--state", str(folder)) == 64
        said = " ".join(capsys.readouterr().err.split())
        assert "holds no audit trail" in said
        assert f"Did you mean {folder / 'state'}?" in said
    assert typed(folder, "show", "--state", str(folder / "state")) == 0
