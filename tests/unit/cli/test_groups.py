"""The help of a group shows what each command does, uncut."""

import click
import pytest
from click.testing import CliRunner

from worker.cli.groups import CommandGroup
from worker.cli.main import commands


def groups(group: click.Group, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Group]:
    found = {path: group}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= groups(command, (*path, name))
    return found


ALL = groups(commands)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_nothing_is_cut_off_at_any_width(path: tuple[str, ...], columns: int) -> None:
    said = CliRunner().invoke(commands, [*path, "--help"], terminal_width=columns, max_content_width=columns)
    assert said.exit_code == 0
    flowing = " ".join(said.output.split())
    for name, command in ALL[path].commands.items():
        assert f"{name} {command.get_short_help_str(10_000)}" in flowing
    assert "..." not in flowing.partition("Commands: ")[2]
    assert max(len(line) for line in said.output.splitlines()) <= columns


def test_every_group_is_one_of_ours() -> None:
    assert all(isinstance(group, CommandGroup) for group in ALL.values())


def test_what_is_hidden_is_not_shown() -> None:
    group = CommandGroup(commands={"old": click.Command("old", help="Gone.", hidden=True)})
    assert "Gone" not in CliRunner().invoke(group, ["--help"]).output
