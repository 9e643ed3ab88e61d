"""What every command takes, and what a mistyped one is told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from worker import demo as demonstration
from worker.cli import main as cli


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize(
    "command",
    [command for _, command in every_command(cli.commands)],
    ids=[" ".join(p) for p, _ in every_command(cli.commands)],
)
def test_every_command_takes_the_configuration_file(command: click.Command) -> None:
    assert "--config" in [option for parameter in command.params for option in parameter.opts]


def test_the_keys_of_tls_are_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys")
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert "SSLKEYLOGFILE" not in os.environ


def test_the_demo_does_not_look_at_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[list[str]] = []

    def play(_directory: object, command: list[str], _console: object) -> int:
        played.append(command)
        return 0

    monkeypatch.setattr(demonstration, "run", play)
    assert cli.run(["demo", "--config", "nowhere.toml"]) == 0
    assert cli.run(["demo", "check", "--connect"]) == 0
    assert cli.run(["demo", "--dir", "x", "check", "--json", "--nope"]) == 0
    assert played == [[], ["check", "--connect"], ["check", "--json", "--nope"]]


def test_a_mistyped_option_of_the_demo_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demonstration, "run", lambda *_: pytest.fail("it began"))
    assert cli.run(["demo", "--nope"]) == 64
    said = capsys.readouterr().err
    assert ("No such option" in said, "--nope" in said) == (True, True)


def test_a_closed_stream_is_no_fault_and_no_other_file_takes_its_number(tmp_path: Path) -> None:
    def ended(streams: str, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-c", script, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    init = ended("<&- >&-", "from worker.cli.main import main; main()", "init")
    assert (init.returncode, init.stderr.partition(".")[0]) == (
        64,
        "Without a terminal, the command can't ask questions",
    )
    script = "import os; from worker.cli import main; main._open_closed_streams(); print(os.open('new', os.O_CREAT))"
    assert int(ended("<&- 2>&-", script).stdout) > 2
