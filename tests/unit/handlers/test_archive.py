"""`archive`: one whole folder a message, whatever happens in between."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError

import handlers.archive
from handlers.archive import Archive
from handlers.quarantine import quarantine
from worker.message.message import Message
from worker.message.mime.limits import Limits, MessageOverLimit
from worker.message.verdict import Evidence, MailPath, Verdict

RAW = (
    b"From: Lab <lab@nhs.uk>\r\nTo: a@nhs.net, b@nhs.net\r\nSubject: =?utf-8?q?R=C3=A9sultat?=\r\nMessage-ID: <1@x>\r\n"
    b"Date: Fri, 2 Jan 2026 10:00:00 +0100\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nThe message originated from outside of NHSmail\r\n"
    b"--b\r\nContent-Type: application/pdf; name=../r.pdf\r\n\r\n%PDF-1.4\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n--b--\r\n"
)


def message(key: str = "k1", raw: bytes = RAW, limits: Limits | None = None) -> Message:
    evidence = (Evidence("placement", None, "INBOX", "not in the junk folder", False),)
    return Message(
        raw,
        key=key,
        folder="INBOX",
        received_at=datetime(2026, 1, 2, tzinfo=UTC),
        verdict=Verdict(MailPath.CLEAN, evidence),
        limits=limits or Limits(),
    )


def archive(root: Path, **settings: object) -> Archive:
    return Archive(Archive.Settings.model_validate({"url": root.as_uri(), **settings}))


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_message_becomes_a_folder(tmp_path: Path) -> None:
    handler = archive(tmp_path / "new" / "archive")
    handler(message())
    handler.flush()
    found = files(tmp_path / "new" / "archive")
    assert set(found) == {"k1/message.eml", "k1/attachments/r.pdf", "k1/attachments/part-2.eml", "k1/message.json"}
    assert found["k1/message.eml"] == RAW
    assert found["k1/attachments/r.pdf"] == b"%PDF-1.4"
    assert json.loads(found["k1/message.json"]) == {
        "key": "k1",
        "redelivery": 0,
        "sha256": message().sha256,
        "size": len(RAW),
        "folder": "INBOX",
        "path": "clean",
        "evidence": [
            {
                "source": "placement",
                "header": None,
                "value": "INBOX",
                "reason": "not in the junk folder",
                "counts": False,
            }
        ],
        "received_at": "2026-01-02T00:00:00+00:00",
        "message_id": "<1@x>",
        "date": "2026-01-02T10:00:00+01:00",
        "from": "lab@nhs.uk",
        "to": ["a@nhs.net", "b@nhs.net"],
        "cc": [],
        "subject": "Résultat",
        "kind": "mail",
        "notices": ["external-sender"],
        "protection": None,
        "attachments": [
            {
                "file": "attachments/r.pdf",
                "filename": "../r.pdf",
                "content_type": "application/pdf",
                "detected_type": "application/pdf",
                "size": 8,
                "inline": False,
                "container": None,
            },
            {
                "file": "attachments/part-2.eml",
                "filename": None,
                "content_type": "message/rfc822",
                "detected_type": "message/rfc822",
                "size": 19,
                "inline": False,
                "container": None,
            },
        ],
    }


def test_without_attachments_nothing_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.message.mime.content.parse", None)
    handler = archive(tmp_path, attachments=False)
    handler(message())
    handler(message("k2", b"Content-Type: multipart/report; report-type=delivery-status\r\nSubject: \xff\r\n"))
    handler.flush()
    assert set(files(tmp_path)) == {f"{key}/message.{kind}" for key in ("k1", "k2") for kind in ("eml", "json")}
    assert json.loads((tmp_path / "k1" / "message.json").read_bytes())["attachments"] is None
    assert json.loads((tmp_path / "k2" / "message.json").read_bytes())["kind"] == "bounce"


def test_nothing_is_in_its_place_before_the_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All data is on the disk before the first rename: a power cut can't leave a whole name on half a message."""
    handler = archive(tmp_path)
    handler(message("k1"))
    handler(message("k2"))
    steps: list[str] = []

    def noted(step: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            steps.append(step)
            return do(*arguments)

        return noting

    # by its private name, because the syncs themselves run in other threads, and in any order
    monkeypatch.setattr(handlers.archive, "_wait_for", noted("sync", handlers.archive._wait_for))
    monkeypatch.setattr(Path, "rename", noted("rename", Path.rename))
    monkeypatch.setattr(os, "fsync", noted("fsync", os.fsync))
    assert not (tmp_path / "k1").exists()
    handler.flush()
    assert steps == ["sync", "rename", "rename", "fsync", "fsync"]
    handler.flush()
    assert len(steps) == 5  # nothing to do


def test_the_same_message_comes_to_the_same_folder_once(tmp_path: Path) -> None:
    handler = archive(tmp_path)
    handler(message())
    handler(message())
    handler.close()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "k1").rglob("*")}
    for again in (handler, archive(tmp_path)):
        again(message())
        again.flush()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "k1").rglob("*")} == before
    assert list((tmp_path / ".partial").iterdir()) == []


