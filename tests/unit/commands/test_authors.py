"""Beginning a new handler."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from worker.cli import main as cli
from worker.commands.authors import CannotBegin, new_handler


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    return lambda *words: cli.run(["handler", *words])


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
    assert "3 passed" in ran.stdout


def test_a_new_handler_shows_how_to_reject_to_log_and_to_be_tried(tmp_path: Path) -> None:
    new_handler("ward-round2", tmp_path)
    text = (tmp_path / "ward-round2" / "ward_round2" / "__init__.py").read_text()
    for shown in ('raise Reject("nothing attached")', 'message.log("attachments.filed", count=', "def scratch("):
        assert shown in text


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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("new", "json"), "Choose another"),
        (("new", "Ward Round"), "lower-case letters"),
        (("new",), "Missing argument"),
    ],
)
def test_what_is_wrong_is_said(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert command(*words) == 64
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
    assert "handler try ward-round FILE.eml --set folder=anywhere" in said.err
    assert command("new", "ward-round") == 64
    assert "exists already" in capsys.readouterr().err
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
