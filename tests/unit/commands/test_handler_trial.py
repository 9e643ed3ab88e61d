"""Trying a handler on a message in a file, as the worker would give it."""

import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rig.messages import UNPARSABLE, eml
from worker.cli import main as cli
from worker.commands.handler_trial import try_handler
from worker.handling.trial import NeedsForReal, NoScratch, Trial
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.settings import Settings, SettingsError, load

MODULE = """
import asyncio, json
from datetime import timedelta
from pathlib import Path
from pydantic import BaseModel
from worker import Reject, Retry

WHERE = Path(__file__).with_name("where")

def later(message): raise Retry("the far end sleeps", after=timedelta(minutes=5))
def never(message): raise Reject("not mine")
def broken(message): raise ZeroDivisionError("by nought")
def parts(message): message.attachments
def exits(message): raise SystemExit(3)
def much_later(message): raise Retry(after=timedelta(days=30))
def answers(message): return Reject("not mine")
def says_no(message): return False
def deep(message): deeper()
def deeper(): json.loads(3)
def quotes(message): raise Reject(f"not {message.subject}")

def says(message):
    message.log("report.filed", pages=3, new=True)
    message.log("report.filed", subject=message.subject)

def keeps(message):
    WHERE.write_text(f"{message.key} {message.path} {message.folder} {message.received_at.isoformat()} {message.size}")

def sends(message): WHERE.write_text("sent")
sends.real_effect = "sends the message to the moon"

class Files:
    class Settings(BaseModel):
        folder: Path
        fails: bool = False

    def __init__(self, settings):
        settings.folder.mkdir(exist_ok=True)
        self.folder = settings.folder

    @staticmethod
    def scratch(settings, folder):
        if settings.fails: raise LookupError("no scratch today")
        return settings.model_copy(update={"folder": folder / "reports"})

    def __call__(self, message): (self.folder / message.key).write_bytes(message.raw)

class Unclosable:
    def __call__(self, message): pass
    def close(self): raise OSError("gone")

class Silent(Exception):
    def __str__(self): raise self

def silent(message): raise Silent

class Cancelled:
    def __call__(self, message): pass
    def close(self): raise asyncio.CancelledError("no")
"""


@pytest.fixture
def message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tried_handlers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tried_handlers", raising=False)  # that of an earlier test lies elsewhere
    path = tmp_path / "message.eml"
    path.write_bytes(eml())
    return path


def test_what_it_came_to_is_said(message: Path) -> None:
    done = try_handler("quarantine", message)
    assert done.done
    assert "handled" in done.text
    later = try_handler("tried_handlers:later", message).text
    assert "the far end sleeps" in later
    assert "0:05:00" in later
    assert "in 7 days, 0:00:00 at" in try_handler("tried_handlers:much_later", message).text
    assert "dead letter at once" in try_handler("tried_handlers:never", message).text
    assert "ZeroDivisionError: by nought" in try_handler("tried_handlers:broken", message).text
    answers = try_handler("tried_handlers:answers", message)
    assert not answers.done
    assert "ReturnedNotRaised: the handler returned Reject, which means nothing: write `raise Reject" in answers.text
    says_no = try_handler("tried_handlers:says_no", message)
    assert says_no.done
    assert "What it returned (bool) is ignored" in says_no.text
    assert "ignored" not in done.text
    assert "\n  tried_handlers" not in later
    broken = try_handler("tried_handlers:broken", message).text.splitlines()
    line = 1 + MODULE.splitlines().index('def broken(message): raise ZeroDivisionError("by nought")')
    assert broken[broken.index("") + 2] == f"  {message.parent}/tried_handlers.py:{line}, in broken"
    deep = try_handler("tried_handlers:deep", message).text.splitlines()
    assert [row.rpartition(", in ")[2] for row in deep if row.startswith("  ")] == ["deep", "deeper", "loads"]
    assert [row for row in deep if "/worker/" in row] == []
    message.write_bytes(UNPARSABLE)
    assert "It would be a dead letter at once" in try_handler("tried_handlers:parts", message).text


def test_what_people_will_see_of_a_reject_is_said(message: Path) -> None:
    assert (
        "People see the reason tried_handlers:never:Reject:not-mine."
        in try_handler("tried_handlers:never", message).text
    )
    assert "People see the reason tried_handlers:quotes:Reject." in try_handler("tried_handlers:quotes", message).text


