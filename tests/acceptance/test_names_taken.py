"""The installed command beside packages of somebody's own that are named as the worker's are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import worker

COMMAND = Path(sys.executable).with_name("nhsmail-worker")
OURS = Path(worker.__file__)


def called(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("place", ["worker/__init__.py", "worker/tasks.py", "worker.py"])
def test_a_package_named_worker_that_hides_ours_is_told_of(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).touch()
    answer = called(tmp_path, "--version")
    if place == "worker/tasks.py":  # without an __init__.py it hides nothing
        assert (answer.returncode, answer.stderr) == (0, "")
        return
    assert answer.returncode == 78
    assert str(tmp_path / place) in answer.stderr
    assert str(OURS) in answer.stderr
    assert "Rename the other one" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_package_named_handlers_that_hides_ours_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "__init__.py").write_text("def mine(message): ...\n")
    (tmp_path / "worker.toml").write_text(
        f'[account]\naddress = "a@nhs.net"\n[state]\ndir = "{tmp_path}/state"\nephemeral = true\n'
        '[[route]]\nname = "all"\nhandlers = ["handlers:mine"]\n'
    )
    answer = called(tmp_path, "check")
    assert answer.returncode == 78
    assert "[handler.quarantine]: handlers.quarantine:quarantine can't be imported" in answer.stderr
    assert str(tmp_path / "handlers" / "__init__.py") in answer.stderr
    assert str(OURS.parents[1] / "handlers" / "__init__.py") in answer.stderr
    assert "Rename yours" in answer.stderr
