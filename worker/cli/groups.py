"""Groups of commands, whose help shows what each command does in full."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any

import click

from worker.commands.exits import Failure
from worker.logs.typed import as_typed


class CommandGroup(click.Group):
    """Shows the first sentence of each command's help in full, where click cuts it off at the end of the line.

    A failure names commands as they must be typed here.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            Failure: with the commands in its text as they must be typed, while what the command line names still holds.
        """
        try:
            return super().invoke(ctx)
        except Failure as failure:
            raise Failure(failure.code, as_typed(str(failure))) from failure

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        shown = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in shown if command and not command.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


class LazyCommands(MutableMapping[str, click.Command]):
    """A group's commands, each imported when it is asked for: one command needn't wait for the others.

    places: by its name, `file:name` of the command, of this room's files.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)
        self._added: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name in self._added:
            return self._added[name]
        file, _, inside = self._places[name].partition(":")
        command: click.Command = getattr(import_module(f"worker.cli.{file}"), inside)
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._added[name] = command

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._added.pop(name, None)
        self._places.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._added or name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter({**self._places, **self._added})

    def __len__(self) -> int:
        return len({**self._places, **self._added})


_WHOLE = 10_000  # characters