def test_what_it_logs_is_shown_and_a_mistake_costs_nothing(message: Path) -> None:
    said = try_handler("tried_handlers:says", message)
    assert said.done
    assert "It logged: report.filed pages=3 new=True\n" in said.text
    line = 1 + MODULE.splitlines().index('    message.log("report.filed", subject=message.subject)')
    assert f"the worker drops it. tried_handlers:{line}: subject: a text that was made while" in said.text


def settings_in(folder: Path, more: str = "", address: str = "pathology.results@nhs.net") -> Settings:
    config = folder / "worker.toml"
    config.write_text(
        f'[account]\naddress = "{address}"\npassword_file = "there-is-none"\n'
        '[[route]]\nname = "all"\nhandlers = ["filed"]\n'
        f'[handler.filed]\nuse = "archive"\nurl = "file://{folder}/archive"\nattachments = false\n{more}'
    )
    return load(config, {}, [])


RAW = (
    b"Received: from b by c; Tue, 6 Jan 2026 12:30:00 +0100\r\n"
    b"Received: from a by b; Mon, 5 Jan 2026 09:00:00 +0000\r\n"
    b"From: a@lab.example.org\r\nSubject: Report\r\nDate: Mon, 5 Jan 2026 08:00:00 +0000\r\n"
    b"Message-ID: <1@lab.example.org>\r\n\r\nbody\r\n"
)


PLACEHOLDER = (
    b"From: Microsoft Exchange Server\r\n"
    b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 7\r\n\r\n"
    b"The server couldn't retrieve the following message\r\n"
)


def kept(path: Path, **given: Any) -> list[str]:
    """What the handler `keeps` saw of the message: key, path, folder, time of arrival, size."""
    assert try_handler("tried_handlers:keeps", path, **given).done
    return path.with_name("where").read_text().split()


def test_the_message_is_as_the_worker_would_give_it(message: Path, tmp_path: Path) -> None:
    message.write_bytes(RAW)
    settings = settings_in(tmp_path)
    key = fingerprint("pathology.results@nhs.net", Headers.from_bytes(RAW))
    assert kept(message, settings=settings) == [key, "clean", "INBOX", "2026-01-06T11:30:00+00:00", str(len(RAW))]
    assert kept(message, settings=settings_in(tmp_path, address="other@nhs.net"))[0] != key
    assert kept(message, settings=settings, folder="Junk Email")[1:3] == ["junk", "Junk"]  # its name has a space
    said = try_handler("tried_handlers:keeps", message, settings=settings).text
    assert f"Key: {key}, as in the mailbox of pathology.results@nhs.net.\n" in said
    assert "Received: 2026-01-06 11:30:00 UTC, by its topmost Received header.\n" in said
    assert "Folder: INBOX, which is assumed. --folder names another.\n" in said
    assert "Line ends" not in said


def test_what_is_assumed_is_said(message: Path) -> None:
    said = try_handler("tried_handlers:keeps", message, folder="Results").text
    assert "There is no configuration, so the message has another key in your mailbox." in said
    assert "Folder: Results.\n" in said


@pytest.mark.parametrize(
    ("gone", "at", "by"),
    [
        (b"Received", "2026-01-05T08:00:00+00:00", "by its Date header"),
        (b"Received Date", "2001-09-09T01:46:40+00:00", "by the time of the file"),
    ],
)
def test_the_time_of_arrival_is_the_best_that_there_is(message: Path, gone: bytes, at: str, by: str) -> None:
    lines = [line for line in RAW.splitlines(keepends=True) if not line.startswith(tuple(gone.split()))]
    message.write_bytes(b"".join(lines))
    os.utime(message, (1_000_000_000, 1_000_000_000))
    assert kept(message)[3] == at
    assert by in try_handler("tried_handlers:keeps", message).text


def test_a_file_with_other_line_ends_is_the_same_message(message: Path) -> None:
    message.write_bytes(RAW)
    seen = kept(message)
    message.write_bytes(RAW.replace(b"\r\n", b"\n"))
    assert kept(message) == seen
    assert "Line ends: the file has LF." in try_handler("tried_handlers:keeps", message).text