def test_a_message_that_is_there_already_is_on_the_disk_after_the_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that renamed it may have died before the rename was on the disk."""
    first = archive(tmp_path)
    first(message())
    first.flush()
    synced: list[Path] = []
    monkeypatch.setattr(handlers.archive, "sync_folder", synced.append)
    second = archive(tmp_path)
    second(message())
    second.flush()
    assert tmp_path in synced


def test_what_a_killed_try_left_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / ".partial" / "k1" / "attachments"
    left.mkdir(parents=True)
    (left / "half.pdf").write_bytes(b"half")
    (tmp_path / "k1").mkdir()
    (tmp_path / "k1" / "message.eml").write_bytes(b"somebody took message.json away")
    handler = archive(tmp_path)
    handler(message())
    handler.flush()
    assert files(tmp_path / "k1")["message.eml"] == RAW
    assert "half.pdf" not in str(files(tmp_path))


def test_another_workers_folder_stands(tmp_path: Path) -> None:
    ours, theirs = archive(tmp_path), archive(tmp_path)
    ours(message("k1"))
    (tmp_path / ".partial" / "k1").rename(tmp_path / "kept")
    theirs(message("k1"))
    theirs.flush()
    (tmp_path / "kept").rename(tmp_path / ".partial" / "k1")
    ours.flush()
    assert files(tmp_path / "k1")["message.eml"] == RAW
    assert list((tmp_path / ".partial").iterdir()) == []


def test_a_full_disk_leaves_nothing_and_the_next_try_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = archive(tmp_path)

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            handler(message())
    assert list((tmp_path / ".partial").iterdir()) == []
    handler(message())
    handler.flush()
    assert (tmp_path / "k1" / "message.json").exists()


def test_a_flush_that_fails_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = archive(tmp_path)
    handler(message())
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", unwritable)
        with pytest.raises(OSError, match="Input/output"):
            handler.flush()
    handler(message())  # as the worker does: the batch is tried again
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", unwritable)
        with pytest.raises(OSError, match="Input/output"):  # in its place, and still not known to be on the disk
            handler.flush()
    handler.flush()
    assert files(tmp_path / "k1")["message.eml"] == RAW


def unwritable(file: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_a_message_that_is_too_much_leaves_nothing(tmp_path: Path) -> None:
    handler = archive(tmp_path)
    with pytest.raises(MessageOverLimit):
        handler(message(limits=Limits(parts=1)))
    handler.flush()
    assert files(tmp_path) == {}


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    handler = archive(tmp_path)
    handler(message())
    handler.flush()
    assert files(tmp_path / "k1")["message.eml"] == RAW


def test_many_threads_and_a_flush_in_the_middle(tmp_path: Path) -> None:
    handler = archive(tmp_path, attachments=False)

    def work(name: str) -> None:
        for number in range(50):
            handler(message(f"{name}{number}"))

    threads = [Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        handler.flush()
    handler.flush()
    assert len(list(tmp_path.glob("*/message.json"))) == 200
    assert list((tmp_path / ".partial").iterdir()) == []


def test_only_the_owner_and_his_group_can_read(tmp_path: Path) -> None:
    handler = archive(tmp_path / "archive")
    handler(message())
    handler.flush()
    for path in (tmp_path / "archive", *(tmp_path / "archive").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_what_was_forgotten_is_cleared_and_what_is_fresh_is_not(tmp_path: Path) -> None:
    for name in ("old", "fresh"):
        (tmp_path / ".partial" / name).mkdir(parents=True)
        (tmp_path / ".partial" / name / "message.eml").write_bytes(b"x")
    os.utime(tmp_path / ".partial" / "old", (time.time() - 90_000,) * 2)
    archive(tmp_path)
    assert [path.name for path in (tmp_path / ".partial").iterdir()] == ["fresh"]


@pytest.mark.parametrize("key", ["", "..", ".partial", "a/b", "a\0", "x" * 200])
def test_a_key_that_is_no_name_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        archive(tmp_path)(message(key))


@pytest.mark.parametrize("url", ["/var/lib", "file://host/x", "file:relative", "file:///a?b", "file:///a#b", ""])
def test_only_local_folders_are_taken(url: str) -> None:
    with pytest.raises(ValidationError):
        Archive.Settings(url=url)


def test_settings_know_every_key_and_decode_the_path(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Archive.Settings.model_validate({"url": "file:///x", "atachments": False})
    Archive(Archive.Settings(url=f"file://localhost{tmp_path}/a%20b"))
    assert (tmp_path / "a b" / ".partial").is_dir()


KILLED = """
import sys
from tests.unit.handlers.test_archive import archive, message
from pathlib import Path
handler = archive(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(2000):
    handler(message(f"k{number % 40}"))
    if number % 10 == 9:
        handler.flush()
"""


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.005, 0.01, 0.02, 0.04])
def test_killed_anywhere_and_repeated_there_is_one_whole_folder(tmp_path: Path, delay: float) -> None:
    program = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.readline()
    time.sleep(delay)
    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()
    for marked in tmp_path.glob("*/message.json"):
        assert json.loads(marked.read_bytes())["sha256"] == message().sha256
        assert (marked.parent / "message.eml").read_bytes() == RAW
    handler = archive(tmp_path)
    for number in range(40):
        handler(message(f"k{number}"))
    handler.flush()
    assert len(files(tmp_path)) == 40 * 4
    assert list((tmp_path / ".partial").iterdir()) == []


def test_quarantine_does_nothing() -> None:
    assert quarantine(message()) is None  # type: ignore[func-returns-value]  # returning is all that it does
