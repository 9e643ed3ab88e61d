"""There is one way to install, pinned and hashed from end to end; README, image and bench use it."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # it comes without types

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.lock"), *(ROOT / "scripts").glob("*.lock")])
BASE = "python:3.13-slim-trixie"

INSTALLS = re.compile(r"\bpip (?:install|sync|wheel|download)\b|\buv\b\S* build\b", re.IGNORECASE)
"""A command that brings packages, or builds one."""
HASHED = re.compile(r"--require-hashes.*(?:--only-binary :all:|--no-build\b)")
LOCAL = re.compile(r"--no-deps --no-index|--no-deps --no-build-isolation|--no-build-isolation --(?:no-index|python)")
"""Takes what lies here, and builds it with what is installed here."""
SAID = {"README.md": ["pip install ."]}
"""What a page warns of."""


def _pinned(lock: str) -> dict[str, str]:
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text().strip())
    found = {}
    for entry in entries:
        name = re.match(r"([a-z0-9][a-z0-9._-]*)==([^ ;]+)", entry)
        assert name, f"{lock}: {entry.splitlines()[0]}"
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), f"{lock}: {name[1]}"
        found[name[1]] = name[2]
    return found


@pytest.mark.parametrize("mask", ["077", "027", "022"])
def test_what_is_installed_can_be_read_by_the_worker_s_user(tmp_path: Path, mask: str) -> None:
    """Root often keeps its files to itself, and the service runs as another user."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nmkdir -p "$3/bin"\nprintf "#!/bin/sh\\nexit 1\\n" > "$3/bin/python"\nexit 1\n')
    python.chmod(0o755)
    command = f'umask {mask}; "$0" --libraries "$1"'
    script, folder = ROOT / "scripts" / "install", tmp_path / "opt" / "worker"
    words = ["/bin/sh", "-c", command, str(script), str(folder)]
    subprocess.run(words, env={"PATH": os.environ["PATH"], "PYTHON": str(python)}, check=False, timeout=60)
    for path in (folder.parent, folder, folder / "bin", folder / "bin" / "python"):
        assert path.stat().st_mode & 0o044 == 0o044, path


@pytest.mark.parametrize("lock", LOCKS)
def test_each_requirement_of_a_lock_is_pinned_and_hashed(lock: str) -> None:
    assert len(_pinned(lock)) > 0


def test_the_locks_agree() -> None:
    everything = _pinned("requirements-dev.lock")
    for lock in ("requirements.lock", "requirements-all.lock", "requirements-build.lock"):
        assert _pinned(lock).items() <= everything.items(), f"{lock}: make lock"
    assert _pinned("requirements.lock").items() <= _pinned("requirements-all.lock").items()


def test_what_builds_the_worker_is_locked_as_the_project_names_it() -> None:
    (backend,) = PROJECT["build-system"]["requires"]
    name, version = backend.split("==")
    assert _pinned("requirements-build.lock")[name] == version
    assert backend in PROJECT["dependency-groups"]["build"]


PLACES = [
    "Dockerfile",
    "Makefile",
    ".ci/run",
    "scripts/bootstrap",
    "scripts/install",
    *("README.md", "CONTRIBUTING.md"),
]
PLACES += [f"docs/{page}.md" for page in ("containers", "upgrade", "index", "security")]


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_installed_without_its_hash(place: str) -> None:
    """In docs/handlers.md an author installs a package of his own, which no lock of ours can know."""
    text = (ROOT / place).read_text().replace("\\\n", " ")
    for warned in SAID.get(place, ()):
        text = text.replace(f"`{warned}`", "")
    loose = [line for line in text.splitlines() if INSTALLS.search(line)]
    assert [line for line in loose if not HASHED.search(line) and not LOCAL.search(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "    /opt/nhsmail-worker/bin/pip install '.[oauth]'",
        "RUN /opt/nhsmail-worker/bin/pip install --require-hashes -r requirements.lock",  # may build what has no wheel
        "RUN /opt/nhsmail-worker/bin/pip install --no-deps . \\",
        'quietly "$uv" pip install --python "$1/bin/python" --no-deps -e .',
        "$(UV) build -q --wheel --out-dir $(DIST) .",
        "python3 -m pip wheel --no-deps .",
    ],
)
def test_what_used_to_be_written_would_be_noticed(line: str) -> None:
    assert INSTALLS.search(line)
    assert not HASHED.search(line)
    assert not LOCAL.search(line)


def test_readme_image_and_bench_install_in_the_one_way() -> None:
    install = (ROOT / "README.md").read_text().partition("## Install\n")[2].partition("\n## ")[0]
    assert re.findall(r"^    (\S*(?:install|pip|venv|uv)\b.*)", install, re.MULTILINE) == [
        "scripts/install /opt/nhsmail-worker"
    ]
    assert re.findall(r"^RUN (scripts/install.*?)(?: \\)?$", DOCKERFILE, re.MULTILINE) == [
        "scripts/install --libraries /opt/nhsmail-worker",
        "scripts/install /opt/nhsmail-worker",
    ]
    bench = (ROOT / "Makefile").read_text().partition("\nbench: install\n")[2].partition("\n\n")[0]
    assert "scripts/install .tools/installed\n" in bench
    assert "BENCH_PYTHON=.tools/installed/bin/python $(PY) -m bench\n" in bench


def test_the_image_s_build_sees_what_it_copies() -> None:
    seen = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        part for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.MULTILINE) for part in line.split()[:-1]
    ]
    assert {"scripts/install", "requirements.lock", "requirements-build.lock"} <= set(copied)
    assert [part for part in copied if f"!{part.removeprefix('./')}" not in seen] == []


def test_the_base_is_an_argument_and_no_digest_is_invented() -> None:
    assert f"ARG PYTHON={BASE}\n" in DOCKERFILE
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON}"}
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["worker"]["build"]
    assert composed == {"context": ".", "args": {"PYTHON": f"${{PYTHON:-{BASE}}}"}}
    page = (ROOT / "docs" / "containers.md").read_text()
    for words in (f"docker pull {BASE}", f"docker image inspect --format '{{{{index .RepoDigests 0}}}}' {BASE}"):
        assert f"    {words}\n" in page
    assert '    docker build --build-arg PYTHON="$PYTHON" -t nhsmail-worker .\n' in page
    for text in (DOCKERFILE, page, (ROOT / "compose.yaml").read_text()):
        assert "sha256:" not in text
        assert not re.search(r"\b[a-z0-9.-]+\.(?:io|com|org)/[a-z]+/python", text)  # no registry's host


def test_the_tests_authorisation_server_is_pinned_and_hashed_and_names_no_registry() -> None:
    """npm compares each package with its hash, and refuses one without; nothing of a package runs at installation."""
    folder = ROOT / "tests" / "rig" / "oidc"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["dependencies"] == wanted
    assert [name for name, version in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    assert [name for name, one in packages.items() if not one["integrity"].startswith("sha512-")] == []
    assert [name for name, one in packages.items() if "resolved" in one or one.get("hasInstallScript")] == []
    bootstrap = (ROOT / "scripts" / "bootstrap").read_text()
    assert re.findall(r'"\$@" ci .*?--ignore-scripts', bootstrap)
    assert "npm install" not in bootstrap
