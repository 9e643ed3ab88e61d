"""Groups of commands, whose help shows what each command does in full."""

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


_WHOLE = 10_000  # characters
