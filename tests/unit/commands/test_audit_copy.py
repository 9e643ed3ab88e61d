"""The trail of a backup is read by naming its folder, and an answer without lines says why."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.commands.configured import configured
from tests.unit.commands.test_audit import opened, trail_of, typed
from worker.cli import main as cli

COPY = "This is a copy: the worker can't notice missing lines that were written after the copy.\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a worker that wrote three lines."""
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", "Bright-Harbour-92")
    configured(tmp_path).parts.close()
    with closing(opened(tmp_path)) as journal:
        for _ in range(3):
            trail_of(tmp_path, journal).record("worker.paused", who="operator", words="a reason")
    return tmp_path


@pytest.fixture
def backup(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Made before a fifth line was written."""
    assert cli.run(["journal", "backup", str(folder / "copies"), "--config", str(folder / "worker.toml")]) == 0
    with closing(opened(folder)) as journal:
        trail_of(folder, journal).record("worker.resumed", who="operator", words="another")
    capsys.readouterr()
    (made,) = (folder / "copies").glob("nhsmail-worker-*")
    return made


def test_the_trail_of_a_backup_is_shown_by_naming_its_folder(
    folder: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(folder, "show", "--state", str(backup)) == 0
    kinds = [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["worker.paused"] * 3 + ["journal.copied"]
    assert typed(folder, "show") == 0
    assert capsys.readouterr().out.count("worker.resumed") == 1


def test_the_trail_of_a_backup_is_verified_and_said_to_be_a_copy(
    folder: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(folder, "verify", "--state", str(backup)) == 0
    assert capsys.readouterr().out == f"{COPY}4 lines in 1 chain, 0 findings.\n"
    assert typed(folder, "verify") == 0
    assert capsys.readouterr().out == "5 lines in 1 chain, 0 findings.\n"


def test_a_backup_in_the_place_of_the_state_folder_is_said_to_be_a_copy(
    folder: Path, backup: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NHSMAIL_STATE__DIR", str(backup))
    assert typed(folder, "verify") == 0
    assert capsys.readouterr().out == f"{COPY}4 lines in 1 chain, 0 findings.\n"


def test_a_folder_that_is_not_there_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(folder, "show", "--state", str(folder / "none")) == 64
    assert "does not exist" in capsys.readouterr().err


def test_an_answer_without_lines_says_that_none_fits_and_names_the_kinds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(folder, "show", "--kind", "failed") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("None of the 3 lines fits. There is no kind 'failed'. The kinds: audit.doubted, ")
    assert "message.retried" in said.err
    assert typed(folder, "show", "--kind", "paused") == 0
    assert capsys.readouterr().err.endswith(" There is no kind 'paused'. Kinds with that text: worker.paused.\n")
    assert typed(folder, "show", "--kind", "login") == 0
    assert capsys.readouterr().err == "None of the 3 lines fits.\n"
    assert typed(folder, "show", "--kind", "worker") == 0
    assert capsys.readouterr().err == ""
