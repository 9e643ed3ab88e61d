"""Trying a handler on a file, and beginning a new one."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.messages import UNPARSABLE, eml
from worker.cli import main as cli
from worker.commands.authors import CannotBegin, new_handler, try_handler
from worker.settings import SettingsError, load

MODULE = """
import asyncio, json
from datetime import timedelta
from worker import Reject, Retry

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
    path = tmp_path / "message.eml"
    path.write_bytes(eml())
    return path


def test_what_it_came_to_is_said(message: Path) -> None:
    done = try_handler("quarantine", message)
    assert done.result.done
    assert "handled" in done.text
    later = try_handler("tried_handlers:later", message).text
    assert "the far end sleeps" in later
    assert "0:05:00" in later
    assert "in 7 days, 0:00:00 at" in try_handler("tried_handlers:much_later", message).text
    assert "dead letter at once" in try_handler("tried_handlers:never", message).text
    assert "ZeroDivisionError: by nought" in try_handler("tried_handlers:broken", message).text
    answers = try_handler("tried_handlers:answers", message)
    assert not answers.result.done
    assert "ReturnedNotRaised: the handler returned Reject, which means nothing: write `raise Reject" in answers.text
    says_no = try_handler("tried_handlers:says_no", message)
    assert says_no.result.done
    assert "What it returned (bool) is ignored" in says_no.text
    assert "ignored" not in done.text
    assert "\n  tried_handlers" not in later
    broken = try_handler("tried_handlers:broken", message).text.splitlines()
    line = 1 + MODULE.splitlines().index('def broken(message): raise ZeroDivisionError("by nought")')
    assert broken[1] == f"  {message.parent}/tried_handlers.py:{line}, in broken"
    deep = try_handler("tried_handlers:deep", message).text.splitlines()
    assert [row.rpartition(", in ")[2] for row in deep if row.startswith("  ")] == ["deep", "deeper", "loads"]
    assert [row for row in deep if "/worker/" in row] == []
    message.write_bytes(UNPARSABLE)
    assert try_handler("tried_handlers:parts", message).result.state == "unreadable"


def test_options_and_tables(message: Path, tmp_path: Path) -> None:
    place = tmp_path / "archive"
    assert try_handler("archive", message, options={"url": f"file://{place}"}).result.done
    config = tmp_path / "worker.toml"
    config.write_text(
        f'[account]\naddress = "a@nhs.net"\n[[route]]\nname = "all"\nhandlers = ["filed"]\n'
        f'[handler.filed]\nuse = "archive"\nurl = "file://{place}"\nattachments = false\n'
    )
    settings = load(config, {"NHSMAIL_ACCOUNT__PASSWORD": "Correct-Horse-7"})
    assert try_handler("filed", message, settings=settings).result.done
    assert len(list(place.glob("*/message.json"))) == 1


def test_faults_are_those_of_the_start(message: Path) -> None:
    for name in ("archive", "no-such-handler", "no_such_module:x"):
        with pytest.raises(SettingsError) as caught:
            try_handler(name, message)
        assert caught.value.faults
    with pytest.raises(OSError, match="No such file"):
        try_handler("quarantine", message.with_name("missing.eml"))


def test_a_new_handler_works_as_it_is(tmp_path: Path) -> None:
    files = new_handler("ward-round2", tmp_path)
    assert {str(path.relative_to(tmp_path / "ward-round2")) for path in files} == {
        "pyproject.toml",
        "ward_round2/__init__.py",
        "ward_round2/py.typed",
        "tests/test_ward_round2.py",
    }
    root = tmp_path / "ward-round2"
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(root), str(root)],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_a_new_handler_names_what_it_rejects(tmp_path: Path) -> None:
    """People see the class alone, and `Reject` says nothing to them."""
    new_handler("ward-round2", tmp_path)
    assert "raise NothingAttached" in (tmp_path / "ward-round2" / "ward_round2" / "__init__.py").read_text()


def test_a_new_handler_asks_no_index_for_the_worker(tmp_path: Path) -> None:
    """Its name is on none, so whoever took it there would be installed beside the mail."""
    new_handler("ward-round2", tmp_path)
    project = tomllib.loads((tmp_path / "ward-round2" / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []


@pytest.mark.slow
def test_a_new_handler_is_as_strict_as_ours(tmp_path: Path) -> None:
    new_handler("ward-round2", tmp_path)
    root = tmp_path / "ward-round2"
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}
    for tool in (
        ["ruff", "check", "--isolated", "--line-length", "120", "--ignore", "I001"],
        ["mypy", "--strict", "--no-incremental"],
    ):
        checked = subprocess.run(
            [sys.executable, "-m", *tool, "ward_round2"],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-a",
        "a-",
        "A",
        "a b",
        "../a",
        "a/b",
        "é",
        "1a",
        "a" * 41,
        "archive",
        "class",
        "json",
        "worker",
        "match",
        "a\n",
        "base-model",
        "field",
        "message",
        "nhsmail-worker",
        "nothing-attached",
        "path",
        "pydantic",
        "pytest",
        "reject",
        "retry",
        "runner",
    ],
)
def test_names_that_can_not_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotBegin):
        new_handler(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    new_handler("mine", tmp_path)
    (tmp_path / "mine" / "pyproject.toml").write_text("changed")
    with pytest.raises(CannotBegin):
        new_handler("mine", tmp_path)
    assert (tmp_path / "mine" / "pyproject.toml").read_text() == "changed"


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
    assert command("try", "filed", "message.eml") == 0
    assert len(list(tmp_path.glob("archive/*/attachments/report.pdf"))) == 1
    assert (
        command("try", "filed", "message.eml", "--set", f"url=file://{tmp_path}/other", "--set", "attachments=no") == 0
    )
    assert len(list(tmp_path.glob("other/*/message.json"))) == 1
    assert list(tmp_path.glob("other/*/attachments/*")) == []
    assert not (tmp_path / "state").exists()
    capsys.readouterr()
    assert command("try", "tables", "message.eml") == 78
    said = capsys.readouterr().err
    assert "1 fault" in said or "2 faults" in said
    assert "the nearest is url" in said


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
        (("new", "json"), 64, "Take another"),
        (("new", "Ward Round"), 64, "small letters"),
        (("new",), 64, "Missing argument"),
    ],
)
def test_what_is_wrong_is_said(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, says: str
) -> None:
    assert command(*words) == code
    assert says in capsys.readouterr().err


def test_a_new_handler_from_the_command(
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert command("new", "ward-round") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "ward-round/pyproject.toml"
    assert "pip install -e './ward-round[test]'" in said.err
    assert command("new", "ward-round") == 64
    assert "there already" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("worker.cli.authors.Path", lambda *_: tmp_path / "file")
    assert command("new", "other") == 64
    assert "can't be written: Not a directory" in capsys.readouterr().err


def test_a_fault_of_ours_is_never_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_arguments: list[str]) -> int:
        raise RuntimeError("ours")

    monkeypatch.setattr(cli, "run", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["status"])
    assert ended.value.code == 70
    assert "RuntimeError" in capsys.readouterr().err
