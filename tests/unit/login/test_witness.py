"""The witness's file, and what it makes of a journal that forgot."""

import errno
import fcntl
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from worker.journal.attempts import History
from worker.journal.database import JournalUnavailable
from worker.login.witness import MARK, NAME, Untrusted, Witness, doubt
from worker.login.witness import Testimony as Seen  # a name that pytest doesn't take for a test

SEEN = Seen("this", 7, 3)


def test_it_is_kept(tmp_path: Path) -> None:
    witness = Witness(tmp_path)
    assert witness.read() is None
    for number in range(5):
        witness.write(Seen("this", number, 0))
        assert Witness(tmp_path).read() == Seen("this", number, 0)
    assert os.listdir(tmp_path) == [NAME]  # noqa: PTH208 -- the names alone
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_first_witness_never_replaces_one(tmp_path: Path) -> None:
    witness = Witness(tmp_path)
    witness.begin("this")
    assert witness.read() == Seen("this", 0, 0)
    witness.write(SEEN)
    witness.begin("other")
    assert witness.read() == SEEN
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".new")] == [NAME]


def test_a_copy_isnt_believed(tmp_path: Path) -> None:
    Witness(tmp_path).write(SEEN)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy2(tmp_path / NAME, copy / NAME)
    with pytest.raises(Untrusted, match=r"^the state folder was restored or copied$"):
        Witness(copy).read()


def test_a_restored_file_isnt_believed(tmp_path: Path) -> None:
    witness = Witness(tmp_path)
    witness.write(SEEN)
    kept = (tmp_path / NAME).read_bytes()
    witness.write(Seen("this", 8, 4))
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).write_bytes(kept)
    with pytest.raises(Untrusted):
        witness.read()


def test_the_folder_tells_what_its_file_told(tmp_path: Path) -> None:
    witness = Witness(tmp_path)
    witness.begin("this")
    for told in (SEEN, Seen("this", 8, 0)):
        witness.write(told)
        (tmp_path / NAME).unlink()
        assert witness.read() == told


def test_what_the_folder_tells_may_be_damaged(tmp_path: Path) -> None:
    os.setxattr(tmp_path, MARK, b"nonsense")
    with pytest.raises(Untrusted, match=r"^the guard's file is damaged$"):
        Witness(tmp_path).read()


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSPC])
def test_a_file_system_without_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_given: object) -> bytes:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "setxattr", refuse)
    Witness(tmp_path).write(SEEN)
    assert Witness(tmp_path).read() == SEEN
    (tmp_path / NAME).unlink()
    assert Witness(tmp_path).read() is None


@pytest.mark.parametrize(("number", "known"), [(errno.EOPNOTSUPP, True), (errno.EIO, False)])
def test_a_folder_that_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, known: bool
) -> None:
    def refuse(*_given: object) -> bytes:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "getxattr", refuse)
    if known:
        assert Witness(tmp_path).read() is None
    else:
        with pytest.raises(JournalUnavailable, match="mark on the state folder can't be read"):
            Witness(tmp_path).read()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"identity": 1, "epoch": "x"}', b"null"])
def test_a_damaged_file_isnt_believed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(Untrusted, match=r"^the guard's file is damaged$"):
        Witness(tmp_path).read()


def test_what_cant_be_read_or_written_is_no_journal(tmp_path: Path) -> None:
    gone = Witness(tmp_path / "gone")
    with pytest.raises(JournalUnavailable, match="can't be written"):
        gone.write(SEEN)
    (tmp_path / NAME).mkdir()
    with pytest.raises(JournalUnavailable, match="can't be read"):
        Witness(tmp_path).read()


@pytest.mark.parametrize(("number", "made"), [(errno.EPERM, True), (errno.EOPNOTSUPP, True), (errno.EIO, False)])
def test_a_file_system_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, made: bool
) -> None:
    def refuse(*_paths: Path) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "link", refuse)
    if made:
        Witness(tmp_path).begin("this")
        Witness(tmp_path).write(SEEN)
        with pytest.raises(JournalUnavailable):
            Witness(tmp_path).begin("other")
        assert Witness(tmp_path).read() == SEEN
    else:
        with pytest.raises(JournalUnavailable):
            Witness(tmp_path).begin("this")


def test_a_file_system_without_generations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object) -> bytes:
        raise OSError(errno.ENOTTY, "no")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    Witness(tmp_path).write(SEEN)
    assert Witness(tmp_path).read() == SEEN
    assert json.loads((tmp_path / NAME).read_text())["identity"].endswith(".0")


def test_a_left_over_of_a_kill_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.new").write_text("half")
    Witness(tmp_path).write(SEEN)
    assert Witness(tmp_path).read() == SEEN


def test_another_process_that_writes_keeps_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the mutex didn't keep it out: its new file is there again as soon as ours has made room."""
    witness = Witness(tmp_path)
    witness.write(SEEN)
    (tmp_path / f"{NAME}.new").write_text("theirs")
    monkeypatch.setattr(Path, "unlink", lambda _path, **_given: None)
    with pytest.raises(JournalUnavailable, match="being written by another process"):
        witness.write(Seen("this", 8, 4))
    assert witness.read() == SEEN
    assert (tmp_path / f"{NAME}.new").read_text() == "theirs"


CASES = [
    # the journal's epoch and head, the witness, shared, doubted
    (None, 0, None, False, False),  # a first start
    (None, 0, None, True, False),
    ("this", 5, None, False, True),  # a journal put into an empty folder
    ("this", 5, None, True, False),  # another host's journal
    ("this", 7, SEEN, False, False),
    ("this", 9, SEEN, False, False),  # killed between row and witness; other hosts' attempts
    ("this", 6, SEEN, False, True),  # restored
    ("this", 6, SEEN, True, True),
    ("other", 9, SEEN, False, True),  # replaced
    (None, 0, SEEN, False, True),  # rebuilt, deleted
    (None, 0, SEEN, True, True),
    (None, 0, Seen("this", 7, 0), False, False),  # nothing to forget
    ("this", 6, Seen("this", 7, 0), False, False),
    ("other", 9, Seen("this", 7, 0), False, False),
    ("this", 6, Seen("this", 7, 0), True, True),  # but other hosts may have had failures
    (None, 0, Seen("this", 0, 0), True, False),  # this host never made an attempt
    (None, 0, Untrusted("copied"), False, True),
    ("this", 9, Untrusted("copied"), False, True),
    ("this", 9, Untrusted("copied"), True, True),
]


@pytest.mark.parametrize(("epoch", "head", "seen", "shared", "doubted"), CASES)
def test_what_is_doubted(
    epoch: str | None, head: int, seen: Seen | Untrusted | None, *, shared: bool, doubted: bool
) -> None:
    assert (doubt(History(epoch=epoch, head=head), seen, shared=shared) is not None) is doubted


def test_a_doubt_says_why() -> None:
    assert doubt(History(), Untrusted("the state folder was restored or copied"), shared=False) == (
        "the state folder was restored or copied"
    )
    assert doubt(History(epoch="x", head=1), None, shared=False) == (
        "the journal has attempts, but the guard's file beside it is missing"
    )
    assert doubt(History(moved=True), SEEN, shared=True) == (
        "the journal lies in another database than it was written in: restored or moved"
    )
    assert "restored" in str(doubt(History(), SEEN, shared=False))


def test_a_testimony_holds_no_secret() -> None:
    assert set(asdict(SEEN)) == {"epoch", "number", "failures"}
