"""The command `completion`, and the shells' scripts that it prints. `share/` has the same scripts, for packages."""

from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

from worker.cli.options import UnusedConfigOption
from worker.commands.exits import ExitCode

PROGRAM: Final = "nhsmail-worker"
VARIABLE: Final = "_NHSMAIL_WORKER_COMPLETE"
"""Set by a shell that asks what can come next. click looks for it under this name."""

SHELLS: Final = {
    "bash": "bash-completion/completions/nhsmail-worker",
    "zsh": "zsh/site-functions/_nhsmail-worker",
    "fish": "fish/vendor_completions.d/nhsmail-worker.fish",
}
"""Where each shell looks for the script, below a `share` folder."""


def completion_script(shell: str) -> str:
    """Return the script that makes a shell complete our commands. shell: one of `SHELLS`."""
    found: type[ShellComplete] | None = get_completion_class(shell)
    if found is None:
        raise ValueError(f"click knows no shell {shell}")
    script = found(click.Group(), {}, PROGRAM, VARIABLE)
    return str(script.source_template % script.source_vars()).strip() + "\n"


@click.command()
@UnusedConfigOption
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> int:
    """Print the script that makes a shell complete commands, options and files.

    Keep it in a file where the shell looks for it:

    \b
    bash  ~/.local/share/bash-completion/completions/nhsmail-worker
    zsh   _nhsmail-worker, in a folder of $fpath
    fish  ~/.config/fish/completions/nhsmail-worker.fish
    """
    click.echo(completion_script(shell), nl=False)
    return ExitCode.DONE
