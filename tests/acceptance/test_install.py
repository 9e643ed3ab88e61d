"""The worker, installed as README says: with what the locks name, and with nothing else."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts import shipped

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)

INSTALL = (ROOT / "README.md").read_text().partition("## Install\n")[2].partition("\n## ")[0]


def sources(folder: Path) -> Path:
    """A copy of what the installation reads, to spoil."""
    for name in ("scripts", "worker", "handlers", "share"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [
        *ROOT.glob("*.lock"),
        *(ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE", "nhsmail_worker.py")),
    ]:
        shutil.copy(path, folder)
    return folder


def shell(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("NHSMAIL_", "PYTHON"))}
    return subprocess.run(
        ["sh", "-eu"], input=script, cwd=folder, env=kept, capture_output=True, text=True, timeout=500, check=False
    )


@pytest.mark.long
def test_readme_s_words_install_what_is_locked_and_nothing_else(tmp_path: Path) -> None:
    script = "\n".join(re.findall(r"^    (.*)", INSTALL, re.MULTILINE))
    place = tmp_path / "opt"
    done = shell(script.replace("/opt/nhsmail-worker", str(place)), ROOT)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nhsmail-worker, version 0.1.0"), done.stderr
    listed = subprocess.run(
        [str(place / "bin" / "python"), "-m", "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    )
    there = {line.lower().replace("_", "-") for line in listed.stdout.split()}
    by_venv = {line for line in there if line.startswith(("pip==", "setuptools=="))}
    assert there - by_venv == {f"{name}=={version}" for name, version in shipped.locked()} | {"nhsmail-worker==0.1.0"}


@pytest.mark.slow
@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock"])
def test_a_package_that_is_not_the_locked_one_is_refused(tmp_path: Path, lock: str) -> None:
    here = sources(tmp_path / "sources")
    if lock == "requirements-build.lock":
        (here / "requirements.lock").write_text("")  # only what builds the worker is fetched
    text = (here / lock).read_text()
    first, rest = text[: (at := text.index("\n", text.index("==", text.index("==") + 2)))], text[at:]
    (here / lock).write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", first) + rest)

    done = shell(f"scripts/install {tmp_path / 'opt'}", here)

    assert done.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "opt" / "bin" / "nhsmail-worker").exists()


@pytest.mark.parametrize("arguments", ["", "--some /x", "-x", "/a /b", "--all"])
def test_wrong_usage_is_told(tmp_path: Path, arguments: str) -> None:
    done = shell(f"{ROOT}/scripts/install {arguments}", tmp_path)
    assert (done.returncode, "scripts/install FOLDER" in done.stderr) == (64, True)
    assert list(tmp_path.iterdir()) == []
