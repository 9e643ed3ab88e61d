"""Trying a handler on a file, and beginning a new one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.messages import UNPARSABLE, eml
from worker.authors import CannotBegin, new_handler, try_handler
from worker.settings import SettingsError, load

MODULE = """
from datetime import timedelta
from worker import Reject, Retry

def later(message): raise Retry("the far end sleeps", after=timedelta(minutes=5))
def never(message): raise Reject("not mine")
def broken(message): raise ZeroDivisionError("by nought")
def parts(message): message.attachments
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
    assert "dead letter at once" in try_handler("tried_handlers:never", message).text
    assert "ZeroDivisionError: by nought" in try_handler("tried_handlers:broken", message).text
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