def test_junk_is_judged_by_the_settings(message: Path, tmp_path: Path) -> None:
    message.write_bytes(b"X-Forefront-Antispam-Report: SFV:SPM;SCL:5;\r\nX-MS-Exchange-Organization-SCL: 5\r\n" + RAW)
    junk = try_handler("tried_handlers:keeps", message, settings=settings_in(tmp_path)).text
    assert "Path: junk." in junk
    assert "no route gives this message to tried_handlers:keeps. `nhsmail-worker route explain" in junk
    more = '[junk]\nsources = ["placement"]\n'
    assert "Path: clean." in try_handler("tried_handlers:keeps", message, settings=settings_in(tmp_path, more)).text


def test_what_no_handler_would_get_is_given_to_none(message: Path, tmp_path: Path) -> None:
    message.write_bytes(RAW + b"x" * 2000)
    settings = settings_in(tmp_path, '[limits]\nmessage = "1KB"\nheader_bytes = "1KB"\n')
    large = try_handler("tried_handlers:keeps", message, settings=settings)
    message.write_bytes(PLACEHOLDER)
    placeholders = [try_handler("tried_handlers:keeps", message, settings=one) for one in (None, settings_in(tmp_path))]
    for tried, why in ((large, "(oversize)"), *((one, "placeholder (retrieval-failed)") for one in placeholders)):
        assert not tried.done
        assert "The handler wasn't called." in tried.text
        assert why in tried.text
    assert not message.with_name("where").exists()


def test_the_archive_is_left_alone(message: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    said = try_handler("filed", message, settings=settings).text
    (folder,) = re.findall(r"filed wrote below (\S+)\. The place that its settings name was left alone\.", said)
    assert len(list(Path(folder).glob("*/message.json"))) == 1
    assert not (tmp_path / "archive").exists()
    there = Trial(into=tmp_path / "a folder with spaces")
    for _ in range(2):  # the same folder again: it finds what it wrote
        assert try_handler("filed", message, settings=settings, trial=there).done
    assert len(list(tmp_path.glob("a folder with spaces/*/message.json"))) == 1
    assert not (tmp_path / "archive").exists()


def test_for_real_it_is_the_archive(message: Path, tmp_path: Path) -> None:
    said = try_handler("filed", message, settings=settings_in(tmp_path), trial=Trial(for_real=True)).text
    assert len(list(tmp_path.glob("archive/*/message.json"))) == 1
    assert "What filed did is real" in said
    assert "The key is the one that the message has in the mailbox." in said


def test_an_object_store_is_left_alone(message: Path) -> None:
    """Its options and its secret aren't a folder's."""
    options = {"url": "s3://bucket/mail", "options": {"region": "eu-west-2"}, "secret": "x"}
    assert try_handler("archive", message, options=options).done


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("webhook", {"url": "https://results.example.nhs.uk/mail"}),
        ("database", {"url": "sqlite:////nowhere/mail.db"}),
        ("queue", {"url": "amqps://rabbit.example.nhs.uk//", "queue": "mail"}),
        ("command", {"command": ["/bin/false"]}),
        ("tried_handlers:sends", None),
    ],
)
def test_what_cannot_be_taken_back_is_done_for_real_alone(message: Path, name: str, options: dict[str, Any]) -> None:
    with pytest.raises(NeedsForReal):
        try_handler(name, message, options=options)
    assert not message.with_name("where").exists()


def test_a_handler_of_ones_own_may_have_a_scratch(message: Path, tmp_path: Path) -> None:
    options = {"folder": str(tmp_path / "real")}
    tables = settings_in(tmp_path, '[handler.mine]\nuse = "tried_handlers:Files"\n')
    trial = Trial(into=tmp_path / "scratch")
    assert try_handler("mine", message, settings=tables, options=options, trial=trial).done
    assert len(list((tmp_path / "scratch" / "reports").iterdir())) == 1
    assert not (tmp_path / "real").exists()
    with pytest.raises(SettingsError, match="no scratch today"):
        try_handler("mine", message, settings=tables, options=options | {"fails": "yes"})


def test_without_a_scratch_no_other_folder_can_be_named(message: Path, tmp_path: Path) -> None:
    with pytest.raises(NoScratch):
        try_handler("quarantine", message, trial=Trial(into=tmp_path))


