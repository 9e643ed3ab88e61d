"""`archive` removes what is old and its own, and nothing else, wherever it is killed."""

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import ValidationError

import handlers.archive
from handlers.archive import Archive
from handlers.archive_removal import FolderCopies, key_of
from tests.rig import messages as rig
from worker import Look, Message, OldCopies, OldCopy, RemovedCopies
from worker.message.mime.limits import Limits
from worker.message.verdict import MailPath, Verdict

DAY = timedelta(days=1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
BEFORE = NOW - 30 * DAY
OLD, YOUNG = BEFORE - DAY, BEFORE + DAY


def message(number: int = 1, *, received: datetime = OLD, attachments: dict[str, bytes] | None = None) -> Message:
    raw = rig.eml(number, attachments=attachments)
    return Message(
        raw,
        key=rig.key_of(number),
        folder="INBOX",
        received_at=received,
        verdict=Verdict(MailPath.CLEAN, ()),
        limits=Limits(),
    )


def archive(root: Path, **settings: object) -> Archive:
    return Archive(Archive.Settings.model_validate({"url": root.as_uri(), **settings}))


def put(root: Path, number: int = 1, *, received: datetime = OLD, archived: datetime = OLD, **given: Any) -> Path:
    handler = archive(root)
    handler(message(number, received=received, **given))
    handler.flush()
    folder = root / rig.key_of(number)
    os.utime(folder / "message.json", (archived.timestamp(),) * 2)
    return folder


def look(root: Path, **given: Any) -> OldCopies:
    return archive(root).old_copies(Look(**{"before": BEFORE, **given}))


def remove(root: Path, *names: str) -> RemovedCopies:
    return archive(root).remove_copies(names, BEFORE)


def tree(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """What lies there: mode and content of each file, link and folder."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else "",
        )
        for path in sorted(root.rglob("*"))
        if ".removed" not in path.parts and ".partial" not in path.parts
    }


@pytest.mark.parametrize(
    ("received", "archived", "is_old"),
    [(OLD, OLD, True), (YOUNG, OLD, False), (OLD, YOUNG, False), (YOUNG, YOUNG, False), (BEFORE, OLD, False)],
)
def test_a_message_is_old_when_it_was_received_and_archived_before(
    tmp_path: Path, received: datetime, archived: datetime, is_old: bool
) -> None:
    folder = put(tmp_path, received=received, archived=archived)
    found = look(tmp_path)
    assert [copy.name for copy in found.copies] == [folder.name] * is_old
    assert found.oldest == (None if is_old else max(received, archived))
    assert remove(tmp_path, folder.name) == RemovedCopies((folder.name,) * is_old)
    assert folder.exists() is not is_old
    assert list((tmp_path / ".removed").iterdir()) == []


def test_a_later_copy_is_a_copy_of_its_message(tmp_path: Path) -> None:
    folder = put(tmp_path)
    later = tmp_path / f"{folder.name}.1"
    shutil.copytree(folder, later)
    assert look(tmp_path).copies == (OldCopy(folder.name, folder.name), OldCopy(folder.name, later.name))
    os.utime(later / "message.json", (YOUNG.timestamp(),) * 2)
    assert [copy.name for copy in look(tmp_path).copies] == [folder.name]
    remove(tmp_path, folder.name, later.name)
    assert (folder.exists(), later.exists()) == (False, True)


def test_only_keys_and_their_numbered_copies_can_be_copies() -> None:
    key = "abcdefghijklmnopqrstuvw234"
    assert [key_of(name) for name in (key, f"{key}-2", f"{key}.1", f"{key}-2.11")] == [key, f"{key}-2", key, f"{key}-2"]
    others = (".partial", ".removed", "k1", key[:-1], f"{key}x", key.upper(), f"{key}.", f"{key}-", f"{key}\n", "")
    assert not any(map(key_of, others))


Change = Callable[[Path], object]


def each(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def linked(name: str) -> Change:
    """Puts a link to something outside in the place of what has this name, or of the whole folder."""

    def change(folder: Path) -> None:
        place, outside = folder / name if name else folder, folder.parent.parent / "outside"
        if place.exists():
            place.rename(outside)
        else:
            outside.write_text("x")
        place.symlink_to(outside)

    return change


def told(**fields: object) -> Change:
    def change(folder: Path) -> None:
        mark = folder / "message.json"
        mark.write_text(json.dumps({**json.loads(mark.read_bytes()), **fields}))

    return change


def as_mark(data: bytes) -> Change:
    return lambda folder: (folder / "message.json").write_bytes(data)


FOREIGN: dict[str, Change] = {
    "a file beside": lambda folder: (folder / "notes.txt").write_text("x"),
    "a hidden file beside": lambda folder: (folder / ".nfs01").write_text("x"),
    "a folder beside": lambda folder: (folder / "more").mkdir(),
    "a link beside": linked("link"),
    "a file among the attachments": lambda folder: (folder / "attachments" / "x.pdf").write_text("x"),
    "a folder among the attachments": lambda folder: (folder / "attachments" / "x").mkdir(),
    "a folder in the place of an attachment": each(
        lambda folder: (folder / "attachments" / "report.pdf").unlink(),
        lambda folder: (folder / "attachments" / "report.pdf").mkdir(),
    ),
    "an attachment that is a link": linked("attachments/report.pdf"),
    "attachments that are a link": linked("attachments"),
    "a message that is a link": linked("message.eml"),
    "a mark that is a link": linked("message.json"),
    "all of it a link": linked(""),
    "a link in its place": each(shutil.rmtree, lambda folder: folder.symlink_to("/etc")),
    "a link to another": each(
        lambda folder: folder.rename(folder.parent.parent / "outside"),
        lambda folder: folder.symlink_to(folder.parent.parent / "outside"),
    ),
    "a pipe in place of the message": each(
        lambda folder: (folder / "message.eml").unlink(), lambda folder: os.mkfifo(folder / "message.eml")
    ),
    "a pipe in place of the mark": each(
        lambda folder: (folder / "message.json").unlink(), lambda folder: os.mkfifo(folder / "message.json")
    ),
    "no mark": lambda folder: (folder / "message.json").unlink(),
    "a file in its place": each(shutil.rmtree, lambda folder: folder.write_text("x")),
    "an empty folder": each(shutil.rmtree, lambda folder: folder.mkdir()),
    "another's key": told(key="b" * 26),
    "no key": told(key=None),
    "no date": told(received_at=None),
    "a date without a zone": told(received_at="2020-01-01T00:00:00"),
    "a date that isn't one": told(received_at="yesterday"),
    "no hash": told(sha256=None),
    "attachments that aren't told of": told(attachments=[]),
    "attachments that weren't written": told(attachments=None),
    "attachments that aren't a list": told(attachments=7),
    "not JSON": as_mark(b"\xff{"),
    "JSON of something else": as_mark(b"[1]"),
    "JSON that is too deep": as_mark(b"[" * 100_000),
    "nothing in the mark": as_mark(b""),
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_as_archive_made_it_is_left_alone(tmp_path: Path, change: Change) -> None:
    root = tmp_path / "archive"
    folder = put(root)
    change(folder)
    for mark in root.rglob("message.json"):
        if stat.S_ISREG(mark.lstat().st_mode):
            os.utime(mark, (OLD.timestamp(),) * 2)
    outside = tmp_path / "outside"
    before = tree(root), tree(outside) if outside.is_dir() else outside.exists()
    found = look(root)
    assert (found.copies, found.looked, found.left) == ((), 1, 1)
    assert remove(root, folder.name).removed == ()
    assert (tree(root), tree(outside) if outside.is_dir() else outside.exists()) == before


NEIGHBOURS = (
    "README",
    ".partial-notes",
    "k1",
    "2026",
    "backup.tar",
    "a" * 25,
    "a" * 27,
    f"{'a' * 26}.old",
    "lost+found",
)


def test_other_things_beside_the_messages_are_no_copies(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    put(root)
    for number, name in enumerate(NEIGHBOURS):
        if number % 2:
            (root / name).mkdir()
            shutil.copy2(root / rig.key_of(1) / "message.json", root / name)
        else:
            (root / name).symlink_to("/etc")
    staged = root / ".partial" / rig.key_of(2)
    staged.mkdir()
    (staged / "message.json").write_text("{}")
    names = {path.name for path in root.iterdir()} - {rig.key_of(1)}
    found = look(root)
    assert (found.looked, found.left) == (1, 0)
    remove(root, *(copy.name for copy in found.copies))
    assert {path.name for path in root.iterdir()} - {".removed"} == names
    assert (staged / "message.json").exists()
    assert remove(root, "../outside", ".partial", *NEIGHBOURS) == RemovedCopies()
    assert {path.name for path in root.iterdir()} - {".removed"} == names


def test_a_bin_that_is_a_link_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "archive", tmp_path / "outside"
    folder = put(root)
    outside.mkdir()
    (outside / "precious").write_text("x")
    (root / ".removed").symlink_to(outside)
    for names in ((), (folder.name,)):
        with pytest.raises(NotADirectoryError):
            remove(root, *names)
    assert folder.exists()
    assert [path.name for path in outside.iterdir()] == ["precious"]


def test_a_look_is_bounded_and_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    names = sorted(put(tmp_path, number).name for number in range(1, 8))
    first = look(tmp_path, most=3)
    assert ([copy.name for copy in first.copies], first.after, first.looked) == (names[:3], names[2], 3)
    second = look(tmp_path, after=first.after, found=2)
    assert ([copy.name for copy in second.copies], second.after, second.looked) == (names[3:5], names[4], 2)
    remove(tmp_path, *names[:6])
    third = look(tmp_path, after=second.after)
    assert ([copy.name for copy in third.copies], third.after) == (names[6:], None)
    assert look(tmp_path, after=names[-1]) == OldCopies()


def test_a_look_ends_in_time_and_gets_somewhere_in_none(tmp_path: Path) -> None:
    names = sorted(put(tmp_path, number).name for number in range(1, 4))
    ticks = iter(range(100))
    copies = FolderCopies(tmp_path, lambda: next(ticks))
    found = copies.old_copies(Look(BEFORE, seconds=0.0))
    assert (found.looked, found.after) == (1, names[0])


def test_what_is_too_young_is_not_opened(tmp_path: Path) -> None:
    folder = put(tmp_path, archived=YOUNG)
    with patch.object(os, "fdopen") as opened:
        assert look(tmp_path).oldest == YOUNG
    assert not opened.called
    assert folder.exists()


def test_a_message_without_written_attachments_goes_too(tmp_path: Path) -> None:
    handler = archive(tmp_path, attachments=False)
    handler(message())
    handler.flush()
    folder = tmp_path / rig.key_of(1)
    os.utime(folder / "message.json", (OLD.timestamp(),) * 2)
    assert remove(tmp_path, folder.name).removed == (folder.name,)


def test_what_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [put(tmp_path, number).name for number in (1, 2, 3)]
    rename, rmtree = os.rename, shutil.rmtree

    def no_rename(source: str, *given: Any, **more: Any) -> None:
        if source == names[0]:
            raise PermissionError
        rename(source, *given, **more)

    def no_rmtree(name: str, *given: Any, **more: Any) -> None:
        if name == names[1]:
            raise PermissionError
        rmtree(name, *given, **more)

    monkeypatch.setattr(os, "rename", no_rename)
    monkeypatch.setattr(shutil, "rmtree", no_rmtree)
    assert remove(tmp_path, *names) == RemovedCopies((names[2],), (names[0], names[1]))
    assert remove(tmp_path) == RemovedCopies(left=1)
    monkeypatch.undo()
    assert remove(tmp_path) == RemovedCopies()
    assert list((tmp_path / ".removed").iterdir()) == []
    assert (tmp_path / names[0]).exists()


@pytest.mark.parametrize("seconds", ["0d", "23h", "-5d", "40000d", "x"])
def test_a_time_that_makes_no_sense_is_refused(tmp_path: Path, seconds: str) -> None:
    with pytest.raises(ValidationError):
        archive(tmp_path, remove_after=seconds)


# -- killed at any moment


class Killed(BaseException):
    """The process dies."""


STEPS = ("rename", "unlink", "rmdir", "mkdir", "fsync", "write")


@contextmanager
def killed_at(step: int | None) -> Iterator[None]:
    """The process dies instead of its n-th step on the disk; it lives if there are fewer, or if there is no n."""
    left = step

    def dying(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            nonlocal left
            if left is not None:
                if left <= 0:
                    raise Killed
                left -= 1
            return None if name == "fsync" else real(*given, **more)

        return call

    with pytest.MonkeyPatch.context() as patches, suppress(Killed):
        for name in STEPS:
            patches.setattr(os, name, dying(name, getattr(os, name)))
        patches.setattr(handlers.archive, "_wait_for", lambda _path: None)
        yield


NUMBERS = strategies.integers(1, 4)
KILLS = strategies.none() | strategies.integers(0, 25)


class ArchiveMachine(RuleBasedStateMachine):
    """Messages come, come again and grow old; people add files; the process dies at any step of any of it."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(mkdtemp())
        self.now = NOW
        self.received: dict[int, datetime] = {}
        self.archived: dict[int, datetime] = {}
        """When each message was archived for certain, and what is there for certain until it is old."""
        self.noted: set[int] = set()
        """Messages to which a person has added a file."""

    @rule(number=NUMBERS, step=KILLS)
    def come(self, number: int, step: int | None) -> None:
        """A message comes, for the first time or again."""
        self.received.setdefault(number, self.now)
        with killed_at(step):
            handler = archive(self.root)
            handler(self.of(number))
            handler.flush()
            self.archived.setdefault(number, self.now)
            assert self.is_there(number), "an archived message isn't there"
        self.set_times()

    @rule(days=strategies.integers(1, 20))
    def pass_time(self, days: int) -> None:
        self.now += days * DAY

    @rule(step=KILLS, most=strategies.integers(1, 3))
    def upkeep(self, step: int | None, most: int) -> None:
        before = self.now - 30 * DAY
        with killed_at(step):
            handler = archive(self.root)
            handler.remove_copies((), before)
            after: str | None = None
            while True:
                found = handler.old_copies(Look(before, after, most, 2))
                handler.remove_copies([copy.name for copy in found.copies], before)
                after = found.after
                if after is None:
                    break
            for number in list(self.archived):
                assert self.is_there(number) is not (self.is_old(number) and number not in self.noted)
        for number in list(self.archived):
            if not self.is_there(number):
                assert self.is_old(number), "a young message was removed"
                del self.archived[number]

    @precondition(lambda self: self.archived)
    @rule(data=strategies.data())
    def note(self, data: strategies.DataObject) -> None:
        """A person puts a file beside a message."""
        number = data.draw(strategies.sampled_from(sorted(self.archived)))
        if self.is_there(number):
            (self.folder(number) / "notes.txt").write_text("x")
            self.noted.add(number)

    @invariant()
    def what_looks_whole_is_whole(self) -> None:
        for number in self.received:
            if self.is_there(number):
                folder, mail = self.folder(number), self.of(number)
                assert (folder / "message.eml").read_bytes() == mail.raw
                assert (folder / "attachments" / "report.pdf").read_bytes() == rig.PDF
        for number in self.noted:
            assert (self.folder(number) / "notes.txt").exists()

    @invariant()
    def what_is_young_is_there(self) -> None:
        for number in self.archived:
            if not self.is_old(number):
                assert self.is_there(number)

    def teardown(self) -> None:
        try:
            self.now += 100 * DAY
            self.upkeep(None, 3)
            assert {path.name for path in self.root.iterdir()} <= {
                ".partial",
                ".removed",
                *(rig.key_of(number) for number in self.noted),
            }
            assert list((self.root / ".removed").iterdir()) == []
        finally:
            shutil.rmtree(self.root)

    def of(self, number: int) -> Message:
        return message(number, received=self.received[number])

    def folder(self, number: int) -> Path:
        return self.root / rig.key_of(number)

    def is_there(self, number: int) -> bool:
        return (self.folder(number) / "message.json").exists()

    def is_old(self, number: int) -> bool:
        before = self.now - 30 * DAY
        return max(self.received[number], self.archived[number]) < before

    def set_times(self) -> None:
        """The clock of the disk is the real one: files that were written now have this machine's time."""
        for mark in self.root.glob("*/message.json"):
            written = datetime.fromtimestamp(mark.stat().st_mtime, UTC)
            if abs(written - datetime.now(UTC)) < DAY:
                os.utime(mark, (self.now.timestamp(),) * 2)


class TestArchiveMachine(ArchiveMachine.TestCase):  # type: ignore[valid-type, misc]  # made by hypothesis
    settings = settings(max_examples=20, stateful_step_count=20)


@pytest.mark.slow
class TestArchiveMachineForLonger(ArchiveMachine.TestCase):  # type: ignore[valid-type, misc]  # as above
    settings = settings(max_examples=60, stateful_step_count=30)


REMOVING = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from handlers.archive_removal import FolderCopies
from worker import Look

copies, before = FolderCopies(Path(sys.argv[1])), datetime.now(UTC) + timedelta(days=1)
print("ready", flush=True)
copies.remove_copies((), before)
while found := copies.old_copies(Look(before, found=7)).copies:
    copies.remove_copies([copy.name for copy in found], before)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_again_and_again_leaves_whole_messages_or_none(tmp_path: Path) -> None:
    """A real process, ended by SIGKILL at moments that nobody chose; in the end all is gone."""
    count, kills = 150, 0
    handler = archive(tmp_path)
    for number in range(count):
        handler(message(number))
    handler.flush()
    delays = random.Random(4)
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", REMOVING, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(delays.uniform(0.0, 0.1))
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        for number in range(count):
            folder = tmp_path / rig.key_of(number)
            if folder.exists():
                assert {path.name for path in folder.iterdir()} == {"message.eml", "message.json", "attachments"}
                assert (folder / "attachments" / "report.pdf").read_bytes() == rig.PDF
    assert kills
    subprocess.run([sys.executable, "-c", REMOVING, str(tmp_path)], check=True, stdout=subprocess.PIPE)
    assert list((tmp_path / ".removed").iterdir()) == []
    assert list(tmp_path.glob("*/*")) == []
