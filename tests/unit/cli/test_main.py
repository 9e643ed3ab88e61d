"""What every command takes, and what a mistyped one is told."""

from collections.abc import Iterator

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