def test_faults_are_those_of_the_start(message: Path) -> None:
    for name in ("archive", "no-such-handler", "no_such_module:x"):
        with pytest.raises(SettingsError) as caught:
            try_handler(name, message)
        assert caught.value.faults
    with pytest.raises(OSError, match="No such file"):
        try_handler("quarantine", message.with_name("missing.eml"))


CONFIG = """
[account]
address = "a@nhs.net"
password_file = "there-is-none"
[[route]]
name = "all"
handlers = ["filed", "tables"]
[handler.filed]
use = "archive"
url = "file://{place}"
[handler.tables]
use = "database"
urls = "sqlite://"
"""


@pytest.fixture
def command(message: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.chdir(message.parent)
    monkeypatch.delenv("NHSMAIL_CONFIG", raising=False)
    return lambda *words: cli.run(["handler", *words])


def test_the_command_says_what_a_try_came_to(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    for name, code, says in (
        ("quarantine", 0, "handled"),
        ("tried_handlers:later", 1, "tried again later, in 0:05:00"),
        ("tried_handlers:never", 1, "dead letter at once"),
        ("tried_handlers:exits", 1, "SystemExit: 3"),
        ("tried_handlers:Unclosable", 0, "Its close() raised OSError: gone"),
        ("tried_handlers:Cancelled", 0, "Its close() raised CancelledError: no"),
        ("tried_handlers:silent", 1, "raised Silent\n"),
    ):
        assert command("try", name, "message.eml") == code
        assert says in capsys.readouterr().out


def test_an_error_is_said_once(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert command("try", "tried_handlers:broken", "message.eml") == 1
    assert capsys.readouterr().err == ""


def test_the_command_reads_the_handlers_table(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No password is needed, and a fault of another handler is none of this one's."""
    (tmp_path / "worker.toml").write_text(CONFIG.format(place=tmp_path / "archive"))
    assert command("try", "filed", "message.eml", "--for-real") == 0
    assert len(list(tmp_path.glob("archive/*/attachments/report.pdf"))) == 1
    sets = ("--set", f"url=file://{tmp_path}/other", "--set", "attachments=no")
    assert command("try", "filed", "message.eml", *sets, "--for-real") == 0
    assert len(list(tmp_path.glob("other/*/message.json"))) == 1
    assert list(tmp_path.glob("other/*/attachments/*")) == []
    assert not (tmp_path / "state").exists()
    capsys.readouterr()
    assert command("try", "tables", "message.eml") == 78
    said = capsys.readouterr().err
    assert "1 fault" in said or "2 faults" in said
    assert "the nearest is url" in said


def test_the_command_leaves_the_archive_alone(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "worker.toml").write_text(CONFIG.format(place=tmp_path / "archive"))
    assert command("try", "filed", "message.eml", "--into", "elsewhere") == 0
    assert f"filed wrote below {tmp_path}/elsewhere." in capsys.readouterr().out
    assert len(list(tmp_path.glob("elsewhere/*/message.json"))) == 1
    assert not (tmp_path / "archive").exists()


def test_the_command_says_how_to_do_it_for_real(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], message: Path
) -> None:
    message.rename(message.with_name("my report.eml"))
    words = ("try", "webhook", "my report.eml", "--set", "url=https://127.0.0.1:9/a?b=it's")
    assert command(*words) == 64
    said = capsys.readouterr().err
    (again,) = re.findall(r"webhook sends the message .* Nothing was done\. To let it do that: `(.*)`\.", said)
    assert shlex.split(again) == ["nhsmail-worker", "handler", *words, "--for-real"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("try", "archived", "message.eml"), 78, 'there is no handler "archived"; the nearest is "archive"'),
        (("try", "archive", "message.eml"), 78, "url"),
        (("try", "no_such_module:x", "message.eml"), 78, "no_such_module:x can't be imported"),
        (("try", "archive", "message.eml", "--set", "url"), 64, "KEY=VALUE"),
        (("try", "archive", "elsewhere.eml"), 64, "elsewhere.eml"),
        (("try", "archive", "."), 64, "directory"),
        (("try", "archive"), 64, "Missing argument"),
        (("try", "quarantine", "message.eml", "--into", "x"), 64, "quarantine has no `scratch`"),
        (("try", "archive", "message.eml", "--into", "x", "--for-real"), 64, "exclude each other"),
    ],
)
def test_what_is_wrong_is_said(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, says: str
) -> None:
    assert command(*words) == code
    assert says in capsys.readouterr().err
