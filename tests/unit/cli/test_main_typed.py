"""A failure names commands as they are typed in this installation."""

from pathlib import Path

import pytest

from worker.cli.main import run
from worker.commands.exits import ExitCode, Failure
from worker.logs.typed import VARIABLE


@pytest.mark.parametrize("program", ["nhsmail-worker", "nhsmail-worker demo"])
def test_with_the_demo_and_the_configuration_that_was_named(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Failure(ExitCode.NOT_NOW, "Run `nhsmail-worker login status`.")

    monkeypatch.setenv(VARIABLE, program)
    monkeypatch.setattr("worker.cli.work.open_context", refuse)
    named = tmp_path / "mine.toml"
    assert run(["status", "--config", str(named)]) == ExitCode.NOT_NOW
    assert capsys.readouterr().err == f"Run `{program} login status --config {named}`.\n"
