"""Types as somebody else's package sees them: the worker installed as its wheel has it, mypy and pyright strict."""

import json
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path

import playwright
import pyright
import pytest

from tests.integration.test_handlers_page import blocks
from worker.commands.authors import new_handler

ROOT = Path(__file__).parents[2]
# Playwright brings a Node.js with it, so that pyright's own launcher needn't look for one, or fetch it.
PYRIGHT = [
    str(Path(playwright.__file__).parent / "driver" / "node"),
    str(Path(pyright.__file__).parent / "dist" / "index.js"),
]

USES = '''\
"""Each type of the contract, named: any that were Any, or another, would be an error."""

from datetime import datetime, timedelta
from typing import Any, BinaryIO, assert_type

from worker import Message, MessageError, Reject, Retry, describe
from worker.message.mime.addresses import Address
from worker.message.mime.headers import Headers
from worker.message.key import MessageKey
from worker.message.attachment import Attachment
from worker.message.message_log import MessageLog
from worker.testing import Logged, Result, Runner, load, make_message
from worker.message.verdict import Evidence, MailPath


def look(message: Message) -> None:
    assert_type(message.key, MessageKey)
    assert_type(message.path, MailPath)
    assert_type(message.evidence, tuple[Evidence, ...])
    assert_type(message.folder, str)
    assert_type(message.received_at, datetime)
    assert_type(message.size, int)
    assert_type(message.sha256, str)
    assert_type(message.headers, Headers)
    assert_type(message.headers.get("X"), str | None)
    assert_type(message.message_id, str | None)
    assert_type(message.subject, str)
    assert_type(message.sender, Address | None)
    assert_type(message.to, tuple[Address, ...])
    assert_type(message.cc, tuple[Address, ...])
    assert_type(message.date, datetime | None)
    assert_type(message.text, str)
    assert_type(message.html, str | None)
    assert_type(message.attachments, tuple[Attachment, ...])
    assert_type(message.kind, str)
    assert_type(message.notices, tuple[str, ...])
    assert_type(message.protection, str | None)
    assert_type(message.raw, bytes)
    assert_type(message.open(), BinaryIO)
    assert_type(message.log, MessageLog)
    message.log("report.filed", pages=3, seconds=0.5, new=True, how="by_number", path=message.path)
    for attachment in message.attachments:
        assert_type(attachment.filename, str | None)
        assert_type(attachment.safe_filename, str)
        assert_type(attachment.content_type, str)
        assert_type(attachment.detected_type, str)
        assert_type(attachment.mismatched, bool)
        assert_type(attachment.size, int)
        assert_type(attachment.read(), bytes)
        assert_type(attachment.open(), BinaryIO)
        assert_type(attachment.message(), Message | None)
    assert_type(describe(message), dict[str, Any])
    if message.size:
        raise Retry("later", after=timedelta(minutes=5))
    raise Reject("never")


def drive() -> None:
    with Runner(look) as runner:
        assert_type(runner.deliver(make_message(attachments={"a.pdf": b"x"})), Result)
        assert_type(runner.deliver(load("a.eml")).logged, tuple[Logged, ...])
        assert_type(runner.redeliver(load("a.eml")).error, Exception | SystemExit | None)


def fail(error: MessageError) -> str:
    return str(error)
'''
WRONG = """\
from worker import Message, Retry


def handler(message: Message) -> None:
    message.subjct
    message.size + "x"
    message.subject = "changed"
    message.log("report.filed", pages=b"3")
    raise Retry(after=5)
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A Python of its own with a package of somebody else's; the worker lies in it as its wheel would put it there."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=60)
    (site,) = venv.glob("lib/python*/site-packages")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, site / name)
    # What the worker needs. A path that a .pth file adds has none of its own read: this tree isn't found by it.
    (site / "needed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    new_handler("ward-round", tmp_path)
    (tmp_path / "ward-round" / "ward_round" / "uses.py").write_text(USES)
    (tmp_path / "ward-round" / "pathology_filing.py").write_text(next(text for _, file, text in blocks() if file))
    return tmp_path


def mypy(outside: Path, *files: str) -> list[str]:
    words = ["--strict", "--no-error-summary", "--cache-dir", str(outside / "cache")]
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", str(outside / "venv/bin/python"), *words, *files],
        cwd=outside / "ward-round",
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert not ran.stderr
    return [line for line in ran.stdout.splitlines() if ": error:" in line]


def strict_pyright(outside: Path, *files: str) -> list[str]:
    root = outside / "ward-round"
    settings = {"typeCheckingMode": "strict", "include": list(files)}
    (root / "pyrightconfig.json").write_text(json.dumps(settings))
    ran = subprocess.run(
        [*PYRIGHT, "--outputjson", "--pythonpath", str(outside / "venv/bin/python")],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    found = json.loads(ran.stdout)
    assert found["summary"]["filesAnalyzed"] == len(files), ran.stdout
    return [f"{Path(one['file']).name}:{one['range']['start']['line'] + 1} {one['message']}"
            for one in found["generalDiagnostics"]]  # fmt: skip


RIGHT = ("ward_round/__init__.py", "ward_round/uses.py", "tests/test_ward_round.py", "pathology_filing.py")


@pytest.mark.slow
@pytest.mark.parametrize("check", [mypy, strict_pyright])
def test_a_package_from_elsewhere_is_strictly_typed(outside: Path, check: Callable[..., list[str]]) -> None:
    assert check(outside, *RIGHT) == []
    (outside / "ward-round" / "wrong.py").write_text(WRONG)
    found = "\n".join(check(outside, "wrong.py"))
    for line in (5, 6, 7, 8, 9):
        assert f"wrong.py:{line}" in found


@pytest.mark.slow
@pytest.mark.parametrize("check", [mypy, strict_pyright])
def test_without_the_mark_of_a_typed_package_nothing_would_be(outside: Path, check: Callable[..., list[str]]) -> None:
    """So the mark is what the test above rests on: it must be in the wheel."""
    for mark in outside.glob("venv/lib/python*/site-packages/*/py.typed"):
        mark.unlink()
    assert check(outside, "ward_round/uses.py") != []
