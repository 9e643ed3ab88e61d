"""How a command of this worker is typed in this installation, so that advice can be followed as it stands.

Texts name commands as `` `nhsmail-worker failed list` ``. `as_typed` puts in what this installation needs besides: the
words before the command, as in `nhsmail-worker demo failed list`, and the configuration that was named.
"""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PROGRAM: Final = "nhsmail-worker"
VARIABLE: Final = "NHSMAIL_COMMAND"
"""The environment variable that says what to type instead of `nhsmail-worker`: the demo sets it, and containers may."""
_NAMED: Final = re.compile(rf"`{PROGRAM}((?: [^`]*)?)`")


class _CommandLine:
    """The configuration that the command line named. One for each process; threads of `run` read it."""

    def __init__(self) -> None:
        self._named: list[Path] = []

    @contextmanager
    def naming(self, path: Path) -> Iterator[None]:
        """While the block runs, the command line names this file. Blocks may end in any order."""
        self._named.append(path)
        try:
            yield
        finally:
            self._named.remove(path)

    @property
    def option(self) -> str:
        """What must be typed so that a command finds that file; empty if the command line named none."""
        return f"--config {shlex.quote(str(self._named[-1]))}" if self._named else ""


_LINE: Final = _CommandLine()


def typed(command: str = "") -> str:
    """A command line as it must be typed here: `typed("failed list")` is `nhsmail-worker failed list`, or longer."""
    return " ".join(part for part in (_program(), command.strip(), _LINE.option) if part)


def as_typed(text: str) -> str:
    """The text, with each command between backticks as it must be typed here. What already is so stays."""
    return _NAMED.sub(lambda found: f"`{_completed(found[1].strip())}`", text)


def _completed(command: str) -> str:
    before, after = _program().removeprefix(PROGRAM).strip(), _LINE.option
    if (before and f"{command} ".startswith(f"{before} ")) or (after and command.endswith(after)):
        return f"{PROGRAM} {command}"
    return typed(command)


def _program() -> str:
    return os.environ.get(VARIABLE, "").strip() or PROGRAM


@contextmanager
def configuration_named(path: Path) -> Iterator[None]:
    """While the block runs, the command line names this file."""
    with _LINE.naming(path.absolute()):
        yield
